import { Model, init } from '../index.js'
import { serve } from './thread.js'

const handle = serve({ init, Model, post: (message) => postMessage(message) })
addEventListener('message', ({ data }) => handle(data))
