// An OpenID provider that a company runs: oidc-provider with its own sign-in and consent pages. Anyone may
// sign in with any password; what is asserted about them is in people.

import crypto from 'node:crypto'
import http from 'node:http'
import { Provider } from 'oidc-provider'
import { close, host, listen } from '../lib/ports.mjs'

export const people = {
  ann: { email: 'ann@globex.example', email_verified: true, name: 'Ann Globex', groups: ['staff', 'sales'] },
  bob: { email: 'bob@globex.example', email_verified: true, name: 'Bob Globex', groups: ['staff'] },
  pat: { email: 'pat@partner.example', email_verified: true, name: 'Pat Partner', groups: [] },
}

/**
 * Starts it for one client, of which client may say more, and for others as they are. PKCE with S256 is
 * demanded. rotate() has it sign with a new key from that moment on; the former one is gone.
 */
export async function startOIDCProvider({ clientID = 'signet', clientSecret, redirectURI, client = {}, others = [], log = () => {} }) {
  // The issuer is known only once a port is: the server comes first.
  let handle
  const server = http.createServer((req, res) => handle(req, res))
  const issuer = await listen(server, host.oidcProvider)
  const clients = [registration({ client_id: clientID, client_secret: clientSecret, redirect_uris: [redirectURI], ...client }), ...others.map(registration)]
  const serve = (keys) => {
    const provider = new Provider(issuer, { ...configuration, clients, ...keys })
    for (const event of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error', 'end_session.error']) {
      provider.on(event, (ctx, err) => log(`oidc-provider: ${event}: ${err.message} ${err.error_description ?? ''} ${err.error_detail ?? ''}`))
    }
    provider.on('backchannel.error', (ctx, err) => log(`oidc-provider: backchannel.error: ${err.message}`))
    provider.on('backchannel.success', (ctx, { clientId }, account, sid) => log(`oidc-provider: told ${clientId} that ${account} has signed out: ${sid}`))
    handle = provider.callback()
  }
  serve({})
  const rotate = () => {
    const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = { ...privateKey.export({ format: 'jwk' }), kid: crypto.randomUUID(), use: 'sig', alg: 'RS256' }
    serve({ jwks: { keys: [key] } })
    return key.kid
  }
  return { issuer, clientID, clientSecret, signOut: `${issuer}/session/end`, rotate, stop: () => close(server) }
}

const registration = (client) => ({
  client_name: 'Signet',
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: ['authorization_code'],
  response_types: ['code'],
  ...client,
})

const configuration = {
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'preferred_username', 'groups'],
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, ...(people[id] ?? { email: `${id}@globex.example` }) }),
  }),
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
  cookies: { keys: ['only for these tests'] },
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  // It refuses to connect to this machine, which is the tests' network.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
}

/** Signs a person in on its pages, consent included, and waits until the browser has left them. */
export async function signIn(page, username) {
  await page.locator('input[name=login]').fill(username)
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await consent(page)
}

/** Agrees on its consent page. */
export async function consent(page) {
  await page.getByRole('button', { name: 'Continue' }).click()
}

/** Cancels on its sign-in page. */
export async function cancel(page) {
  await page.getByRole('link', { name: /cancel/i }).click()
}

/** Agrees to sign out on its page, which does not have to have loaded its fonts. */
export async function confirmSignOut(page) {
  await page.locator('button[name=logout][value=yes]').click()
}
