import { chromium } from 'playwright-core'

import { launch } from './launch.mjs'
import { serve } from './serve.mjs'

/**
 * Gives `use` a page that Vite built into `site`, whose `run` is called with the name and arguments of a test:
 * `open(hash)` opens it again, `run(test)` runs one. `files` are served under /files. Sets the exit code.
 */
export async function withPage(site, files, use) {
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
    const open = async (hash = '') => {
      await page.goto('about:blank')
      await page.goto(`${server.url}/${hash}`)
      await page.waitForFunction(() => globalThis.run)
    }
    const run = async (test) => {
      const name = test.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' ')
      try {
        const told = await page.evaluate((test) => globalThis.run(...test), test)
        console.log(`ok   Chromium: ${name}${told ? ' ' + JSON.stringify(told) : ''}`)
      } catch (error) {
        failed = true
        console.log(`FAIL Chromium: ${name}: ${error.message}`)
      }
    }
    await use({ open, run, url: server.url })
  } finally {
    await browser.close()
    server.close()
  }
  process.exitCode = failed ? 1 : 0
}
