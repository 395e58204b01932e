// The pool for browsers and bundlers.
import { compile } from './compile.js'
import { spawn } from './browser-spawn.js'
import { poolApi } from './pool.js'

export const { Pool, Prediction, SparseCbmError } = poolApi({
  open: (url, signal) => fetch(url, { signal }),
  spawn,
  compile: (source) => compile(() => source ?? new URL('../sparsecbm.wasm', import.meta.url)),
  cores: () => navigator.hardwareConcurrency ?? 1,
})
