// A page that a bundler builds with the entry `sparsecbm/gradients`; the browser test calls `run`.
import * as api from 'sparsecbm/gradients'
import * as remote from 'sparsecbm/gradients/worker'

import * as suite from './gradients.js'

const read = async (name) => {
  const response = await fetch(`/files/${name}`)
  if (!response.ok) throw new Error(`${name}: ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

await api.init()
globalThis.run = (test, ...rest) => suite[test](...(test === 'worker' ? [api, remote] : [api]), read, ...rest)
