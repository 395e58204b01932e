// Runs the suite in headless Chromium on the page that Vite built: node browser.mjs SITE FILES
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { withPage } from './chromium.mjs'
import { golden } from './suite.js'

const [site, files] = process.argv.slice(2)
const names = await golden((name) => readFile(join(files, name)))
await withPage(site, files, async ({ open, run, url }) => {
  const bare = [
    ...['default', 'URL', 'string', 'Response', 'promise', 'bytes', 'buffer', 'module', 'sync'].map((kind) => [
      'start',
      'tiny',
      kind,
      `${url}/files/sparsecbm.wasm`,
    ]),
    ['footprint', 'shipped'],
  ]
  for (const test of bare) {
    await open('#bare')
    await run(test)
  }
  await open()
  const tests = [
    ...names.map((name) => ['parity', name]),
    ['tokens', 'cebab', 'tokens'],
    ['tokens', 'xlm-roberta', 'tokens-unigram'],
    ['interventions', 'cebab'],
    ['questions', 'ragged', 'tiny'],
    ['explanations', 'tiny'],
    ['patches', 'tiny'],
    ['errors', 'tiny'],
    ['memory', 'tiny', 10_000],
    ['panics', 'tiny'],
    ['worker', 'tiny'],
    ['pool', 'tiny'],
    ['absent'],
  ]
  for (const test of tests) await run(test)
})
