// An app that knows nothing of sign-in: a CGI script that prints what Apache tells it about the person, behind
// Debian's mod_auth_openidc.

import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { freePort, host } from '../lib/ports.mjs'
import { folder, start } from '../lib/proc.mjs'

const modules = '/usr/lib/apache2/modules'

/** Reserves the app's address, so that it can be registered before Apache starts. */
export async function apacheApp() {
  const origin = `http://${host.apache}:${await freePort(host.apache)}`
  return {
    origin,
    protected: `${origin}/protected/`,
    redirectURI: `${origin}/protected/redirect_uri`,
    loggedOut: `${origin}/bye.txt`,
    backchannelLogoutURI: `${origin}/protected/redirect_uri?logout=backchannel`,
    start: (settings) => startApache(origin, settings),
  }
}

async function startApache(origin, { issuer, clientID, clientSecret, scope = 'openid email profile groups offline_access' }) {
  const dir = folder('apache')
  for (const name of ['www', 'cgi', 'run']) fs.mkdirSync(path.join(dir, name))
  fs.writeFileSync(path.join(dir, 'www', 'bye.txt'), 'signed out\n')
  const script = path.join(dir, 'cgi', 'person')
  fs.writeFileSync(script, '#!/bin/sh\nprintf "Content-Type: text/plain; charset=utf-8\\r\\n\\r\\n"\nenv | grep -E "^(OIDC_CLAIM_|REMOTE_USER=)" | sort\n')
  fs.chmodSync(script, 0o755)
  const file = path.join(dir, 'apache.conf')
  fs.writeFileSync(file, configuration({ dir, script, origin, issuer, clientID, clientSecret, scope }))
  const binary = fs.existsSync('/usr/sbin/apache2') ? '/usr/sbin/apache2' : 'apache2'
  const server = await start('apache', binary, ['-d', dir, '-f', file, '-DFOREGROUND'], {
    ready: async () => (await fetch(`${origin}/bye.txt`)).ok,
  })
  return { stop: () => server.stop() }
}

function configuration({ dir, script, origin, issuer, clientID, clientSecret, scope }) {
  // Apache gives up root before it serves; as anyone else it stays who it is.
  const user = process.getuid() === 0 ? 'User www-data\nGroup www-data\n' : ''
  return `ServerRoot ${dir}
Listen ${new URL(origin).host}
ServerName ${origin}
PidFile ${dir}/run/pid
DefaultRuntimeDir ${dir}/run
Mutex sem
ErrorLog /dev/stderr
LogLevel warn auth_openidc:info
${['mpm_prefork', 'authn_core', 'authz_core', 'authz_user', 'alias', 'cgi', 'mime', 'auth_openidc']
    .map((m) => `LoadModule ${m}_module ${modules}/mod_${m}.so`).join('\n')}
${user}StartServers 2
MaxRequestWorkers 8
TypesConfig /etc/mime.types
DocumentRoot ${dir}/www
ScriptAlias /protected/ ${script}/
<Directory ${dir}>
  Require all granted
</Directory>

OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
OIDCClientID "${clientID}"
OIDCClientSecret "${clientSecret}"
OIDCRedirectURI ${origin}/protected/redirect_uri
OIDCScope "${scope}"
OIDCPKCEMethod S256
OIDCResponseType code
OIDCCryptoPassphrase ${crypto.randomUUID()}
OIDCRemoteUserClaim sub
OIDCPassClaimsAs environment
OIDCInfoHook iat access_token access_token_expires id_token userinfo refresh_token session
<Location /protected/>
  AuthType openid-connect
  Require valid-user
</Location>
`
}

/** What the protected script was told about the person, by name. */
export async function told(page) {
  const lines = (await page.locator('body').innerText()).trim().split('\n')
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')).replace('OIDC_CLAIM_', ''), line.slice(line.indexOf('=') + 1)]))
}
