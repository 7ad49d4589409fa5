// An app that signs people in with openid-client: code flow with PKCE, refresh, UserInfo, revocation and
// logout. What it has learnt about the person is JSON at /, so that a test can read it in the page.

import crypto from 'node:crypto'
import http from 'node:http'
import * as client from 'openid-client'
import { close, host, listen } from '../lib/ports.mjs'

/**
 * Starts the app on an address. connect(issuer, id, secret) has it read the issuer's discovery document;
 * until then it signs nobody in.
 */
export async function startApp({ address = host.app, scope = 'openid email profile groups offline_access' } = {}) {
  const sessions = new Map()
  const app = { config: undefined, scope, sessions }
  const server = http.createServer((req, res) => {
    answer(app, req, res).catch((err) => {
      const known = { error: err.error ?? err.code ?? err.name, description: err.error_description ?? err.message }
      send(res, 400, known)
    })
  })
  app.origin = await listen(server, address)
  app.redirectURI = `${app.origin}/callback`
  app.connect = async (issuer, id, secret) => {
    const execute = [client.allowInsecureRequests] // the issuer is plain http on loopback
    app.config = await client.discovery(new URL(issuer), id, undefined, secret ? client.ClientSecretBasic(secret) : client.None(), { execute })
  }
  app.stop = () => close(server)
  return app
}

async function answer(app, req, res) {
  const url = new URL(req.url, app.origin)
  const route = routes[url.pathname]
  if (!route) return send(res, 404, { error: 'not found' })
  const id = /(?:^|; )app=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]
  const session = app.sessions.get(id) ?? {}
  await route(app, session, url, res)
}

const routes = {
  '/': (app, session, url, res) => send(res, 200, { signedIn: session.claims !== undefined, claims: session.claims }),

  // Every parameter goes on to /authorize: provider, login_hint, prompt and the like.
  '/login': async (app, session, url, res) => {
    const verifier = client.randomPKCECodeVerifier()
    const begun = { verifier, state: client.randomState(), nonce: client.randomNonce() }
    const id = remember(app, begun)
    const to = client.buildAuthorizationUrl(app.config, {
      redirect_uri: app.redirectURI,
      scope: app.scope,
      state: begun.state,
      nonce: begun.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...Object.fromEntries(url.searchParams),
    })
    redirect(res, to, id)
  },

  '/callback': async (app, session, url, res) => {
    const tokens = await client.authorizationCodeGrant(app.config, url, {
      pkceCodeVerifier: session.verifier,
      expectedState: session.state,
      expectedNonce: session.nonce,
      idTokenExpected: true,
    })
    redirect(res, '/', remember(app, { tokens, claims: tokens.claims() }))
  },

  '/userinfo': async (app, session, url, res) => {
    send(res, 200, await client.fetchUserInfo(app.config, session.tokens.access_token, session.claims.sub))
  },

  '/refresh': async (app, session, url, res) => {
    const before = session.tokens
    session.tokens = { ...before, ...await client.refreshTokenGrant(app.config, before.refresh_token) }
    send(res, 200, {
      refreshed: session.tokens.access_token !== before.access_token,
      rotated: session.tokens.refresh_token !== before.refresh_token,
    })
  },

  '/revoke': async (app, session, url, res) => {
    await client.tokenRevocation(app.config, session.tokens.refresh_token)
    send(res, 200, { revoked: true })
  },

  '/logout': (app, session, url, res) => {
    const to = client.buildEndSessionUrl(app.config, {
      id_token_hint: session.tokens.id_token,
      post_logout_redirect_uri: `${app.origin}/`,
      state: 'signed-out',
    })
    redirect(res, to, remember(app, {}))
  },
}

function remember(app, session) {
  const id = crypto.randomUUID()
  app.sessions.set(id, session)
  return id
}

function redirect(res, to, id) {
  res.writeHead(303, { location: String(to), 'set-cookie': `app=${id}; Path=/; HttpOnly; SameSite=Lax` })
  res.end()
}

function send(res, status, value) {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  res.end(JSON.stringify(value))
}

/** The JSON that the app shows in the browser. */
export async function shown(page) {
  return JSON.parse(await page.locator('body').innerText())
}
