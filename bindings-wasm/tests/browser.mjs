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
  const run = async (test) => {
    try {
      const told = await page.evaluate((test) => globalThis.run(...test), test)
      console.log(`ok   Chromium: ${test.join(' ')}${told ? ' ' + JSON.stringify(told) : ''}`)
    } catch (error) {
      failed = true
      console.log(`FAIL Chromium: ${test.join(' ')}: ${error.message}`)
    }
  }
  const bare = [
    ...['default', 'URL', 'string', 'Response', 'promise', 'bytes', 'buffer', 'module', 'sync'].map((kind) => [
      'start',
      'tiny',
      kind,
      `${server.url}/files/sparsecbm.wasm`,
    ]),
    ['footprint', 'shipped'],
  ]
  for (const test of bare) {
    await page.goto('about:blank')
    await page.goto(`${server.url}/#bare`)
    await page.waitForFunction(() => globalThis.run)
    await run(test)
  }
  await page.goto('about:blank')
  await page.goto(server.url)
  await page.waitForFunction(() => globalThis.run)
  const tests = [
    ...['tiny', 'tiny-executed', 'cebab'].map((name) => ['parity', name]),
    ['tokens', 'cebab'],
    ['interventions', 'cebab'],
    ['explanations', 'tiny'],
    ['patches', 'tiny'],
    ['errors', 'tiny'],
    ['memory', 'tiny', 10_000],
    ['worker', 'tiny'],
  ]
  for (const test of tests) await run(test)
} finally {
  await browser.close()
  server.close()
}
process.exitCode = failed ? 1 : 0
