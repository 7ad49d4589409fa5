// make screenshots: a picture of every page, on a desktop and a phone, light and dark, into the folder named.

import fs from 'node:fs'
import path from 'node:path'
import { startStage } from './lib/stage.mjs'
import { tour } from './lib/tour.mjs'

const folder = path.resolve(process.argv[2] ?? 'screenshots')
fs.mkdirSync(folder, { recursive: true })
const stage = await startStage()
let count = 0
try {
  await tour(stage, async (page, name) => {
    await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true })
    count++
  })
} finally {
  await stage.stop()
}
console.log(`${count} pictures in ${folder}`)
