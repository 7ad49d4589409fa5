// An OpenID provider that a company runs: oidc-provider with its own sign-in and consent pages. Anyone may
// sign in with any password; what is asserted about them is in people.

import http from 'node:http'
import { Provider } from 'oidc-provider'
import { close, host, listen } from '../lib/ports.mjs'

export const people = {
  ann: { email: 'ann@globex.example', email_verified: true, name: 'Ann Globex', groups: ['staff', 'sales'] },
  bob: { email: 'bob@globex.example', email_verified: true, name: 'Bob Globex', groups: ['staff'] },
}

/** Starts it for one client. PKCE with S256 is demanded. */
export async function startOIDCProvider({ clientID = 'signet', clientSecret, redirectURI, log = () => {} }) {
  // The issuer is known only once a port is: the server comes first.
  let handle
  const server = http.createServer((req, res) => handle(req, res))
  const issuer = await listen(server, host.oidcProvider)
  const provider = new Provider(issuer, configuration(clientID, clientSecret, redirectURI))
  for (const event of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error']) {
    provider.on(event, (ctx, err) => log(`oidc-provider: ${event}: ${err.message} ${err.error_description ?? ''}`))
  }
  handle = provider.callback()
  return { issuer, clientID, clientSecret, stop: () => close(server) }
}

function configuration(clientID, clientSecret, redirectURI) {
  return {
    clients: [{
      client_id: clientID,
      client_secret: clientSecret,
      client_name: 'Signet',
      redirect_uris: [redirectURI],
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code'],
      response_types: ['code'],
    }],
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
    features: { devInteractions: { enabled: true } },
    cookies: { keys: ['only for these tests'] },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  }
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
