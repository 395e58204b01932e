// Opens the page in headless Chromium, for the programs beside this file.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { launch } from '../../bindings-wasm/tests/launch.mjs'
import { serve } from '../../bindings-wasm/tests/serve.mjs'

export const repository = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Serves the folder `site`, which examples/web/build made, while `use(browser, url)` lasts. */
export async function browse(site, use) {
  // The package's own tests install it.
  const { chromium } = createRequire(join(repository, 'bindings-wasm/package.json'))('playwright-core')
  const { url, close } = await serve({ '/': site })
  const browser = await launch(chromium)
  try {
    await use(browser, url)
  } finally {
    await browser.close()
    close()
  }
}

/** Waits until the page has weighed all words. */
export const allWeighed = page =>
  page.waitForFunction(() => /all in/.test(document.querySelector('#timings').textContent))
