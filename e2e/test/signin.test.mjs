// The three kinds of sign-in by peers that nobody here wrote, and what follows a sign-in: single sign-on, refresh,
// logout.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startStage } from '../lib/stage.mjs'
import { arrived, ask, choose, failure, hasSession, password, refused, signIn } from '../lib/pages.mjs'
import { cancel, people as globexPeople } from '../peers/oidc-provider.mjs'
import { people as initechPeople } from '../peers/simplesamlphp.mjs'
import { shown } from '../peers/openid-client.mjs'

let stage
before(async () => { stage = await startStage({ database: 'postgres' }) })
after(() => stage?.stop())

test('a person signs in at an OpenID provider', async () => {
  await stage.visit('oidc', async (page) => {
    const claims = await signIn(stage, page, { at: 'globex', as: 'ann' })
    assert.equal(claims.iss, stage.issuer)
    assert.equal(claims.email, globexPeople.ann.email)
    assert.equal(claims.email_verified, true)
    assert.equal(claims.name, globexPeople.ann.name)
    assert.deepEqual(claims.groups, globexPeople.ann.groups)
    assert.notEqual(claims.sub, 'ann', 'the subject is of Signet, not of the upstream')
    const info = await ask(page, stage.app, '/userinfo')
    assert.equal(info.sub, claims.sub)
    assert.equal(info.email, claims.email)
  })
})

test('a person signs in at a SAML identity provider', async () => {
  await stage.visit('saml', async (page) => {
    const claims = await signIn(stage, page, { at: 'initech', as: 'cleo' })
    assert.equal(claims.email, initechPeople.cleo.mail)
    assert.equal(claims.name, initechPeople.cleo.displayName)
    assert.deepEqual(claims.groups, initechPeople.cleo.groups)
    assert.equal((await ask(page, stage.app, '/userinfo')).sub, claims.sub)
  })
})

test('a person signs in with an account kept by Signet', async () => {
  await stage.visit('password', async (page) => {
    const claims = await signIn(stage, page, { at: 'local', as: stage.eve })
    assert.equal(claims.email, stage.eve.email)
    assert.equal(claims.name, stage.eve.name)
    assert.equal((await ask(page, stage.app, '/userinfo')).sub, claims.sub)
  })
})

test('a person is the same user the next time, and somebody else another', async () => {
  const subject = (as) => stage.visit(`again-${as}`, async (page) => (await signIn(stage, page, { at: 'globex', as })).sub)
  const [first, again, other] = [await subject('ann'), await subject('ann'), await subject('bob')]
  assert.equal(again, first)
  assert.notEqual(other, first)
})

test('the e-mail address leads to its company, and an unknown one does not', async () => {
  await stage.visit('email', async (page) => {
    await page.goto(`${stage.app.origin}/login`)
    await page.locator('#email').fill('someone@nowhere.example')
    await page.locator('#email').press('Enter')
    await page.locator('#notice').waitFor()
    await page.locator('#email').fill(initechPeople.cleo.mail)
    await page.locator('#email').press('Enter')
    await page.waitForURL(`${stage.initech.origin}/**`)
  })
})

for (const [name, query, where] of [
  ['provider', '?provider=globex', 'globex'],
  ['kc_idp_hint', '?kc_idp_hint=globex', 'globex'],
  ['login_hint', `?login_hint=${initechPeople.cleo.mail}`, 'initech'],
]) {
  test(`${name} goes straight to the upstream`, async () => {
    await stage.visit(`hint-${name}`, async (page) => {
      await page.goto(`${stage.app.origin}/login${query}`)
      await page.waitForURL(`${where === 'globex' ? stage.globex.issuer : stage.initech.origin}/**`)
    })
  })
}

test('a second app signs the person in without asking', async () => {
  await stage.visit('sso', async (page) => {
    const claims = await signIn(stage, page, { at: 'local', as: stage.eve })
    const seen = []
    page.on('request', (r) => { if (r.isNavigationRequest()) seen.push(new URL(r.url())) })
    await page.goto(`${stage.otherApp.origin}/login`)
    const there = await arrived(page, stage.otherApp)
    assert.equal(there.sub, claims.sub)
    assert.equal(there.aud.toString(), 'other')
    assert.deepEqual(seen.filter((u) => u.origin === stage.issuer).map((u) => u.pathname), ['/authorize'])
  })
})

test('tokens are refreshed and revoked', async () => {
  await stage.visit('refresh', async (page) => {
    const claims = await signIn(stage, page, { at: 'globex', as: 'bob' })
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await ask(page, stage.app, '/refresh'), { refreshed: true, rotated: true })
    }
    assert.equal((await ask(page, stage.app, '/userinfo')).sub, claims.sub)
    assert.deepEqual(await ask(page, stage.app, '/revoke'), { revoked: true })
    assert.equal((await ask(page, stage.app, '/refresh')).error, 'invalid_grant')
  })
})

test('logout at one app ends the session for every app', async () => {
  await stage.visit('logout', async (page) => {
    await signIn(stage, page, { at: 'globex', as: 'ann' })
    assert.equal(await hasSession(page, stage.otherApp), true)
    await page.goto(`${stage.app.origin}/`)
    await page.goto(`${stage.app.origin}/logout`)
    await page.waitForURL(`${stage.app.origin}/?state=signed-out`)
    assert.equal((await shown(page)).signedIn, false)
    for (const app of [stage.app, stage.otherApp]) assert.equal(await hasSession(page, app), false)
  })
})

test('logout without a hint asks first', async () => {
  await stage.visit('logout-asked', async (page) => {
    await signIn(stage, page, { at: 'local', as: stage.eve })
    await page.goto(`${stage.issuer}/logout`)
    await page.locator('#logout').waitFor()
    assert.equal(await hasSession(page, stage.otherApp), true)
    await page.goto(`${stage.issuer}/logout`)
    await page.locator('#confirm').click()
    await page.locator('#logged-out').waitFor()
    assert.equal(await hasSession(page, stage.otherApp), false)
  })
})

test('a wrong password is refused on the page, and the right one then taken', async () => {
  await stage.visit('wrong-password', async (page) => {
    await page.goto(`${stage.app.origin}/login`)
    await choose(page, 'local')
    await password(page, stage.eve.username, 'not this one')
    await page.locator('#problem').waitFor()
    assert.equal(await page.locator('#username').inputValue(), stage.eve.username)
    assert.equal(await page.locator('#password').inputValue(), '')
    assert.equal(new URL(page.url()).origin, stage.issuer)
    await password(page, stage.eve.username, stage.eve.password)
    assert.equal((await arrived(page, stage.app)).email, stage.eve.email)
  })
})

test('somebody who cancels upstream can go back to the app or try again', async () => {
  await stage.visit('cancelled', async (page) => {
    const begin = async () => {
      await page.goto(`${stage.app.origin}/login`)
      await choose(page, 'globex')
      await cancel(page)
      await failure(page)
    }
    await begin()
    await page.locator('#retry').click()
    await choose(page, 'local')
    await page.locator('#username').waitFor()
    await begin()
    await page.locator('#back').click()
    assert.equal((await refused(page, stage.app)).error, 'access_denied')
    assert.equal(await hasSession(page, stage.app), false)
  })
})

test('a disabled user is refused everywhere', async () => {
  await stage.visit('disabled', async (page) => {
    await signIn(stage, page, { at: 'initech', as: 'dora' })
    stage.signet.user('disable', initechPeople.dora.mail)
    assert.equal((await ask(page, stage.app, '/refresh')).error, 'invalid_grant')
    assert.equal(await hasSession(page, stage.app), false)
    await page.goto(`${stage.app.origin}/login?provider=initech&prompt=login`)
    await page.waitForURL((url) => url.origin === stage.initech.origin)
    if (await page.locator('input[name=username]').count() > 0) {
      await page.locator('input[name=username]').fill('dora')
      await page.locator('input[name=password]').fill(initechPeople.dora.password)
      await page.keyboard.press('Enter')
    }
    await failure(page)
    assert.equal(await hasSession(page, stage.app), false)
  })
})

test('a session outlives a restart of the broker', async () => {
  await stage.visit('restart', async (page) => {
    const claims = await signIn(stage, page, { at: 'local', as: stage.eve })
    await stage.signet.restart()
    assert.equal((await ask(page, stage.app, '/userinfo')).sub, claims.sub)
    assert.deepEqual(await ask(page, stage.app, '/refresh'), { refreshed: true, rotated: true })
    assert.equal(await hasSession(page, stage.app), true)
  })
})
