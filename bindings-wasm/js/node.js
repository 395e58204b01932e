// The entry for Node.
import { modelClass, subnetworksReader } from './model.js'
import * as module from './module.js'
import { open, wasm } from './node-files.js'

export { SparseCbmError } from './error.js'
export { Prediction } from './prediction.js'
export { initSync, memoryBytes } from './module.js'

export const Model = modelClass(open)
export const readSubnetworks = subnetworksReader(open)

export function init(source) {
  return module.init(() => wasm(source))
}

export default init
