// axe-core finds no serious fault on any page, and no page is wider than a small phone.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { faults } from '../lib/chromium.mjs'
import { startStage } from '../lib/stage.mjs'
import { tour } from '../lib/tour.mjs'

let stage
before(async () => { stage = await startStage() })
after(() => stage?.stop())

test('axe-core finds a fault where there is one', async () => {
  await stage.visit('axe', async (page) => {
    await page.setContent('<html lang="en"><title>t</title><main><h1>t</h1><form><input name="a"></form><p style="color:#ccc;background:#fff">pale</p></main>')
    const found = await faults(page)
    assert.ok(found.some((f) => f.startsWith('label ')), found.join('\n'))
    assert.ok(found.some((f) => f.startsWith('color-contrast ')), found.join('\n'))
  })
})

test('no page has a serious fault', async () => {
  const found = []
  await tour(stage, async (page, name) => {
    for (const fault of await faults(page)) found.push(`${name}: ${fault}`)
    if (!name.includes('phone')) return
    await page.setViewportSize({ width: 320, height: 640 })
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    if (width > 320) found.push(`${name}: ${width} px wide on a screen of 320`)
  })
  assert.deepEqual(found, [])
})
