// An app that knows nothing of sign-in, behind Apache's mod_auth_openidc.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../lib/proc.mjs'
import { startStage } from '../lib/stage.mjs'
import { ask, choose, hasSession, password, signIn } from '../lib/pages.mjs'
import { apacheApp, told } from '../peers/mod-auth-openidc.mjs'
import { people as initechPeople, signIn as atInitech } from '../peers/simplesamlphp.mjs'

const clientSecret = 'a secret of Apache, long enough for a test'

let stage, app, apache
before(async () => {
  app = await apacheApp()
  stage = await startStage({
    database: 'postgres',
    more: async () => [{
      id: 'apache', name: 'Acme Intranet', secret: clientSecret,
      redirect_uris: [app.redirectURI], post_logout_redirect_uris: [app.loggedOut],
      backchannel_logout_uri: app.backchannelLogoutURI,
    }],
  })
  apache = await app.start({ issuer: stage.issuer, clientID: 'apache', clientSecret })
})
after(async () => {
  await apache?.stop()
  await stage?.stop()
})

test('mod_auth_openidc signs a person in, refreshes, and signs them out', async () => {
  await stage.visit('apache', async (page) => {
    await page.goto(app.protected)
    await choose(page, 'local')
    await password(page, stage.eve.username, stage.eve.password)
    await page.waitForURL(app.protected)
    const person = await told(page)
    assert.equal(person.iss, stage.issuer)
    assert.equal(person.REMOTE_USER.startsWith(person.sub), true)
    assert.equal(person.email, stage.eve.email)
    assert.equal(person.name, stage.eve.name)

    const info = async () => {
      await page.goto(`${app.redirectURI}?info=json`)
      return JSON.parse(await page.locator('body').innerText())
    }
    const before = await info()
    assert.equal(before.userinfo.sub, person.sub)
    await page.goto(`${app.redirectURI}?refresh=${encodeURIComponent(app.protected)}&access_token=${encodeURIComponent(before.access_token)}`)
    await page.waitForURL(app.protected)
    const after = await info()
    assert.notEqual(after.access_token, before.access_token)
    assert.notEqual(after.refresh_token, before.refresh_token)

    await page.goto(`${app.redirectURI}?logout=${encodeURIComponent(app.loggedOut)}`)
    await page.waitForURL(`${app.loggedOut}**`)
    assert.equal(await hasSession(page, stage.app), false)
    await page.goto(app.protected)
    await page.locator('#choose').waitFor()
  })
})

test('mod_auth_openidc takes the logout token of a session that has ended elsewhere, and no other', async () => {
  await stage.visit('apache-back-channel', async (page) => {
    await signIn(stage, page, { at: 'local', as: stage.eve })
    await page.goto(app.protected)
    await page.waitForURL(app.protected)
    await stage.visit('apache-somebody-else', async (other) => {
      await other.goto(app.protected)
      await choose(other, 'initech')
      await atInitech(other, 'cleo')
      await other.waitForURL(app.protected)
      await page.goto(`${stage.app.origin}/logout`)
      await page.waitForURL(`${stage.app.origin}/?state=signed-out`)
      await until('the app has ended its session', async () => {
        await page.goto(app.protected)
        return new URL(page.url()).origin === stage.issuer
      })
      await page.locator('#choose').waitFor()
      await other.goto(app.protected)
      assert.equal((await told(other)).email, initechPeople.cleo.mail, 'a session of somebody else goes on')
    })
  })
})

test('mod_auth_openidc gets a person from a SAML upstream, and single sign-on from another app', async () => {
  await stage.visit('apache-saml', async (page) => {
    await page.goto(app.protected)
    await choose(page, 'initech')
    await atInitech(page, 'cleo')
    await page.waitForURL(app.protected)
    const person = await told(page)
    assert.equal(person.email, initechPeople.cleo.mail)
    assert.deepEqual(person.groups.split(','), initechPeople.cleo.groups)
  })
  await stage.visit('apache-sso', async (page) => {
    const claims = await signIn(stage, page, { at: 'local', as: stage.eve })
    await page.goto(app.protected)
    await page.waitForURL(app.protected)
    assert.equal((await told(page)).sub, claims.sub)
  })
})

test('an app that is told no is told why', async () => {
  await stage.visit('apps-refused', async (page) => {
    assert.equal((await ask(page, stage.app, '/login?prompt=none')).error, 'login_required')
    assert.equal((await ask(page, stage.app, '/login?response_type=token')).error, 'unsupported_response_type')
  })
})
