// The worker entry for browsers and bundlers.
import { workerApi } from './client.js'

function spawn() {
  const worker = new Worker(new URL('./browser-thread.js', import.meta.url), { type: 'module' })
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    onMessage: (handler) => worker.addEventListener('message', ({ data }) => handler(data)),
    onFailure: (handler) => worker.addEventListener('error', (event) => handler(event.message ?? 'a failure to start')),
    end: () => worker.terminate(),
  }
}

const open = (url, signal) => fetch(url, { signal })

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError } = workerApi({
  open,
  spawn,
})
export default init
