import { SparseCbmError } from '../error.js'

/** The module compiled, from what `source()` gives: threads that are sent it need not compile it again. */
export async function compile(source) {
  try {
    let given = await source()
    if (given instanceof WebAssembly.Module) return given
    if (typeof given === 'string' || given instanceof URL || given instanceof Request) given = await fetch(given)
    if (!(given instanceof Response)) return await WebAssembly.compile(given)
    if (!given.ok) throw new Error(`HTTP status ${given.status}`)
    // Servers that do not know WebAssembly send it as any other bytes.
    const known = given.headers.get('content-type')?.startsWith('application/wasm')
    return await (known ? WebAssembly.compileStreaming(given) : WebAssembly.compile(await given.arrayBuffer()))
  } catch (error) {
    throw new SparseCbmError('io', 'WebAssembly module', String(error), 'sparsecbm.wasm of this version', {
      cause: error,
    })
  }
}
