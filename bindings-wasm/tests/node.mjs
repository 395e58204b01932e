// Runs the suite in Node against the installed package: node node.mjs FOLDER, where FOLDER has the models.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

import * as api from 'sparsecbm'
import * as pools from 'sparsecbm/pool'
import * as remote from 'sparsecbm/worker'

import { absent } from './absent.js'
import * as suite from './suite.js'

const folder = process.argv[2]
const read = async (name) => new Uint8Array(await readFile(join(folder, name)))

let failed = false
async function run(name, test) {
  try {
    const told = await test()
    console.log(`ok   ${name}${told ? ' ' + JSON.stringify(told) : ''}`)
  } catch (error) {
    failed = true
    console.log(`FAIL ${name}: ${error.stack}`)
  }
}

/** A test in a thread of its own, where the package is not loaded yet. */
function apart(test, ...rest) {
  const worker = new Worker(new URL('./apart.mjs', import.meta.url), { workerData: { folder, test, rest } })
  return new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
}

const wasm = pathToFileURL(join(folder, 'sparsecbm.wasm')).href
for (const kind of ['default', 'URL', 'string', 'Response', 'promise', 'bytes', 'buffer', 'module', 'sync']) {
  await run(`init by ${kind}`, () => apart('start', 'tiny', kind, wasm))
}
await run('footprint', () => apart('footprint', 'shipped'))
await Promise.all([api.init(), api.init()])
for (const name of await suite.golden(read)) await run(`parity ${name}`, () => suite.parity(api, read, name))
await run('tokens', () => suite.tokens(api, read, 'cebab', 'tokens'))
await run('tokens by Unigram', () => suite.tokens(api, read, 'xlm-roberta', 'tokens-unigram'))
await run('interventions', () => suite.interventions(api, read, 'cebab'))
await run('questions', () => suite.questions(api, read, 'ragged', 'tiny'))
await run('explanations', () => suite.explanations(api, read, 'tiny'))
await run('patches', () => suite.patches(api, read, 'tiny'))
await run('errors', () => suite.errors(api, read, 'tiny'))
await run('memory', () => suite.memory(api, read, 'tiny', 10_000))
await run('panics', () => suite.panics(api, read, 'tiny'))
await run('worker', () => suite.worker(api, remote, read, 'tiny'))
await run('pool', () => suite.pool(api, pools, read, 'tiny'))
const require = createRequire(import.meta.url)
const required = ['sparsecbm/gradients', 'sparsecbm/gradients/worker'].map((entry) => () => require(entry))
await run('absent', () => absent(required))
await run('files', async () => {
  const path = join(folder, 'tiny.onnx')
  for (const source of [path, pathToFileURL(path), pathToFileURL(path).href]) (await api.Model.load(source)).free()
  const missing = await api.Model.load(join(folder, 'missing.onnx')).catch((error) => error)
  if (missing.code !== 'io' || !missing.message.includes('missing.onnx')) throw missing
})
process.exitCode = failed ? 1 : 0
