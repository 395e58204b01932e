// The worker entry for browsers and bundlers.
import { spawn } from './browser-spawn.js'
import { workerApi } from './client.js'

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError } = workerApi({
  open: (url, signal) => fetch(url, { signal }),
  spawn,
})
export default init
