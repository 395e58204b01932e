// Runs the suite in Node against the installed package: node node.mjs FOLDER, where FOLDER has the models.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import * as api from 'sparsecbm'
import * as remote from 'sparsecbm/worker'

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

try {
  await api.Model.load(new Uint8Array())
} catch (error) {
  if (error.code !== 'unavailable') throw error
}
await Promise.all([api.init(), api.init()])
for (const name of ['tiny', 'tiny-executed', 'cebab']) await run(`parity ${name}`, () => suite.parity(api, read, name))
await run('tokens', () => suite.tokens(api, read, 'cebab'))
await run('interventions', () => suite.interventions(api, read, 'cebab'))
await run('errors', () => suite.errors(api, read, 'tiny'))
await run('memory', () => suite.memory(api, read, 'tiny', 10_000))
await run('worker', () => suite.worker(api, remote, read, 'tiny'))
await run('files', async () => {
  const path = join(folder, 'tiny.onnx')
  for (const source of [path, pathToFileURL(path), pathToFileURL(path).href]) (await api.Model.load(source)).free()
  const missing = await api.Model.load(join(folder, 'missing.onnx')).catch((error) => error)
  if (missing.code !== 'io' || !missing.message.includes('missing.onnx')) throw missing
})
process.exitCode = failed ? 1 : 0
