// Programs that a test starts, each with its log in e2e/out, and the folders that they work in.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where logs and pictures of failures are kept. */
export const out = fileURLToPath(new URL('../out/', import.meta.url))

const running = new Set()
const folders = new Set()
process.once('exit', () => {
  for (const p of running) signal(p, 'SIGKILL')
  for (const f of folders) fs.rmSync(f, { recursive: true, force: true })
})
for (const s of ['SIGINT', 'SIGTERM']) process.once(s, () => process.exit(1))

/** An empty folder that is gone when the test is. Readable by others: Apache gives up root before it reads. */
export function folder(name) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `signet-${name}-`))
  fs.chmodSync(dir, 0o755)
  folders.add(dir)
  return dir
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks until ok() is true; its errors mean no. */
export async function until(what, ok, seconds = 20) {
  const end = Date.now() + seconds * 1000
  let last
  for (;;) {
    try {
      if (await ok()) return
    } catch (err) {
      last = err
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`, { cause: last })
    await sleep(50)
  }
}

/** Runs a program to its end and gives what it printed. */
export function run(command, args, options = {}) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000, ...options })
}

/**
 * Starts a program and waits until ready(log) is true, log being the file with its output. It leads a process group of its own, which ends as a
 * whole with stop().
 */
export async function start(name, command, args, { ready, env = {}, cwd, seconds, uid, gid } = {}) {
  fs.mkdirSync(out, { recursive: true })
  const log = path.join(out, `${path.basename(process.argv[1] ?? 'run', '.test.mjs')}-${name}.log`)
  const fd = fs.openSync(log, 'w')
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', fd, fd], detached: true, uid, gid })
  fs.closeSync(fd)
  running.add(child)
  let failed
  child.once('error', (err) => { failed = err })
  child.once('exit', () => running.delete(child))
  const ended = () => failed !== undefined || child.exitCode !== null || child.signalCode !== null
  try {
    await until(`${name} is ready`, () => ended() || ready(log), seconds)
  } catch (err) {
    await stop(child)
    throw err
  }
  if (ended()) {
    const said = fs.readFileSync(log, 'utf8').slice(-2000)
    throw new Error(`${name} ended at once with ${failed ?? child.exitCode ?? child.signalCode}:\n${said}`)
  }
  return { pid: child.pid, log, stop: () => stop(child), kill: () => signal(child, 'SIGKILL') }
}

async function stop(child) {
  if (!running.has(child)) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  signal(child, 'SIGTERM')
  const late = setTimeout(() => signal(child, 'SIGKILL'), 5000)
  await ended
  clearTimeout(late)
}

function signal(child, name) {
  try {
    process.kill(-child.pid, name)
  } catch {
    // It has ended already.
  }
}
