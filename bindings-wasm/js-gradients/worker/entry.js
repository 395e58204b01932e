// The entry `sparsecbm/gradients/worker` for browsers and bundlers.
import { port } from './browser-port.js'
import { gradientsWorkerApi } from './gradients-client.js'

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, Gradients, SparseCbmError } =
  gradientsWorkerApi({
    open: (url, signal) => fetch(url, { signal }),
    // Bundlers look for these very words.
    spawn: () => port(new Worker(new URL('./entry-thread.js', import.meta.url), { type: 'module' })),
  })
export default init
