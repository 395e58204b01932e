import { SparseCbmError } from '../error.js'
import { read } from '../source.js'

/**
 * The package's API with promises, computed in another thread. `host` is `{ open, spawn }`; `spawn`
 * starts the thread and returns `{ post(message, transfer), onMessage(handler), onFailure(handler), end() }`.
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

  /** Hands `source` over piece by piece; what `method` then makes of it. */
  const send = async (thread, method, source, { onProgress, signal } = {}) => {
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
      return await thread.call(method, [loader], { signal })
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
      const results = await this.#thread.call('predict', [this.handle, text], { signal })
      const wrap = (result) => new Prediction(this.#thread, result)
      return Array.isArray(results) ? results.map(wrap) : wrap(results)
    }

    async predictTokens(ids, { signal } = {}) {
      const result = await this.#thread.call('predictTokens', [this.handle, Uint32Array.from(ids)], { signal })
      return new Prediction(this.#thread, result)
    }

    async withPatches(patches, { signal } = {}) {
      return new Model(this.#thread, await this.#thread.call('withPatches', [this.handle, patches], { signal }))
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

    async intervene(overrides, { signal } = {}) {
      return new Prediction(this.#thread, await this.#thread.call('intervene', [this.handle, overrides], { signal }))
    }

    async undo(concept, { signal } = {}) {
      return new Prediction(this.#thread, await this.#thread.call('undo', [this.handle, concept], { signal }))
    }

    async explain(options, { signal } = {}) {
      return this.#thread.call('explain', [this.handle, options], { signal })
    }

    async suggestInterventions(options, { signal } = {}) {
      return this.#thread.call('suggestInterventions', [this.handle, options], { signal })
    }

    toJSON() {
      const { label, concepts, tokens, droppedTokens } = this
      return { label, concepts, tokens, droppedTokens }
    }
  }

  const memoryBytes = () => need().call('memoryBytes', [])

  return { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError }
}

/** Something that lives in the thread; what is never freed goes when it is garbage-collected here. */
class Remote {
  #thread
  #handle
  #what

  constructor(thread, handle, what) {
    this.#thread = thread
    this.#handle = handle
    this.#what = what
    thread.watch(this, handle)
  }

  get handle() {
    if (this.#handle === undefined) {
      const what = this.#what
      throw new SparseCbmError('input', what, `a ${what} that was freed`, 'one that was not')
    }
    return this.#handle
  }

  free() {
    if (this.#handle !== undefined) this.#thread.drop(this.#handle)
    this.#handle = undefined
  }

  static {
    if (Symbol.dispose) this.prototype[Symbol.dispose] = this.prototype.free
  }
}

/** Calls into the thread, each answered by a message with its number. */
class Thread {
  #port
  #calls = new Map()
  #next = 0
  #ready
  #garbage = new FinalizationRegistry((handle) => this.drop(handle))

  constructor(spawn) {
    this.#port = spawn()
    this.#port.onMessage(({ id, value, error }) => {
      const call = this.#calls.get(id)
      if (!call) {
        // Cancelled meanwhile: nobody will free what came.
        for (const result of [value].flat()) if (result?.handle !== undefined) this.drop(result.handle)
        return
      }
      this.#settle(id)
      if (error) call.reject(SparseCbmError.from(error))
      else call.resolve(value)
    })
    this.#port.onFailure((reason) => this.#fail(reason))
  }

  ready(source) {
    this.#ready ??= this.call('init', [source instanceof URL ? source.href : source])
    this.#ready.catch(() => (this.#ready = undefined))
    return this.#ready
  }

  call(method, args, { signal, transfer = [] } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const id = this.#next++
      const abort = () => {
        this.#settle(id)
        this.#port.post({ cancel: id }, [])
        reject(signal.reason)
      }
      this.#calls.set(id, { resolve, reject, stop: () => signal?.removeEventListener('abort', abort) })
      signal?.addEventListener('abort', abort, { once: true })
      try {
        this.#port.post({ id, method, args }, transfer)
      } catch (error) {
        this.#settle(id)
        const found = `something that cannot be sent to a worker (${error.message})`
        reject(new SparseCbmError('input', method, found, 'plain data', { cause: error }))
      }
    })
  }

  watch(remote, handle) {
    this.#garbage.register(remote, handle)
  }

  drop(handle) {
    this.#port?.post({ drop: handle }, [])
  }

  end() {
    this.#port.end()
    this.#fail('ended by terminate()')
  }

  #settle(id) {
    this.#calls.get(id)?.stop()
    this.#calls.delete(id)
  }

  #fail(reason) {
    const calls = [...this.#calls]
    for (const [id, { reject }] of calls) {
      this.#settle(id)
      reject(new SparseCbmError('unavailable', 'worker', reason, 'a running worker'))
    }
  }
}
