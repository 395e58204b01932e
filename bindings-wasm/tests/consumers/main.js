// A page that a bundler builds; the browser test calls `run`.
import * as api from 'sparsecbm'
import * as pools from 'sparsecbm/pool'
import * as remote from 'sparsecbm/worker'

import { absent } from './absent.js'
import * as suite from './suite.js'

const read = async (name) => {
  const response = await fetch(`/files/${name}`)
  if (!response.ok) throw new Error(`${name}: ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

// Tests of how it starts begin with nothing.
if (location.hash !== '#bare') await api.init()
globalThis.run = async (test, ...rest) => {
  if (test === 'absent') return absent()
  const others = { worker: [remote], pool: [pools] }
  return suite[test](api, ...(others[test] ?? []), read, ...rest)
}
