// The pool for Node.
import { availableParallelism } from 'node:os'

import { open, wasm } from '../node-files.js'
import { compile } from './compile.js'
import { spawn } from './node-spawn.js'
import { poolApi } from './pool.js'

export const { Pool, Prediction, SparseCbmError } = poolApi({
  open,
  spawn,
  compile: (source) => compile(() => wasm(source ?? new URL('../sparsecbm.wasm', import.meta.url))),
  cores: availableParallelism,
})
