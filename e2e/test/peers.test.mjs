// The peers among themselves: that each is what the other tests take it for, without Signet.

import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { after, before, test } from 'node:test'
import { keep, launch, visitor } from '../lib/chromium.mjs'
import { folder, run } from '../lib/proc.mjs'
import { apacheApp, told } from '../peers/mod-auth-openidc.mjs'
import { cancel, signIn, startOIDCProvider } from '../peers/oidc-provider.mjs'
import { shown, startApp } from '../peers/openid-client.mjs'
import { signIn as signInSAML, startSimpleSAMLphp } from '../peers/simplesamlphp.mjs'

let browser
before(async () => { browser = await launch() })
after(() => browser?.close())

async function inBrowser(name, visit) {
  const v = await visitor(browser)
  try {
    await visit(v.page)
  } catch (err) {
    await keep(v.page, `peers-${name}`)
    throw err
  } finally {
    await v.close()
  }
}

test('openid-client signs in at oidc-provider and is told of a refusal', async (t) => {
  const app = await startApp({ scope: 'openid email profile' })
  t.after(() => app.stop())
  const provider = await startOIDCProvider({ clientSecret: 'a secret of the peers', redirectURI: app.redirectURI })
  t.after(() => provider.stop())
  await app.connect(provider.issuer, provider.clientID, provider.clientSecret)
  await inBrowser('openid-client', async (page) => {
    await page.goto(`${app.origin}/login`)
    await signIn(page, 'ann')
    await page.waitForURL(`${app.origin}/`)
    assert.equal((await shown(page)).claims.sub, 'ann')
    await page.goto(`${app.origin}/userinfo`)
    assert.equal((await shown(page)).email, 'ann@globex.example')
  })
  await inBrowser('cancel', async (page) => {
    await page.goto(`${app.origin}/login`)
    await cancel(page)
    await page.waitForURL(`${app.origin}/callback**`)
    assert.equal((await shown(page)).error, 'access_denied')
  })
})

test('mod_auth_openidc signs in at oidc-provider', async (t) => {
  const app = await apacheApp()
  const provider = await startOIDCProvider({ clientSecret: 'a secret of the peers', redirectURI: app.redirectURI })
  t.after(() => provider.stop())
  const apache = await app.start({ issuer: provider.issuer, clientID: provider.clientID, clientSecret: provider.clientSecret, scope: 'openid email' })
  t.after(() => apache.stop())
  await inBrowser('mod-auth-openidc', async (page) => {
    await page.goto(app.protected)
    await signIn(page, 'bob')
    await page.waitForURL(app.protected)
    const person = await told(page)
    assert.equal(person.sub, 'bob')
    assert.equal(person.email, 'bob@globex.example')
  })
})

test('SimpleSAMLphp answers a signed request with a signed assertion, and no other', async (t) => {
  const idp = await startSimpleSAMLphp()
  t.after(() => idp.stop())
  const sp = serviceProvider(idp)
  idp.trust(sp.metadata)
  await inBrowser('simplesamlphp', async (page) => {
    await page.goto(sp.request())
    await page.route(`${sp.acs}`, (route) => route.fulfill({ body: 'received' }))
    const [received] = await Promise.all([page.waitForRequest(sp.acs), signInSAML(page, 'cleo')])
    const form = new URLSearchParams(received.postData())
    assert.equal(form.get('RelayState'), 'relay')
    const file = path.join(sp.dir, 'response.xml')
    fs.writeFileSync(file, Buffer.from(form.get('SAMLResponse'), 'base64'))
    const xml = fs.readFileSync(file, 'utf8')
    assert.match(xml, /cleo@initech\.example/)
    assert.match(xml, /nameid-format:persistent"[^>]*>cleo</)
    for (const element of ['protocol:Response', 'assertion:Assertion']) {
      run('xmlsec1', ['--verify', '--pubkey-cert-pem', idp.certificate, '--id-attr:ID', `urn:oasis:names:tc:SAML:2.0:${element}`,
        '--node-xpath', `//*[local-name()="${element.split(':')[1]}"]/*[local-name()="Signature"]`, file])
    }
  })
  const unsigned = sp.request().replace(/&SigAlg=.*/, '')
  await inBrowser('unsigned', async (page) => {
    await page.goto(unsigned)
    assert.match(await page.locator('body').innerText(), /no signature found/)
    assert.equal(await page.locator('input[name=username]').count(), 0)
  })
})

// The smallest service provider there is: metadata, and requests by HTTP-Redirect with their signature.
function serviceProvider(idp) {
  const dir = folder('sp')
  const [key, cert] = ['sp.key', 'sp.crt'].map((f) => path.join(dir, f))
  run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', '2', '-subj', '/CN=peer', '-keyout', key, '-out', cert])
  const [entityID, acs] = ['http://127.0.0.9/metadata', 'http://127.0.0.9/acs']
  const der = fs.readFileSync(cert, 'utf8').replace(/-----[A-Z ]+-----|\s/g, '')
  const metadata = `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityID}"><SPSSODescriptor AuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>${der}</X509Certificate></X509Data></KeyInfo></KeyDescriptor><AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${acs}" index="0"/></SPSSODescriptor></EntityDescriptor>`
  const request = () => {
    const xml = `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_${crypto.randomUUID()}" Version="2.0" IssueInstant="${new Date().toISOString()}" Destination="${idp.origin}/saml2/idp/SSOService.php" AssertionConsumerServiceURL="${acs}"><saml:Issuer>${entityID}</saml:Issuer></samlp:AuthnRequest>`
    const query = new URLSearchParams({
      SAMLRequest: zlib.deflateRawSync(xml).toString('base64'),
      RelayState: 'relay',
      SigAlg: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    }).toString()
    const signature = crypto.sign('sha256', Buffer.from(query), fs.readFileSync(key)).toString('base64')
    return `${idp.origin}/saml2/idp/SSOService.php?${query}&Signature=${encodeURIComponent(signature)}`
  }
  return { dir, acs, metadata, request }
}
