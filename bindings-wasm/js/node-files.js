// Files, which Node's fetch does not open.
import { open as openFile, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Opens a URL; a string that is none is a path. */
export async function open(source, signal) {
  const url = asUrl(source)
  if (url && url.protocol !== 'file:') return fetch(url, { signal })
  const file = await openFile(url ? fileURLToPath(url) : source)
  const { size } = await file.stat()
  return { total: size, pieces: file.createReadStream({ signal, highWaterMark: 1 << 20 }) }
}

/** A source of the module as the generated loader takes it; without one, the file beside this script. */
export async function wasm(source = new URL('./sparsecbm.wasm', import.meta.url)) {
  const url = asUrl(await source)
  return url?.protocol === 'file:' ? readFile(url) : source
}

function asUrl(source) {
  if (source instanceof URL) return source
  if (typeof source !== 'string') return undefined
  // A drive letter is no scheme.
  return /^[a-z][a-z+.-]+:/i.test(source) ? new URL(source) : undefined
}
