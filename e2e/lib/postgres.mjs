// A PostgreSQL server of one's own, from the binaries of this machine. It listens on a Unix socket alone.

import fs from 'node:fs'
import path from 'node:path'
import { folder, run, start } from './proc.mjs'

const installed = '/usr/lib/postgresql'

function binaries() {
  if (fs.existsSync(installed)) {
    const versions = fs.readdirSync(installed).sort((a, b) => Number(b) - Number(a))
    for (const v of versions) {
      const bin = path.join(installed, v, 'bin')
      if (fs.existsSync(path.join(bin, 'postgres'))) return bin
    }
  }
  return path.dirname(fs.realpathSync(run('sh', ['-c', 'command -v initdb']).trim()))
}

// The server refuses to run as root.
function who() {
  if (process.getuid() !== 0) return {}
  return { uid: Number(run('id', ['-u', 'postgres'])), gid: Number(run('id', ['-g', 'postgres'])) }
}

/** Starts a server with an empty database; url is the database's. */
export async function startPostgres() {
  const dir = folder('postgres')
  const data = path.join(dir, 'data')
  const as = who()
  if (as.uid) fs.chownSync(dir, as.uid, as.gid)
  const bin = binaries()
  run(path.join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'], { cwd: dir, timeout: 120_000, ...as })
  const server = await start('postgres', path.join(bin, 'postgres'), ['-D', data, '-k', dir, '-c', 'listen_addresses=', '-c', 'fsync=off'], {
    cwd: dir, ...as, ready: (log) => fs.readFileSync(log, 'utf8').includes('ready to accept connections'),
  })
  return { url: `postgres://postgres@/postgres?host=${dir}`, stop: server.stop }
}
