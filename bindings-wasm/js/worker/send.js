import { read } from '../source.js'

/**
 * Hands `source`, which `open` opens if it is a URL, to every one of `threads`, piece by piece: no more than a piece
 * of it is here at a time. What `method` then makes of it, and of `more`, in each of them.
 */
export async function send(open, threads, method, source, { onProgress, signal } = {}, ...more) {
  const { total, pieces } = await read(source, open, signal)
  const loaders = new Map()
  const inEach = (run) => Promise.all(threads.map((thread) => run(thread, loaders.get(thread))))
  try {
    await inEach(async (thread) => {
      const { handle } = await thread.call('open', [total ?? 0], { signal })
      loaders.set(thread, handle)
    })
    let loaded = 0
    for await (const piece of pieces) {
      const size = piece.length
      await inEach((thread, loader) => {
        // The caller keeps its bytes: a copy of one piece travels. A Buffer's own `slice` is none.
        const copy = new Uint8Array(piece)
        return thread.call('push', [loader, copy], { signal, transfer: [copy.buffer] })
      })
      loaded += size
      onProgress?.({ loaded, total })
    }
    return await inEach((thread, loader) => thread.call(method, [loader, ...more], { signal }))
  } catch (error) {
    for (const [thread, loader] of loaders) thread.drop(loader)
    throw error
  }
}
