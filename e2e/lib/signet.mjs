// The broker itself, as a program: bin/signet with a configuration, accounts and a database of its own.

import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { freePort, host } from './ports.mjs'
import { folder, run, start } from './proc.mjs'

/** The program under test. */
export const binary = process.env.SIGNET_BIN ?? new URL('../../bin/signet', import.meta.url).pathname

/** Reserves Signet's address, so that upstreams and apps can be registered before it starts. */
export async function signetAddress() {
  const issuer = `http://${host.signet}:${await freePort(host.signet)}`
  return {
    issuer,
    callback: (provider) => `${issuer}/callback/${provider}`,
    saml: (provider, what) => `${issuer}/saml/${provider}/${what}`,
    start: (settings) => startSignet(issuer, settings),
  }
}

/** A person with an account kept by Signet. */
export const eve = { provider: 'local', username: 'eve', email: 'eve@example.com', name: 'Eve Example', password: 'correct horse battery' }

async function startSignet(issuer, { apps, providers, people = [eve], database = 'sqlite:signet.db' }) {
  const dir = folder('signet')
  const config = path.join(dir, 'signet.yaml')
  const admin = `127.0.0.1:${await freePort('127.0.0.1')}`
  if (!database.startsWith('sqlite:')) { // else Signet makes it
    fs.writeFileSync(path.join(dir, 'signet.key'), `${crypto.randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
  }
  // JSON is YAML too.
  fs.writeFileSync(config, JSON.stringify({
    issuer,
    listen: new URL(issuer).host,
    admin_listen: admin,
    database,
    master_key_file: 'signet.key',
    apps,
    providers,
  }, null, 2))
  const signet = (args, options) => run(binary, args, { cwd: dir, ...options })
  signet(['check', '--config', config])
  for (const p of people) {
    signet(['user', 'add', '--config', config, '--provider', p.provider, '--username', p.username, '--email', p.email,
      '--name', p.name, '--password-stdin'], { input: `${p.password}\n` })
  }
  const serve = () => start('signet', binary, ['serve', '--config', config], {
    cwd: dir,
    ready: async () => (await fetch(`http://${admin}/readyz`)).ok,
  })
  let server = await serve()
  return {
    issuer,
    log: server.log,
    user: (...args) => signet(['user', args[0], '--config', config, ...args.slice(1)]),
    rotate: (use, ...more) => signet(['keys', 'rotate', '--config', config, '--use', use, ...more]),
    restart: async () => {
      await server.stop()
      server = await serve()
    },
    stop: () => server.stop(),
  }
}
