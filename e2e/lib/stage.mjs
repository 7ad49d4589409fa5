// Everything that a sign-in needs, up and running: Signet, a company with an OpenID provider (Globex), one with
// a SAML identity provider (Initech), accounts kept by Signet, and two apps.

import { keep, launch, visitor } from './chromium.mjs'
import { host } from './ports.mjs'
import { startPostgres } from './postgres.mjs'
import { eve, signetAddress } from './signet.mjs'
import { startOIDCProvider } from '../peers/oidc-provider.mjs'
import { startApp } from '../peers/openid-client.mjs'
import { startSimpleSAMLphp } from '../peers/simplesamlphp.mjs'

const secret = (of) => `a secret of ${of}, long enough for a test`

/**
 * Starts it all. more(signet) may add apps: it gives a list of entries of the configuration. upstream(signet) may
 * say more of the upstreams: globex and initech of how Signet is configured for them, client of Signet's
 * registration at Globex, others of more clients there, providers(globex, initech) of more entries of the
 * configuration. introduce() gives Initech Signet's metadata once more. database is sqlite or postgres, and what
 * DATABASE says for all.
 */
export async function startStage({ more = async () => [], upstream = () => ({}), log = () => {}, database = 'sqlite' } = {}) {
  const engine = process.env.DATABASE || database
  if (!['sqlite', 'postgres'].includes(engine)) throw new Error(`DATABASE is ${engine}, want sqlite or postgres`)
  const started = []
  const up = async (promise) => {
    const server = await promise
    started.push(server)
    return server
  }
  try {
    const address = await signetAddress()
    const app = await up(startApp())
    const otherApp = await up(startApp({ address: host.otherApp }))
    const { client, others, providers = () => [], ...settings } = upstream(address)
    const globex = await up(startOIDCProvider({ clientSecret: secret('Signet at Globex'), redirectURI: address.callback('globex'), client, others, log }))
    const initech = await up(startSimpleSAMLphp())
    const postgres = engine === 'postgres' ? await up(startPostgres()) : undefined
    const signet = await up(address.start({
      database: postgres?.url,
      apps: [entry(app, 'web', 'Acme Web', secret('web')), entry(otherApp, 'other', 'Acme Wiki'), ...await more(address)],
      providers: [
        {
          id: 'globex', kind: 'oidc', name: 'Globex', issuer: globex.issuer, domains: ['globex.example'],
          client_id: globex.clientID, client_secret: globex.clientSecret, userinfo: true, ...settings.globex,
        },
        { id: 'initech', kind: 'saml', name: 'Initech', metadata_url: initech.metadataURL, domains: ['initech.example'], ...settings.initech },
        { id: 'local', kind: 'password', name: 'Acme' },
        ...providers(globex, initech),
      ],
    }))
    const saml = ['initech', ...providers(globex, initech).filter((p) => p.kind === 'saml').map((p) => p.id)]
    const introduce = async () => initech.trust(...await Promise.all(saml.map(async (id) => (await fetch(address.saml(id, 'metadata'))).text())))
    await introduce()
    await app.connect(signet.issuer, 'web', secret('web'))
    await otherApp.connect(signet.issuer, 'other') // a public client
    const browser = await launch()
    started.push({ stop: () => browser.close() })
    return { address, signet, issuer: signet.issuer, app, otherApp, globex, initech, introduce, eve, browser, visit: visits(browser), stop: () => stopAll(started) }
  } catch (err) {
    await stopAll(started)
    throw err
  }
}

function entry(app, id, name, clientSecret) {
  return {
    id,
    name,
    secret: clientSecret,
    redirect_uris: [app.redirectURI],
    post_logout_redirect_uris: [`${app.origin}/`],
    initiate_login_uri: `${app.origin}/login`,
  }
}

// visit(name, fn, options) gives fn the page of a new person's browser, and keeps a picture when it fails.
function visits(browser) {
  return async (name, fn, options) => {
    const v = await visitor(browser, options)
    try {
      return await fn(v.page, v.context)
    } catch (err) {
      for (const [i, page] of v.context.pages().entries()) await keep(page, `${name}-${i}`)
      throw err
    } finally {
      await v.close()
    }
  }
}

async function stopAll(started) {
  for (const s of started.splice(0).reverse()) await s.stop().catch((err) => console.error(err))
}
