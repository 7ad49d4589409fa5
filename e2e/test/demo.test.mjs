// signet demo, as somebody who tries it sees it: each way to sign in, and both apps.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { faults, keep, launch, visitor } from '../lib/chromium.mjs'
import { binary } from '../lib/signet.mjs'
import { start } from '../lib/proc.mjs'

let demo, browser, told, address
before(async () => {
  demo = await start('demo', binary, ['demo'], { ready: (log) => fs.readFileSync(log, 'utf8').includes('Ctrl-C') })
  told = fs.readFileSync(demo.log, 'utf8')
  address = /Open this in a browser:\s+(\S+)/.exec(told)[1]
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await demo?.stop()
})

async function visit(name, fn) {
  const v = await visitor(browser)
  try {
    await v.page.goto(address)
    await fn(v.page)
  } catch (err) {
    await keep(v.page, `demo-${name}`)
    throw err
  } finally {
    await v.close()
  }
}

for (const company of ['globex', 'initech']) {
  test(`somebody of ${company} signs in, opens the other app and signs out`, async () => {
    await visit(company, async (page) => {
      await page.locator('#sign-in').click()
      await page.locator(`#provider-${company}`).click()
      assert.deepEqual(await faults(page), [])
      const person = page.locator('#people button').first()
      const name = (await person.evaluate((b) => b.firstChild.textContent)).trim()
      await person.click()
      assert.equal(await page.locator('#name').innerText(), name)
      assert.deepEqual(await faults(page), [])
      await page.locator('#refresh').click()
      await page.locator('#refreshed').waitFor()
      const first = new URL(page.url()).origin
      await page.locator('#other-app').click()
      await page.waitForURL((url) => url.origin !== first)
      if (await page.locator('#sign-in').count() > 0) await page.locator('#sign-in').click()
      assert.equal(await page.locator('#name').innerText(), name)
      await page.locator('#sign-out').click()
      await page.locator('#signed-out').waitFor()
      assert.deepEqual(await faults(page), [])
      await page.locator('#sign-in').click()
      await page.locator('#choose').waitFor()
    })
  })
}

test('the account that it names signs in with the password that it names', async () => {
  const [, username, password] = /account\s+(\S+)\s+password (\S+)/.exec(told)
  await visit('local', async (page) => {
    assert.deepEqual(await faults(page), [])
    await page.locator('#sign-in').click()
    await page.locator('#provider-local').click()
    await page.locator('#username').fill(username)
    await page.locator('#password').fill(password)
    await page.locator('#submit').click()
    await page.locator('#name').waitFor()
    await page.locator('#id-token').waitFor()
  })
})
