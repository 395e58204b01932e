import { setImmediate } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'

import { Model, init } from '../node.js'
import { serve } from './thread.js'

// A channel will not do: in Node a port hands over up to a thousand messages before another has its turn.
const handle = serve({ init, Model, post: (message) => parentPort.postMessage(message), messages: setImmediate })
parentPort.on('message', handle)
