// What a person does on Signet's own pages, and what a test reads there, by the ids that they promise.

import assert from 'node:assert/strict'
import { signIn as atGlobex } from '../peers/oidc-provider.mjs'
import { shown } from '../peers/openid-client.mjs'
import { signIn as atInitech } from '../peers/simplesamlphp.mjs'

/** Picks a provider on the choose page. */
export async function choose(page, provider) {
  await page.locator(`#provider-${provider}`).click()
}

/** Fills in the password page. */
export async function password(page, username, secret) {
  await page.locator('#username').fill(username)
  await page.locator('#password').fill(secret)
  await page.locator('#submit').click()
}

/** Signs a person in, from the app's own link to its page that says who they are; gives the ID token's claims. */
export async function signIn(stage, page, { app = stage.app, at, as, query = '' }) {
  await page.goto(`${app.origin}/login${query}`)
  await choose(page, at)
  if (at === 'globex') await atGlobex(page, as)
  else if (at === 'initech') await atInitech(page, as)
  else await password(page, as.username, as.password)
  return arrived(page, app)
}

/** Waits until the app has signed the person in, and gives the ID token's claims. */
export async function arrived(page, app) {
  await page.waitForURL(`${app.origin}/`)
  const { signedIn, claims } = await shown(page)
  assert.equal(signedIn, true)
  return claims
}

/** Waits until the app was told of an error, and gives that. */
export async function refused(page, app) {
  await page.waitForURL(`${app.origin}/callback**`)
  return shown(page)
}

/** Opens a page of the app that answers with JSON. */
export async function ask(page, app, path) {
  await page.goto(`${app.origin}${path}`)
  return shown(page)
}

/** Whether Signet knows the person in this browser: asked by the app, without showing a page. */
export async function hasSession(page, app) {
  await page.goto(`${app.origin}/login?prompt=none`)
  await page.waitForURL((url) => url.origin === app.origin && url.pathname !== '/login')
  const answer = await shown(page)
  if (answer.signedIn) return true
  assert.equal(answer.error, 'login_required')
  return false
}

/** Waits for an error page, which always says why, has a number, and a way on. */
export async function failure(page) {
  await page.locator('#error').waitFor()
  const reason = await page.locator('#reason').innerText()
  assert.match(reason, /\w+ \w+.*[.?]$/s, 'a plain sentence')
  assert.match(await page.locator('#request-id').innerText(), /^\S{8,}$/)
  return reason
}
