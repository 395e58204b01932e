// The entry `sparsecbm/gradients` for browsers and bundlers: the main one on a larger module, and Gradients.
import { gradientsClass } from './gradients.js'

export * from './index.js'
export { default } from './index.js'

export const Gradients = gradientsClass((url, signal) => fetch(url, { signal }))
