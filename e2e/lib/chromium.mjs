// A real Chromium: the one that is installed, driven by playwright-core.

import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import { out, run } from './proc.mjs'

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// The tests' network is this machine: whatever Chromium would fetch for itself is switched off.
const args = [
  '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
]

function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  return run('sh', ['-c', 'command -v chromium']).trim()
}

/** Starts a browser. It refuses to run with its sandbox as root. */
export function launch() {
  const root = process.getuid() === 0
  return chromium.launch({ executablePath: executable(), args: root ? [...args, '--no-sandbox'] : args })
}

/** One person's browser: cookies and history of its own, and a page in it. */
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options })
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  return { context, page, close: () => context.close() }
}

/** Keeps a picture and the text of a page for someone who looks for the reason of a failure. */
export async function keep(page, name) {
  fs.mkdirSync(out, { recursive: true })
  const file = path.join(out, name.replace(/[^a-z0-9]+/gi, '-'))
  await page.screenshot({ path: `${file}.png`, fullPage: true }).catch(() => {})
  const html = await page.content().catch((err) => String(err))
  fs.writeFileSync(`${file}.html`, `<!-- ${page.url()} -->\n${html}`)
}

/**
 * What axe-core finds serious or critical on the page as it is, one line per fault. The page's own
 * Content-Security-Policy forbids foreign scripts, so axe comes in by the debugger, in its own world.
 */
export async function faults(page) {
  const session = await page.context().newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' })
  const evaluate = async (expression, awaitPromise) => {
    const r = await session.send('Runtime.evaluate', { expression, awaitPromise, returnByValue: true, contextId: executionContextId })
    if (r.exceptionDetails) throw new Error(r.exceptionDetails.exception?.description ?? r.exceptionDetails.text)
    return r.result.value
  }
  await evaluate(axe, false)
  const { violations, passes } = await evaluate('axe.run(document, { resultTypes: ["violations"] }).then(r => ({ violations: r.violations, passes: r.passes.length }))', true)
  await session.detach()
  if (passes === 0) throw new Error(`axe-core checked nothing on ${page.url()}`)
  return violations
    .filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => `${v.id} (${v.impact}): ${v.help}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)
}
