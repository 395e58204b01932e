import { Worker } from 'node:worker_threads'

import { port } from './node-port.js'

/** Starts a thread of Node. */
export const spawn = () => port(new Worker(new URL('./node-thread.js', import.meta.url)))
