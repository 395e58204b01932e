// The worker entry for browsers and bundlers.
import { port } from './browser-port.js'
import { workerApi } from './client.js'

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError } = workerApi({
  open: (url, signal) => fetch(url, { signal }),
  // Bundlers look for these very words.
  spawn: () => port(new Worker(new URL('./browser-thread.js', import.meta.url), { type: 'module' })),
})
export default init
