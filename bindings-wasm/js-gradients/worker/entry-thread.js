import { Gradients, Model, init } from '../entry.js'
import { gradientMethods } from './gradients-thread.js'
import { serve } from './thread.js'

const handle = serve({ init, Model, post: (message) => postMessage(message), more: gradientMethods(Gradients) })
addEventListener('message', ({ data }) => handle(data))
