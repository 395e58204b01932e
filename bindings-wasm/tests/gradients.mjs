// The entry `sparsecbm/gradients` in Node, of the installed package: node gradients.mjs FOLDER, where FOLDER has the
// models.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import * as main from 'sparsecbm'
import * as api from 'sparsecbm/gradients'
import * as remote from 'sparsecbm/gradients/worker'

import * as own from './gradients.js'
import * as suite from './suite.js'

const folder = process.argv[2]
const read = async (name) => new Uint8Array(await readFile(join(folder, name)))
const report = (name, told) => console.log(`ok   Node: ${name}${told ? ' ' + JSON.stringify(told) : ''}`)

await Promise.all([main.init(), api.init()])
for (const name of ['tiny', 'cebab']) {
  report(`parity ${name}`, await suite.parity(api, read, name))
  report(`integrated ${name}`, await own.integrated(api, read, name))
}
report('edits tiny', await own.edits(api, read, 'tiny', { maxShare: 0.2 }))
report('edits cebab', await own.edits(api, read, 'cebab'))
report('limits', await own.limits(api, read, 'tiny', 'tiny-executed'))
report('apart', await own.apart(api, read, 'tiny', main))
report('worker', await own.worker(api, remote, read, 'cebab'))

const require = createRequire(import.meta.url)
const common = require('sparsecbm/gradients')
await common.init()
report('CommonJS', await own.integrated(common, read, 'tiny'))
report('CommonJS, worker', await own.worker(common, require('sparsecbm/gradients/worker'), read, 'cebab'))
