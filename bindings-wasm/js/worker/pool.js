import { SparseCbmError } from '../error.js'
import { only } from '../options.js'
import { Thread } from './calls.js'
import { Prediction, RemoteModel } from './remote.js'
import { send } from './send.js'

/** Texts that a worker holds of one list: while it reads one, the next is there. */
const HELD = 2

/**
 * Models in several threads. `host` is `{ open, spawn, compile, cores }`: as of `workerApi`, `compile(source)` gives
 * the module compiled, `cores()` how many threads run at once.
 */
export function poolApi(host) {
  class Pool {
    #threads
    #models
    /** How many texts each thread holds. */
    #busy

    constructor(threads, models) {
      this.#threads = threads
      this.#models = models
      this.#busy = models.map(() => 0)
    }

    static async load(source, options = {}) {
      only(options, ['workers', 'module', 'onProgress', 'signal'], 'Pool.load: options')
      const { workers = host.cores(), module, onProgress, signal } = options
      if (!Number.isInteger(workers) || workers < 1) {
        throw new SparseCbmError('input', 'Pool.load: workers', String(workers), 'a whole number of at least 1')
      }
      signal?.throwIfAborted()
      const compiled = await host.compile(module)
      const threads = Array.from({ length: workers }, () => new Thread(host.spawn))
      try {
        await Promise.all(threads.map((thread) => thread.ready(compiled)))
        const loaded = await send(host.open, threads, 'finish', source, { onProgress, signal })
        return new Pool(threads, loaded.map((model, i) => new RemoteModel(threads[i], model)))
      } catch (error) {
        for (const thread of threads) thread.end()
        throw error
      }
    }

    async predict(text, { onProgress, signal } = {}) {
      const many = Array.isArray(text)
      const texts = many ? [...text] : [text]
      texts.forEach((one, i) => {
        if (typeof one === 'string') return
        const found = one === null ? 'null' : typeof one
        throw new SparseCbmError('input', many ? `text ${i}` : 'text', found, 'a string')
      })
      signal?.throwIfAborted()
      const results = await this.#spread(texts, onProgress, signal)
      return many ? results : results[0]
    }

    async #spread(texts, onProgress, signal) {
      // The longest first: at the end a thread waits no longer for another than a short text takes.
      const waiting = texts.map((_, i) => i).sort((a, b) => texts[b].length - texts[a].length)
      const results = []
      let done = 0
      const stop = new AbortController()
      const abort = () => stop.abort(signal.reason)
      signal?.addEventListener('abort', abort, { once: true })
      const work = async (thread) => {
        while (waiting.length > 0 && !stop.signal.aborted) {
          const i = waiting.shift()
          this.#busy[thread]++
          try {
            const result = await this.#models[thread].predict(texts[i], { signal: stop.signal })
            if (stop.signal.aborted) return result.free()
            results[i] = result
          } finally {
            this.#busy[thread]--
          }
          onProgress?.({ done: ++done, total: texts.length })
        }
      }
      try {
        await Promise.all(this.#turns(texts.length).map(work))
        return results
      } catch (error) {
        stop.abort(error)
        for (const result of results) result?.free()
        throw error
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    }

    /** The threads that take a text each, no more than there are texts; those that hold the fewest are first. */
    #turns(texts) {
      const idlest = this.#models.map((_, i) => i).sort((a, b) => this.#busy[a] - this.#busy[b])
      return Array.from({ length: HELD }, () => idlest).flat().slice(0, texts)
    }

    async memoryBytes() {
      const each = await Promise.all(this.#threads.map((thread) => thread.call('memoryBytes', [])))
      return each.reduce((sum, bytes) => sum + bytes, 0)
    }

    get workers() {
      return this.#models.length
    }

    get schema() {
      return this.#models[0].schema
    }

    get masks() {
      return this.#models[0].masks
    }

    get engine() {
      return this.#models[0].engine
    }

    terminate() {
      for (const thread of this.#threads) thread.end()
    }

    static {
      if (Symbol.dispose) this.prototype[Symbol.dispose] = this.prototype.terminate
    }
  }

  return { Pool, Prediction, SparseCbmError }
}
