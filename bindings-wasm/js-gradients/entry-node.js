// The entry `sparsecbm/gradients` for Node.
import { gradientsClass } from './gradients.js'
import { open } from './node-files.js'

export * from './node.js'
export { default } from './node.js'

export const Gradients = gradientsClass(open)
