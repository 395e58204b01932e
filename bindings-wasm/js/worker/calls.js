import { SparseCbmError } from '../error.js'

/** Methods of what lives in the thread, for the package's scripts alone: one calls it, the other names it for calls. */
export const call = Symbol('call')
export const handleFor = Symbol('handleFor')

/** Something that lives in the thread; what is never freed goes when it is garbage-collected here. */
export class Remote {
  #thread
  #handle
  #what

  constructor(thread, handle, what) {
    this.#thread = thread
    this.#handle = handle
    this.#what = what
    thread.watch(this, handle)
  }

  async [call](method, args, options) {
    return this.#thread.call(method, [this[handleFor](this.#thread), ...args], options)
  }

  /** Its number in `thread`. */
  [handleFor](thread) {
    const what = this.#what
    if (thread !== this.#thread) throw new SparseCbmError('input', what, 'one of another worker', 'one of this')
    if (this.#handle === undefined) {
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

/** Calls into a thread that `spawn` starts, each answered by a message with its number. */
export class Thread {
  #port
  #calls = new Map()
  #next = 0
  #ready
  #failure
  #garbage = new FinalizationRegistry((handle) => this.drop(handle))

  constructor(spawn) {
    this.#port = spawn()
    this.#port.onMessage(({ id, value, error, progress }) => {
      const call = this.#calls.get(id)
      if (progress) return this.#tell(id, progress)
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

  /** `onProgress` hears what a long call tells, and ends it where it returns false. */
  call(method, args, { signal, transfer = [], onProgress } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#failure) throw this.#failure
      const id = this.#next++
      const abort = () => this.#abandon(id, signal.reason)
      const stop = () => signal?.removeEventListener('abort', abort)
      this.#calls.set(id, { resolve, reject, onProgress, stop })
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

  #tell(id, progress) {
    try {
      if (this.#calls.get(id)?.onProgress?.(progress) === false) this.#port.post({ stop: id }, [])
    } catch (error) {
      this.#abandon(id, error)
    }
  }

  #abandon(id, reason) {
    const { reject } = this.#calls.get(id)
    this.#settle(id)
    this.#port.post({ cancel: id }, [])
    reject(reason)
  }

  #settle(id) {
    this.#calls.get(id)?.stop()
    this.#calls.delete(id)
  }

  #fail(reason) {
    this.#failure ??= new SparseCbmError('unavailable', 'worker', reason, 'a running worker')
    for (const [id, { reject }] of [...this.#calls]) {
      this.#settle(id)
      reject(this.#failure)
    }
  }
}
