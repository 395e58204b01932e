import instantiate, { initSync as instantiateSync, takePanic } from './bindings.js'
import { SparseCbmError } from './error.js'

/** The method of models and predictions that gives the module's own object, for the package's scripts alone. */
export const inner = Symbol('inner')

let exports
let pending

/** Makes the module ready from what `source()` gives; later calls wait for the first. */
export function init(source) {
  if (exports) return Promise.resolve()
  pending ??= load(source).finally(() => {
    pending = undefined
  })
  return pending
}

async function load(source) {
  try {
    exports = await instantiate({ module_or_path: await source() })
  } catch (error) {
    throw new SparseCbmError('io', 'WebAssembly module', String(error), 'sparsecbm.wasm of this version', {
      cause: error,
    })
  }
}

/** The same from bytes or a compiled module, at once. */
export function initSync(source) {
  if (exports) return
  try {
    exports = instantiateSync({ module: source })
  } catch (error) {
    throw new SparseCbmError('io', 'WebAssembly module', String(error), 'sparsecbm.wasm of this version', {
      cause: error,
    })
  }
}

/** Fails unless the module is ready. */
export function needModule() {
  if (!exports) {
    throw new SparseCbmError('unavailable', 'WebAssembly module', 'not loaded', 'init() or initSync() before')
  }
}

/** Bytes of WebAssembly memory; it grows and never shrinks. */
export function memoryBytes() {
  return exports ? exports.memory.buffer.byteLength : 0
}

/** Runs something of the module; what it throws becomes a SparseCbmError. */
export function guarded(run) {
  const stack = exports?.__stack_pointer.value
  try {
    return run()
  } catch (error) {
    if (error instanceof SparseCbmError) throw error
    if (typeof error?.code === 'string' && typeof error.place === 'string') throw SparseCbmError.from(error)
    // A trap: the module ran out of memory, or a panic at a file that a library did not expect, or a defect of ours.
    // It took its functions off the host's stack but not off the module's own; what else runs there goes on.
    if (exports) exports.__stack_pointer.value = stack
    throw new SparseCbmError('engine', 'WebAssembly', (exports && takePanic()) ?? String(error), 'no failure', {
      cause: error,
    })
  }
}
