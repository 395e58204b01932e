/** A worker of a page, as `workerApi` takes it. */
export function port(worker) {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    onMessage: (handler) => worker.addEventListener('message', ({ data }) => handler(data)),
    onFailure: (handler) => worker.addEventListener('error', (event) => handler(event.message ?? 'a failure to start')),
    end: () => worker.terminate(),
  }
}
