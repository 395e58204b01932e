// The entry for browsers and bundlers.
import { modelClass, subnetworksReader } from './model.js'
import * as module from './module.js'

export { SparseCbmError } from './error.js'
export { Prediction } from './prediction.js'
export { initSync, memoryBytes } from './module.js'

const open = (url, signal) => fetch(url, { signal })

export const Model = modelClass(open)
export const readSubnetworks = subnetworksReader(open)

export function init(source) {
  return module.init(() => source ?? new URL('./sparsecbm.wasm', import.meta.url))
}

export default init
