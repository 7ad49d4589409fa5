// What only a real browser shows: which cookies go with a cross-site POST, that a login belongs to the browser
// that began it, the back button, and pages without JavaScript.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startStage } from '../lib/stage.mjs'
import { arrived, choose, failure, hasSession, password, signIn } from '../lib/pages.mjs'
import { signIn as atGlobex } from '../peers/oidc-provider.mjs'
import { people as initechPeople, signIn as atInitech } from '../peers/simplesamlphp.mjs'

let stage
before(async () => { stage = await startStage() })
after(() => stage?.stop())

test('a cross-site POST of an assertion ends in a session by way of the Lax cookie', async () => {
  await stage.visit('lax', async (page, context) => {
    const toSignet = []
    page.on('request', (r) => { if (r.isNavigationRequest() && r.url().startsWith(stage.issuer)) toSignet.push(r) })
    await page.goto(`${stage.app.origin}/login?provider=initech`)
    await page.waitForURL(`${stage.initech.origin}/**`)
    const before = await context.cookies(stage.issuer)
    assert.ok(before.length > 0, 'the login has a cookie while the person is away')
    await atInitech(page, 'cleo')
    const claims = await arrived(page, stage.app)
    assert.equal(claims.email, initechPeople.cleo.mail)

    const posted = toSignet.findIndex((r) => r.method() === 'POST')
    assert.equal(toSignet[posted].url(), stage.address.saml('initech', 'acs'))
    const post = await toSignet[posted].allHeaders()
    assert.equal(post['sec-fetch-site'], 'cross-site')
    assert.equal(post.cookie, undefined, 'no cookie goes with a cross-site POST')
    const get = toSignet[posted + 1]
    assert.equal(get.method(), 'GET')
    const sent = (await get.allHeaders()).cookie ?? ''
    assert.ok(before.some((c) => sent.includes(`${c.name}=${c.value}`)), 'the GET after it has the cookie')

    for (const c of await context.cookies(stage.issuer)) {
      assert.equal(c.httpOnly, true, `${c.name} is out of reach of scripts`)
      assert.ok(['Lax', 'Strict'].includes(c.sameSite), `${c.name} is SameSite`)
    }
  })
})

// carry begins a login in a browser and signs in upstream, but keeps what comes back from reaching Signet.
async function carry(page, provider, person) {
  const back = provider === 'globex' ? stage.address.callback('globex') : stage.address.saml('initech', 'acs')
  let carried
  const session = await page.context().newCDPSession(page) // page.route sees no request that follows a redirect
  session.on('Fetch.requestPaused', ({ requestId, request }) => {
    carried = { url: request.url, method: request.method, body: request.postData }
    session.send('Fetch.fulfillRequest', { requestId, responseCode: 200, body: btoa('kept') })
  })
  await session.send('Fetch.enable', { patterns: [{ urlPattern: `${back}*` }] })
  await page.goto(`${stage.app.origin}/login?provider=${provider}`)
  if (provider === 'globex') await atGlobex(page, person)
  else await atInitech(page, person)
  await page.waitForURL((url) => url.href.startsWith(back))
  await session.detach()
  assert.ok(carried)
  return carried
}

// hand has another browser bring it to Signet, as a link or a form on somebody's page would.
async function hand(page, { url, method, body }) {
  if (method === 'GET') return page.goto(url)
  await page.goto(`${stage.otherApp.origin}/`)
  await Promise.all([
    page.waitForURL((u) => u.origin !== stage.otherApp.origin),
    page.evaluate(([action, fields]) => {
      const form = document.createElement('form')
      form.method = 'post'
      form.action = action
      for (const [name, value] of fields) {
        const input = document.createElement('input')
        input.type = 'hidden'
        input.name = name
        input.value = value
        form.append(input)
      }
      document.body.append(form)
      form.submit()
    }, [url, [...new URLSearchParams(body)]]),
  ])
}

for (const [provider, person] of [['globex', 'ann'], ['initech', 'cleo']]) {
  test(`a login begun in one browser cannot be finished in another: ${provider}`, async () => {
    await stage.visit(`begun-${provider}`, async (attacker) => {
      const carried = await carry(attacker, provider, person)
      await stage.visit(`victim-${provider}`, async (victim) => {
        await hand(victim, carried)
        await failure(victim)
        assert.equal(await hasSession(victim, stage.app), false)
      })
    })
  })

  test(`nor in one that is in the middle of a login of its own: ${provider}`, async () => {
    await stage.visit(`begun-busy-${provider}`, async (attacker) => {
      const carried = await carry(attacker, provider, person)
      await stage.visit(`victim-busy-${provider}`, async (victim, context) => {
        const own = await context.newPage()
        await own.goto(`${stage.app.origin}/login`)
        await own.locator('#choose').waitFor()
        await hand(victim, carried)
        await failure(victim)
        assert.equal(await hasSession(victim, stage.otherApp), false)
        await choose(own, 'local')
        await password(own, stage.eve.username, stage.eve.password)
        assert.equal((await arrived(own, stage.app)).email, stage.eve.email, 'the login of its own is unharmed')
      })
    })
  })

  test(`an answer is taken once: ${provider}`, async () => {
    await stage.visit(`once-${provider}`, async (page) => {
      const carried = await carry(page, provider, person)
      await hand(page, carried)
      await arrived(page, stage.app)
      await hand(page, carried)
      await failure(page)
    })
  })
}

test('the page of a login is nobody else\'s', async () => {
  await stage.visit('page-mine', async (mine) => {
    await mine.goto(`${stage.app.origin}/login`)
    await mine.locator('#choose').waitFor()
    await stage.visit('page-theirs', async (theirs) => {
      await theirs.goto(mine.url())
      await failure(theirs)
      assert.equal(await theirs.locator('#choose').count(), 0)
    })
  })
})

test('back from the upstream, another way to sign in can be taken', async () => {
  await stage.visit('back-upstream', async (page) => {
    await page.goto(`${stage.app.origin}/login`)
    await choose(page, 'globex')
    await page.locator('input[name=login]').waitFor()
    await page.goBack()
    await choose(page, 'initech')
    await page.locator('input[name=username]').waitFor()
    await page.goBack()
    await choose(page, 'local')
    await password(page, stage.eve.username, stage.eve.password)
    assert.equal((await arrived(page, stage.app)).email, stage.eve.email)
  })
})

test('back from the app after a sign-in is no dead end', async () => {
  await stage.visit('back-after', async (page) => {
    await page.goto(`${stage.app.origin}/`)
    const claims = await signIn(stage, page, { at: 'local', as: stage.eve })
    await page.goBack()
    await failure(page)
    const ways = await page.locator('.ways a, .ways button').count()
    assert.ok(ways > 0, 'there is a way on')
    await page.locator('#retry, #back').first().click()
    assert.equal((await arrived(page, stage.app)).sub, claims.sub)
  })
})

test('back from the app after a sign-in upstream is no dead end', async () => {
  await stage.visit('back-after-upstream', async (page) => {
    await signIn(stage, page, { at: 'globex', as: 'bob' })
    for (let i = 0; i < 3 && new URL(page.url()).origin !== stage.issuer; i++) await page.goBack()
    assert.equal(new URL(page.url()).origin, stage.issuer)
    await failure(page)
    await page.locator('#retry, #back').first().click()
    await arrived(page, stage.app)
  })
})

test('two logins in two tabs of one browser both finish', async () => {
  await stage.visit('tabs', async (one, context) => {
    const two = await context.newPage()
    await one.goto(`${stage.app.origin}/login`)
    await two.goto(`${stage.otherApp.origin}/login`)
    await choose(one, 'globex')
    await choose(two, 'local')
    await password(two, stage.eve.username, stage.eve.password)
    assert.equal((await arrived(two, stage.otherApp)).email, stage.eve.email)
    await atGlobex(one, 'ann')
    await arrived(one, stage.app)
  })
})

test('everything works without JavaScript', async () => {
  await stage.visit('no-javascript', async (page) => {
    const claims = await signIn(stage, page, { at: 'local', as: stage.eve })
    await page.goto(`${stage.issuer}/logout`)
    await page.locator('#confirm').click()
    await page.locator('#logged-out').waitFor()
    await page.goto(`${stage.app.origin}/login`)
    await choose(page, 'globex')
    await atGlobex(page, 'ann')
    assert.notEqual((await arrived(page, stage.app)).sub, claims.sub)
  }, { javaScriptEnabled: false })
})

test('no page runs a script of its own or can be framed', async () => {
  await stage.visit('framing', async (page) => {
    const violations = []
    page.on('console', (m) => { if (m.type() === 'error') violations.push(m.text()) })
    await page.goto(`${stage.app.origin}/login`)
    await page.locator('#choose').waitFor()
    const login = page.url()
    const response = await page.reload()
    const policy = response.headers()['content-security-policy'] ?? ''
    assert.match(policy, /frame-ancestors 'none'/)
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/)
    assert.equal(response.headers()['cache-control'], 'no-store')
    assert.deepEqual(violations, [])
    await page.goto(`${stage.app.origin}/`)
    await page.evaluate((src) => {
      const frame = document.createElement('iframe')
      frame.src = src
      document.body.append(frame)
    }, login)
    await page.waitForTimeout(500)
    for (const frame of page.frames().slice(1)) assert.equal(await frame.locator('#choose').count(), 0)
  })
})
