// Runs the suite in headless Chromium on the page that Vite built: node browser.mjs SITE FILES
import { chromium } from 'playwright-core'

import { launch } from './launch.mjs'
import { serve } from './serve.mjs'

const [site, files] = process.argv.slice(2)
const csp = { 'content-security-policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" }
const server = await serve({ '/': site, '/files/': files }, csp)
const browser = await launch(chromium)
let failed = false
try {
  const page = await browser.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error') console.log(`page: ${message.text()}`)
  })
  page.on('pageerror', (error) => console.log(`page: ${error}`))
  await page.goto(server.url)
  await page.waitForFunction(() => globalThis.run)
  const tests = [
    ...['tiny', 'tiny-executed', 'cebab'].map((name) => ['parity', name]),
    ['tokens', 'cebab'],
    ['interventions', 'cebab'],
    ['errors', 'tiny'],
    ['memory', 'tiny', 1000],
    ['worker', 'tiny'],
  ]
  for (const test of tests) {
    try {
      const told = await page.evaluate((test) => globalThis.run(...test), test)
      console.log(`ok   Chromium: ${test.join(' ')}${told ? ' ' + JSON.stringify(told) : ''}`)
    } catch (error) {
      failed = true
      console.log(`FAIL Chromium: ${test.join(' ')}: ${error.message}`)
    }
  }
} finally {
  await browser.close()
  server.close()
}
process.exitCode = failed ? 1 : 0
