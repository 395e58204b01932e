// One test of the suite in a thread of its own: see node.mjs.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'

import * as api from 'sparsecbm'

import * as suite from './suite.js'

const { folder, test, rest } = workerData
const read = async (name) => new Uint8Array(await readFile(join(folder, name)))
parentPort.postMessage(await suite[test](api, read, ...rest))
