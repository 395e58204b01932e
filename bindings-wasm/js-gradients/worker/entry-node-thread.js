import { setImmediate } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'

import { Gradients, Model, init } from '../entry-node.js'
import { gradientMethods } from './gradients-thread.js'
import { serve } from './thread.js'

const handle = serve({
  init,
  Model,
  post: (message) => parentPort.postMessage(message),
  messages: setImmediate,
  more: gradientMethods(Gradients),
})
parentPort.on('message', handle)
