// What upstreams do beside a plain sign-in: the ways to authenticate at them, answers by POST, encrypted assertions,
// sign-outs in both directions, sign-ins that begin there, and keys that change.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../lib/proc.mjs'
import { startStage } from '../lib/stage.mjs'
import { arrived, ask, failure, hasSession, signIn } from '../lib/pages.mjs'
import { confirmSignOut, people as globexPeople, signIn as atGlobex } from '../peers/oidc-provider.mjs'
import { people as initechPeople, signIn as atInitech } from '../peers/simplesamlphp.mjs'

const ways = ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt']
const id = (way) => way.replaceAll('_', '-')
const clientSecret = 'a secret of one more client, long enough for a test'

// One client at Globex for each way. Two of them have answers by POST.
function upstream(address) {
  const shared = (way) => way !== 'private_key_jwt'
  return {
    client: {
      post_logout_redirect_uris: [`${address.callback('globex')}/logout`],
      backchannel_logout_uri: `${address.callback('globex')}/logout`,
      backchannel_logout_session_required: true,
    },
    globex: { logout: true },
    others: ways.map((way) => ({
      client_id: id(way), redirect_uris: [address.callback(id(way))], token_endpoint_auth_method: way,
      ...(shared(way) ? { client_secret: clientSecret } : { jwks_uri: `${address.callback(id(way))}/jwks` }),
    })),
    initech: { logout: true, allow_cbc: true, idp_initiated: { app: 'web' } },
    providers: (globex, initech) => [
      ...ways.map((way) => ({
        id: id(way), kind: 'oidc', name: way, issuer: globex.issuer, client_id: id(way), token_auth: way, userinfo: true,
        ...(shared(way) && { client_secret: clientSecret }),
        ...(way.endsWith('post') && { response_mode: 'form_post' }),
      })),
      { id: 'posting', kind: 'saml', name: 'Initech by POST', metadata_url: initech.metadataURL, binding: 'post', logout: true },
    ],
  }
}

let stage
const said = []
before(async () => { stage = await startStage({ upstream, log: (line) => said.push(line) }) })
after(() => stage?.stop())

// toSignet gathers the requests by which a browser comes to a path of Signet's.
function toSignet(page, path) {
  const requests = []
  page.on('request', (r) => {
    if (r.isNavigationRequest() && new URL(r.url()).origin === stage.issuer && new URL(r.url()).pathname === path) requests.push(r)
  })
  return requests
}

for (const way of ways) {
  test(`Signet authenticates at an OpenID provider by ${way}`, async () => {
    await stage.visit(way, async (page) => {
      const back = toSignet(page, `/callback/${id(way)}`)
      await page.goto(`${stage.app.origin}/login?provider=${id(way)}`)
      await atGlobex(page, 'pat')
      assert.equal((await arrived(page, stage.app)).email, globexPeople.pat.email)
      assert.deepEqual(back.map((r) => r.method()), [way.endsWith('post') ? 'POST' : 'GET'])
    })
  })
}

test('who signs out at an app is signed out at the OpenID provider too', async () => {
  await stage.visit('oidc-logout', async (page) => {
    await signIn(stage, page, { at: 'globex', as: 'ann' })
    const back = toSignet(page, '/callback/globex/logout')
    await page.goto(`${stage.app.origin}/logout`, { waitUntil: 'commit' })
    await confirmSignOut(page)
    await page.waitForURL(`${stage.app.origin}/?state=signed-out`)
    assert.equal(back.length, 1)
    assert.equal(await hasSession(page, stage.otherApp), false)
    await page.goto(`${stage.app.origin}/login?provider=globex`)
    await page.locator('input[name=login]').waitFor()
  })
})

// ended tells that the session is over, and with it the access token that belonged to it.
async function ended(page) {
  assert.equal((await ask(page, stage.app, '/userinfo')).error, 'OAUTH_WWW_AUTHENTICATE_CHALLENGE')
  for (const app of [stage.app, stage.otherApp]) assert.equal(await hasSession(page, app), false)
}

test('who signs out at the OpenID provider is signed out here, and the access token is refused', async () => {
  await stage.visit('oidc-back-channel', async (page) => {
    await signIn(stage, page, { at: 'globex', as: 'ann', query: '?scope=openid%20email' })
    assert.equal((await ask(page, stage.app, '/userinfo')).email, globexPeople.ann.email)
    await page.goto(stage.globex.signOut, { waitUntil: 'commit' })
    await confirmSignOut(page)
    await page.waitForURL(`${stage.globex.issuer}/session/end/success**`, { waitUntil: 'commit' })
    await ended(page)
  })
  assert.deepEqual(said.filter((line) => line.includes('backchannel.error')), [])
})

test('an OpenID provider signs with a new key at once', async () => {
  stage.globex.rotate()
  await stage.visit('oidc-rotation', async (page) => {
    assert.equal((await signIn(stage, page, { at: 'globex', as: 'bob' })).email, globexPeople.bob.email)
  })
})

// assertions gathers what SimpleSAMLphp has a browser bring to Signet.
function assertions(page, provider) {
  const got = []
  page.on('request', (r) => {
    if (r.method() !== 'POST' || r.url() !== stage.address.saml(provider, 'acs')) return
    got.push(Buffer.from(new URLSearchParams(r.postData()).get('SAMLResponse'), 'base64').toString())
  })
  return got
}

test('an encrypted assertion is read', async () => {
  stage.initech.configure({ 'assertion.encryption': true })
  await stage.visit('saml-encrypted', async (page) => {
    const [got, refused] = [assertions(page, 'initech'), assertions(page, 'posting')]
    assert.equal((await signIn(stage, page, { at: 'initech', as: 'cleo' })).email, initechPeople.cleo.mail)
    assert.match(got[0], /<saml:EncryptedAssertion/)
    assert.doesNotMatch(got[0], new RegExp(initechPeople.cleo.mail))
    // This release of SimpleSAMLphp has CBC only, which is taken where the configuration says so.
    assert.match(got[0], /xmlenc#aes128-cbc/)
    await page.goto(`${stage.app.origin}/login?provider=posting&prompt=login`)
    await atInitech(page, 'cleo')
    await failure(page)
    assert.match(refused[0], /<saml:EncryptedAssertion/)
  })
  stage.initech.configure({})
})

test('who signs out at an app is signed out at the SAML identity provider too', async () => {
  await stage.visit('saml-logout', async (page) => {
    await signIn(stage, page, { at: 'initech', as: 'cleo' })
    const back = toSignet(page, '/saml/initech/slo')
    await page.goto(`${stage.app.origin}/logout`)
    await page.waitForURL(`${stage.app.origin}/?state=signed-out`)
    assert.equal(back.length, 1)
    assert.ok(new URL(back[0].url()).searchParams.has('SAMLResponse'))
    assert.equal(await hasSession(page, stage.otherApp), false)
    await page.goto(`${stage.app.origin}/login?provider=initech`)
    await page.locator('input[name=username]').waitFor()
  })
})

test('who signs out at the SAML identity provider is signed out here, and the access token is refused', async () => {
  await stage.visit('saml-logout-there', async (page) => {
    await signIn(stage, page, { at: 'initech', as: 'cleo', query: '?scope=openid%20email' })
    assert.equal((await ask(page, stage.app, '/userinfo')).email, initechPeople.cleo.mail)
    const came = toSignet(page, '/saml/initech/slo')
    await page.goto(stage.initech.signOut)
    await page.waitForURL(stage.initech.signedOut)
    assert.equal(came.length, 1)
    assert.ok(new URL(came[0].url()).searchParams.has('SAMLRequest'))
    await ended(page)
  })
})

test('SimpleSAMLphp takes what Signet signs and sends by POST, for sign-ins and for sign-outs', async () => {
  await stage.visit('saml-post', async (page) => {
    const sent = []
    page.on('request', (r) => {
      if (r.isNavigationRequest() && r.method() === 'POST' && r.postData()?.includes('SAMLRequest=')) sent.push(new URL(r.url()).pathname)
    })
    await page.goto(`${stage.app.origin}/login?provider=posting`)
    await atInitech(page, 'nils')
    assert.equal((await arrived(page, stage.app)).email, initechPeople.nils.mail)
    await page.goto(`${stage.app.origin}/logout`)
    await page.waitForURL(`${stage.app.origin}/?state=signed-out`)
    assert.deepEqual(sent, ['/saml2/idp/SSOService.php', '/saml2/idp/SingleLogoutService.php'])
    await page.goto(`${stage.app.origin}/login?provider=posting`)
    await page.locator('input[name=username]').waitFor()
  })
})

test('SimpleSAMLphp goes along when Signet\'s own certificate changes', async () => {
  const metadata = async () => (await fetch(stage.address.saml('initech', 'metadata'))).text()
  const signing = async () => [...(await metadata()).matchAll(/use="signing">.*?<ds:X509Certificate>(.*?)</gs)].map((m) => m[1])
  const cleoSignsIn = (name) => stage.visit(`own-certificate-${name}`, async (page) => {
    assert.equal((await signIn(stage, page, { at: 'initech', as: 'cleo' })).email, initechPeople.cleo.mail)
  })
  stage.initech.configure({ 'assertion.encryption': true })
  const [first] = await signing()
  stage.signet.rotate('saml')
  await until('the next certificate is announced', async () => (await signing()).length === 2)
  await stage.introduce()
  await cleoSignsIn('announced')
  stage.signet.rotate('saml', '--now')
  await until('the next certificate alone is in use', async () => (await signing()).length === 1)
  assert.notEqual((await signing())[0], first)
  await cleoSignsIn('in-use')
  stage.initech.configure({})
})

test('a sign-in that begins at the SAML identity provider ends in its app, once the person agrees', async () => {
  await stage.visit('saml-unsolicited', async (page) => {
    await page.goto(stage.initech.begin(stage.address.saml('initech', 'metadata')))
    await atInitech(page, 'dora')
    await page.locator('#unsolicited').waitFor()
    assert.equal(await hasSession(await page.context().newPage(), stage.otherApp), false)
    await page.locator('#continue').click()
    assert.equal((await arrived(page, stage.app)).email, initechPeople.dora.mail)
  })
})

test('a SAML identity provider signs with the certificate that it announced, and with one that it did not', async () => {
  const cleoSignsIn = (name) => stage.visit(`saml-certificate-${name}`, async (page) => {
    assert.equal((await signIn(stage, page, { at: 'initech', as: 'cleo' })).email, initechPeople.cleo.mail)
  })
  for (const name of ['next', 'sudden']) stage.initech.certify(name)
  stage.initech.configure({ new_privatekey: 'next.key', new_certificate: 'next.crt' })
  await stage.signet.restart() // as an hour later: the metadata is fetched again
  await cleoSignsIn('announced')
  stage.initech.configure({ privatekey: 'next.key', certificate: 'next.crt' })
  await cleoSignsIn('next')
  stage.initech.configure({ privatekey: 'sudden.key', certificate: 'sudden.crt' })
  await cleoSignsIn('sudden')
})
