// The entry for browsers and bundlers.
import { modelClass } from './model.js'
import * as module from './module.js'

export { SparseCbmError } from './error.js'
export { Prediction } from './prediction.js'
export { initSync, memoryBytes } from './module.js'

export const Model = modelClass((url, signal) => fetch(url, { signal }))

export function init(source) {
  return module.init(() => source ?? new URL('./sparsecbm.wasm', import.meta.url))
}

export default init
