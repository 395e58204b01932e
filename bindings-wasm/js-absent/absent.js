// Stands in for `sparsecbm/gradients` in a package that was built without it, and says so to whoever imports it.
import { SparseCbmError } from './error.js'

const expected = 'one that was built with `bindings-wasm/build --gradients`'
throw new SparseCbmError('unavailable', 'sparsecbm/gradients', 'a package that was built without it', expected)

// An import of these names is to come as far as the error.
export let init, initSync, terminate, memoryBytes, readSubnetworks, Model, Prediction, Gradients
export { SparseCbmError, init as default }
