/** A worker of Node, as `workerApi` takes it. */
export function port(worker) {
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
      worker.postMessage(message, transfer)
      if (message.id !== undefined) count(1)
    },
    onMessage(handler) {
      worker.on('message', (message) => {
        if (!message.progress) count(-1)
        handler(message)
      })
    },
    onFailure(handler) {
      worker.on('error', (error) => handler(String(error)))
    },
    end: () => worker.terminate(),
  }
}
