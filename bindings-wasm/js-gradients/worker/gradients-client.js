import { SparseCbmError } from '../error.js'
import { Remote, call, handleFor } from './calls.js'
import { workerApi } from './client.js'

/** The API of `client.js`, and gradients. */
export function gradientsWorkerApi(host) {
  const api = workerApi(host)

  class Gradients extends Remote {
    #thread
    #engine

    constructor(thread, { handle, about }) {
      super(thread, handle, 'gradients')
      this.#thread = thread
      this.#engine = about.engine
    }

    static async load(source, model, options) {
      const thread = api.need()
      return new Gradients(
        thread,
        await api.send(thread, 'gradients', source, options, own(model, api.Model, thread, 'model')),
      )
    }

    async edit(concept, examples, { guards = [], onProgress, signal, ...limits } = {}) {
      const named = (prediction, place) => own(prediction, api.Prediction, this.#thread, place)
      const sent = array(examples, 'examples of the edit').map((example) => ({
        ...example,
        prediction: named(example?.prediction, 'prediction'),
      }))
      const kept = array(guards, 'guards of the edit').map((guard) => named(guard, 'guard'))
      return this[call]('edit', [concept, sent, kept, limits], { signal, onProgress })
    }

    async integratedGradients(prediction, { onProgress, signal, ...options } = {}) {
      const named = own(prediction, api.Prediction, this.#thread, 'prediction')
      return this[call]('integratedGradients', [named, options], { signal, onProgress })
    }

    get engine() {
      return this.#engine
    }
  }

  return { ...api, Gradients }
}

function array(values, place) {
  if (Array.isArray(values)) return values
  throw new SparseCbmError('input', place, values === null ? 'null' : typeof values, 'an array')
}

/** How the thread names a model or prediction of its own. */
function own(object, kind, thread, place) {
  if (object instanceof kind) return object[handleFor](thread)
  const what = object === null ? 'null' : typeof object
  throw new SparseCbmError('input', place, what, 'one that sparsecbm/gradients/worker made, of this kind')
}
