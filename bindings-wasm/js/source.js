import { SparseCbmError } from './error.js'

/** Pieces in which bytes that are already here are handed over. */
const PIECE = 1 << 20

/**
 * A file as a stream of pieces: `{ total, pieces }`, where `total` is its length if that is known.
 * `open` opens a URL: it returns a Response, or the same as this function.
 */
export async function read(source, open, signal) {
  signal?.throwIfAborted()
  if (source instanceof ArrayBuffer || source instanceof SharedBuffer) return ofBytes(new Uint8Array(source))
  if (ArrayBuffer.isView(source)) return ofBytes(new Uint8Array(source.buffer, source.byteOffset, source.byteLength))
  if (source instanceof Response) return ofResponse(source, signal)
  if (source instanceof Blob) return ofStream(source.stream(), source.size, signal)
  if (typeof source === 'string' || source instanceof URL) {
    let opened
    try {
      opened = await open(source, signal)
    } catch (error) {
      signal?.throwIfAborted()
      throw new SparseCbmError('io', String(source), String(error?.cause ?? error), 'a readable file', { cause: error })
    }
    return opened instanceof Response ? ofResponse(opened, signal) : opened
  }
  throw new SparseCbmError('input', 'model', typeof source, 'bytes, a Blob, a Response or a URL')
}

// Pages without cross-origin isolation have no SharedArrayBuffer.
const SharedBuffer = globalThis.SharedArrayBuffer ?? ArrayBuffer

function ofBytes(bytes) {
  async function* pieces() {
    for (let start = 0; start < bytes.length; start += PIECE) yield bytes.subarray(start, start + PIECE)
  }
  return { total: bytes.length, pieces: pieces() }
}

function ofResponse(response, signal) {
  const place = response.url || 'response'
  if (!response.ok) {
    throw new SparseCbmError('io', place, `HTTP status ${response.status}`, 'a file')
  }
  if (response.body === null || response.bodyUsed) {
    throw new SparseCbmError('io', place, 'a body that is empty or read already', 'a file')
  }
  // Of a compressed body the header gives the compressed length.
  const plain = !response.headers.has('content-encoding')
  const length = plain ? Number(response.headers.get('content-length')) : 0
  return ofStream(response.body, length > 0 ? length : undefined, signal, place)
}

function ofStream(stream, total, signal, place = 'blob') {
  async function* pieces() {
    const reader = stream.getReader()
    try {
      for (;;) {
        signal?.throwIfAborted()
        const { done, value } = await reader.read()
        if (done) return
        yield value
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw new SparseCbmError('io', place, String(error), 'a whole file', { cause: error })
    } finally {
      reader.cancel().catch(() => {})
    }
  }
  return { total, pieces: pieces() }
}
