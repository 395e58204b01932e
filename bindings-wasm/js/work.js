import { guarded } from './module.js'

/** The result of something long, all of whose steps are done at once. */
export function finish(work, onProgress) {
  try {
    let goOn = true
    for (;;) {
      const result = guarded(() => work.step(goOn))
      if (result) return result
      goOn = onProgress?.(work.progress()) !== false
    }
  } finally {
    work.free()
  }
}

/** The same with `pause(progress)` between two steps, a promise of whether to go on. */
export async function finishWithPauses(work, pause) {
  try {
    let goOn = true
    for (;;) {
      const result = guarded(() => work.step(goOn))
      if (result) return result
      goOn = await pause(work.progress())
    }
  } finally {
    work.free()
  }
}
