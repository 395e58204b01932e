import { SparseCbmError } from '../error.js'
import { read } from '../source.js'
import { Remote, Thread, call } from './calls.js'

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

  /** Hands `source` over piece by piece; what `method` then makes of it and of `more`. */
  const send = async (thread, method, source, { onProgress, signal } = {}, ...more) => {
    const { total, pieces } = await read(source, host.open, signal)
    const { handle: loader } = await thread.call('open', [total ?? 0], { signal })
    let loaded = 0
    try {
      for await (const piece of pieces) {
        const size = piece.length
        // The caller keeps its bytes: a copy of one piece travels.
        const copy = piece.slice()
        await thread.call('push', [loader, copy], { signal, transfer: [copy.buffer] })
        loaded += size
        onProgress?.({ loaded, total })
      }
      return await thread.call(method, [loader, ...more], { signal })
    } catch (error) {
      thread.drop(loader)
      throw error
    }
  }

  const readSubnetworks = async (source, options) => send(need(), 'subnetworks', source, options)

  class Model extends Remote {
    #thread
    #about

    constructor(thread, { handle, about }) {
      super(thread, handle, 'model')
      this.#thread = thread
      this.#about = about
    }

    static async load(source, options) {
      const thread = need()
      return new Model(thread, await send(thread, 'finish', source, options))
    }

    async predict(text, { signal } = {}) {
      const results = await this[call]('predict', [text], { signal })
      const wrap = (result) => new Prediction(this.#thread, result)
      return Array.isArray(results) ? results.map(wrap) : wrap(results)
    }

    async predictTokens(ids, { signal } = {}) {
      const result = await this[call]('predictTokens', [Uint32Array.from(ids)], { signal })
      return new Prediction(this.#thread, result)
    }

    async withPatches(patches, { signal } = {}) {
      return new Model(this.#thread, await this[call]('withPatches', [patches], { signal }))
    }

    get patches() {
      return this.#about.patches
    }

    get schema() {
      return this.#about.schema
    }

    get masks() {
      return this.#about.masks
    }

    get engine() {
      return this.#about.engine
    }
  }

  class Prediction extends Remote {
    #thread
    #snapshot

    constructor(thread, { handle, snapshot }) {
      super(thread, handle, 'prediction')
      this.#thread = thread
      this.#snapshot = snapshot
    }

    get label() {
      return this.#snapshot.label
    }

    get concepts() {
      return this.#snapshot.concepts
    }

    get tokens() {
      return this.#snapshot.tokens
    }

    get tokenEvidence() {
      return this.#snapshot.tokenEvidence
    }

    get droppedTokens() {
      return this.#snapshot.droppedTokens
    }

    concept(name) {
      const found = this.concepts.find((concept) => concept.name === name)
      if (found) return found
      const names = this.concepts.map((concept) => `'${concept.name}'`).join(', ')
      throw new SparseCbmError('input', 'concept', `'${name}'`, `one of ${names}`)
    }

    async suppose(overrides, { signal } = {}) {
      return new Prediction(this.#thread, await this[call]('suppose', [overrides], { signal }))
    }

    async correct(overrides, { signal } = {}) {
      return new Prediction(this.#thread, await this[call]('correct', [overrides], { signal }))
    }

    /** `suppose` by its older name. */
    async intervene(overrides, options) {
      return this.suppose(overrides, options)
    }

    async undo(concept, { signal } = {}) {
      return new Prediction(this.#thread, await this[call]('undo', [concept], { signal }))
    }

    async explain({ onProgress, ...options } = {}, { signal } = {}) {
      return this[call]('explain', [options], { signal, onProgress })
    }

    async suggestInterventions(options, { signal } = {}) {
      return this[call]('suggestInterventions', [options], { signal })
    }

    toJSON() {
      const { label, concepts, tokens, droppedTokens } = this
      return { label, concepts, tokens, droppedTokens }
    }
  }

  const memoryBytes = () => need().call('memoryBytes', [])

  return { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError, need, send }
}
