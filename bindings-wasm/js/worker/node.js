// The worker entry for Node.
import { Worker } from 'node:worker_threads'

import { open } from '../node-files.js'
import { workerApi } from './client.js'
import { port } from './node-port.js'

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError } = workerApi({
  open,
  spawn: () => port(new Worker(new URL('./node-thread.js', import.meta.url))),
})
export default init
