// The entry `sparsecbm/gradients/worker` for Node.
import { Worker } from 'node:worker_threads'

import { open } from '../node-files.js'
import { gradientsWorkerApi } from './gradients-client.js'
import { port } from './node-port.js'

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, Gradients, SparseCbmError } =
  gradientsWorkerApi({
    open,
    spawn: () => port(new Worker(new URL('./entry-node-thread.js', import.meta.url))),
  })
export default init
