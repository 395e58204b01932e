import { SparseCbmError } from '../error.js'
import { Thread } from './calls.js'
import { Prediction, RemoteModel } from './remote.js'
import { send as sendTo } from './send.js'

/**
 * The package's API with promises, computed in another thread. `host` is `{ open, spawn }`; `spawn`
 * starts the thread and returns `{ post(message, transfer), onMessage(handler), onFailure(handler), end() }`.
 * Of the result, `need` and `send` are for the entries that add to it.
 */
export function workerApi(host) {
  let thread

  const init = async (source) => {
    // A response cannot be sent to another thread, its bytes can.
    const given = await source
    const sent = given instanceof Response ? await given.arrayBuffer() : given
    return (thread ??= new Thread(host.spawn)).ready(sent)
  }

  /** Ends the thread: its memory is given back, what it was doing is abandoned. */
  const terminate = () => {
    thread?.end()
    thread = undefined
  }

  const need = () => {
    if (!thread) throw new SparseCbmError('unavailable', 'worker', 'not started', 'init() before')
    return thread
  }

  /** What `method` makes of `source` and of `more` in the thread. */
  const send = async (thread, method, source, options, ...more) => {
    const [result] = await sendTo(host.open, [thread], method, source, options, ...more)
    return result
  }

  const readSubnetworks = async (source, options) => send(need(), 'subnetworks', source, options)

  class Model extends RemoteModel {
    static async load(source, options) {
      const thread = need()
      return new Model(thread, await send(thread, 'finish', source, options))
    }
  }

  const memoryBytes = () => need().call('memoryBytes', [])

  return { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError, need, send }
}
