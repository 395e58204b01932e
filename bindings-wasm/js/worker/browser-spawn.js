import { port } from './browser-port.js'

/** Starts a thread of a page. Bundlers look for these very words. */
export const spawn = () => port(new Worker(new URL('./browser-thread.js', import.meta.url), { type: 'module' }))
