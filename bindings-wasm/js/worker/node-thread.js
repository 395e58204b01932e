import { parentPort } from 'node:worker_threads'

import { Model, init } from '../node.js'
import { serve } from './thread.js'

const handle = serve({ init, Model, post: (message) => parentPort.postMessage(message) })
parentPort.on('message', handle)
