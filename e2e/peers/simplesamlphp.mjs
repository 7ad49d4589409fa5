// A SAML identity provider that a company runs: Debian's SimpleSAMLphp under PHP's own web server. It takes
// only signed messages, signs response and assertion, and names attributes by their OIDs.

import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { freePort, host } from '../lib/ports.mjs'
import { folder, run, start } from '../lib/proc.mjs'

const persistent = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'

export const people = {
  cleo: { password: 'cleo-password', mail: 'cleo@initech.example', displayName: 'Cleo Initech', groups: ['staff', 'legal'] },
  nils: { password: 'nils-password', mail: 'nils@partner.example', displayName: 'Nils Partner', groups: [] },
  dora: { password: 'dora-password', mail: 'dora@initech.example', displayName: 'Dora Initech', groups: ['staff'] },
}

/**
 * Starts it. It knows no service provider until trust() has given it their metadata. configure() changes what
 * it does from the next request on; certify() makes one more key and certificate for that.
 */
export async function startSimpleSAMLphp() {
  const dir = folder('simplesamlphp')
  const origin = `http://${host.simplesamlphp}:${await freePort(host.simplesamlphp)}`
  const entityID = `${origin}/saml2/idp/metadata.php`
  for (const name of ['metadata', 'data', 'log', 'tmp', 'sessions', 'cert']) fs.mkdirSync(path.join(dir, name))
  certificate(path.join(dir, 'cert'), 'idp')
  write(dir, 'config.php', 'config', configuration(dir, origin))
  write(dir, 'authsources.php', 'config', { people: { 0: 'exampleauth:UserPass', ...accounts() } })
  const configure = (settings) => {
    write(path.join(dir, 'metadata'), 'saml20-idp-hosted.php', 'metadata', { [entityID]: { ...identityProvider, ...settings } })
  }
  configure({})

  const server = await start('simplesamlphp', 'php', [
    '-d', `session.save_path=${path.join(dir, 'sessions')}`, '-d', 'display_errors=0', '-d', 'error_reporting=E_ALL & ~E_DEPRECATED',
    '-S', new URL(origin).host, '-t', '/usr/share/simplesamlphp/www',
  ], {
    env: { SIMPLESAMLPHP_CONFIG_DIR: dir, PHP_CLI_SERVER_WORKERS: '4' },
    ready: async () => (await fetch(entityID)).ok,
  })
  return {
    origin,
    entityID,
    metadataURL: entityID,
    certificate: path.join(dir, 'cert', 'idp.crt'),
    signOut: `${origin}/saml2/idp/initSLO.php?RelayState=${encodeURIComponent(`${origin}/logout.php`)}`,
    signedOut: `${origin}/logout.php`,
    begin: (serviceProvider) => `${origin}/saml2/idp/SSOService.php?spentityid=${encodeURIComponent(serviceProvider)}`,
    trust: (...metadata) => fs.writeFileSync(path.join(dir, 'sp.xml'), all(metadata)),
    configure,
    certify: (name) => certificate(path.join(dir, 'cert'), name),
    stop: () => server.stop(),
  }
}

// PHP reads its settings from JSON beside it, so that no value has to be quoted for PHP.
function write(dir, name, variable, value) {
  fs.writeFileSync(path.join(dir, `${name}.json`), JSON.stringify(value))
  fs.writeFileSync(path.join(dir, name), `<?php $${variable} = json_decode(file_get_contents(__FILE__ . '.json'), true);\n`)
}

// all is the metadata of several service providers as one file.
function all(documents) {
  const entities = documents.map((d) => d.replace(/^<\?xml.*?\?>\s*/s, ''))
  return `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">${entities.join('')}</EntitiesDescriptor>`
}

function certificate(dir, name) {
  run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', '2', '-subj', '/CN=Initech test identity provider',
    '-keyout', path.join(dir, `${name}.key`), '-out', path.join(dir, `${name}.crt`)])
}

function configuration(dir, origin) {
  // The file must be there and well formed before a service provider is known.
  fs.writeFileSync(path.join(dir, 'sp.xml'), all([]))
  return {
    baseurlpath: `${origin}/`,
    certdir: `${dir}/cert/`,
    loggingdir: `${dir}/log/`,
    datadir: `${dir}/data/`,
    tempdir: `${dir}/tmp`,
    metadatadir: `${dir}/metadata`,
    secretsalt: crypto.randomUUID(),
    'auth.adminpassword': crypto.randomUUID(),
    'admin.protectmetadata': false,
    attributenamemapdir: '/etc/simplesamlphp/attributemap/',
    timezone: 'UTC',
    'logging.handler': 'file',
    'logging.level': 5,
    'enable.saml20-idp': true,
    'module.enable': { exampleauth: true, saml: true, core: true },
    'store.type': 'phpsession',
    'session.cookie.secure': false,
    'session.cookie.samesite': 'Lax',
    'session.phpsession.savepath': path.join(dir, 'sessions'),
    'language.default': 'en',
    'language.available': ['en'],
    'metadata.sources': [{ type: 'flatfile' }, { type: 'xml', file: path.join(dir, 'sp.xml') }],
  }
}

function accounts() {
  return Object.fromEntries(Object.entries(people).map(([uid, p]) => [
    `${uid}:${p.password}`,
    { uid: [uid], mail: [p.mail], displayName: [p.displayName], eduPersonAffiliation: p.groups },
  ]))
}

const bindings = ['HTTP-Redirect', 'HTTP-POST'].map((name) => `urn:oasis:names:tc:SAML:2.0:bindings:${name}`)

const identityProvider = {
  host: '__DEFAULT__',
  privatekey: 'idp.key',
  certificate: 'idp.crt',
  auth: 'people',
  'validate.authnrequest': true,
  'validate.logout': true,
  'sign.logout': true,
  'saml20.sign.response': true,
  'saml20.sign.assertion': true,
  SingleSignOnServiceBinding: bindings,
  SingleLogoutServiceBinding: bindings,
  'attributes.NameFormat': 'urn:oasis:names:tc:SAML:2.0:attrname-format:uri',
  NameIDFormat: persistent,
  authproc: {
    10: { class: 'saml:AttributeNameID', attribute: 'uid', Format: persistent },
    20: { class: 'core:AttributeMap', 0: 'name2oid' },
  },
}

/** Signs a person in on its page. */
export async function signIn(page, username, password = people[username].password) {
  await page.locator('input[name=username]').fill(username)
  await page.locator('input[name=password]').fill(password)
  await page.locator('#submit_button, button[type=submit], input[type=submit]').first().click()
}
