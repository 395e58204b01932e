import { Loader } from './bindings.js'
import { SparseCbmError } from './error.js'
import { guarded, inner, needModule } from './module.js'
import { Prediction } from './prediction.js'
import { read } from './source.js'

/** A loader that has taken the whole of `source`. */
export async function fill(source, open, { onProgress, signal } = {}) {
  needModule()
  const { total, pieces } = await read(source, open, signal)
  const loader = guarded(() => new Loader(total ?? 0))
  let loaded = 0
  try {
    for await (const piece of pieces) {
      guarded(() => loader.push(piece))
      loaded += piece.length
      onProgress?.({ loaded, total })
    }
  } catch (error) {
    loader.free()
    throw error
  }
  return loader
}

/** Reads what the masks of a file keep, for a host that opens URLs by `open`. */
export function subnetworksReader(open) {
  return async (source, options) => {
    const loader = await fill(source, open, options)
    return guarded(() => loader.subnetworks())
  }
}

/** The class Model, for a host that opens URLs by `open`. */
export function modelClass(open) {
  return class Model {
    #raw
    #schema
    #masks

    constructor(raw) {
      this.#raw = raw
    }

    static async load(source, options) {
      const loader = await fill(source, open, options)
      return new Model(guarded(() => loader.finish()))
    }

    static loadSync(bytes) {
      needModule()
      if (!(bytes instanceof Uint8Array)) {
        throw new SparseCbmError('input', 'model', typeof bytes, 'a Uint8Array')
      }
      const loader = guarded(() => new Loader(bytes.length))
      guarded(() => loader.push(bytes))
      return new Model(guarded(() => loader.finish()))
    }

    predict(text) {
      if (Array.isArray(text)) return text.map((one) => this.#predictOne(one))
      return this.#predictOne(text)
    }

    #predictOne(text) {
      if (typeof text !== 'string') {
        throw new SparseCbmError('input', 'text', text === null ? 'null' : typeof text, 'a string')
      }
      return new Prediction(guarded(() => this[inner]().predict(text)))
    }

    predictTokens(ids) {
      return new Prediction(guarded(() => this[inner]().predictTokens(Uint32Array.from(ids))))
    }

    withPatches(patches) {
      if (!Array.isArray(patches)) {
        throw new SparseCbmError('input', 'patches', patches === null ? 'null' : typeof patches, 'an array')
      }
      return new Model(guarded(() => this[inner]().withPatches(patches)))
    }

    get patches() {
      return guarded(() => this[inner]().patches())
    }

    get schema() {
      return (this.#schema ??= guarded(() => this[inner]().schema()))
    }

    get masks() {
      return (this.#masks ??= guarded(() => this[inner]().masks()))
    }

    get engine() {
      return guarded(() => this[inner]().engine())
    }

    free() {
      this.#raw?.free()
      this.#raw = undefined
    }

    [inner]() {
      if (!this.#raw) throw new SparseCbmError('input', 'model', 'a model that was freed', 'one that was not')
      return this.#raw
    }

    static {
      if (Symbol.dispose) this.prototype[Symbol.dispose] = this.prototype.free
    }
  }
}
