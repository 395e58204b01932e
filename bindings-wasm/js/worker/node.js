// The worker entry for Node.
import { Worker } from 'node:worker_threads'

import { open } from '../node-files.js'
import { workerApi } from './client.js'

function spawn() {
  const worker = new Worker(new URL('./node-thread.js', import.meta.url))
  let calls = 0
  // An idle worker does not keep the process alive.
  const count = (change) => {
    calls += change
    if (calls > 0) worker.ref()
    else worker.unref()
  }
  worker.unref()
  return {
    post(message, transfer) {
      if (message.id !== undefined) count(1)
      worker.postMessage(message, transfer)
    },
    onMessage(handler) {
      worker.on('message', (message) => {
        count(-1)
        handler(message)
      })
    },
    onFailure(handler) {
      worker.on('error', (error) => handler(String(error)))
    },
    end: () => worker.terminate(),
  }
}

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError } = workerApi({
  open,
  spawn,
})
export default init
