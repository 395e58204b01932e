import { Loader } from '../bindings.js'
import { SparseCbmError } from '../error.js'
import { guarded, memoryBytes } from '../module.js'
import { explaining } from '../prediction.js'
import { finishWithPauses } from '../work.js'

/**
 * Answers the calls of `client.js`, one after another. Between two texts it looks for messages, so that
 * a call can be cancelled while it waits or in the midst of a batch.
 *
 * `more({ get, keep, take })` gives further methods. Each method has, after its arguments, the call at hand:
 * `pause(progress)` tells how far it is, looks for messages and says whether to go on.
 *
 * `messages()` resolves when the messages that have come are handled.
 */
export function serve({ init, Model, post, messages = throughChannel, more = () => ({}) }) {
  const objects = new Map()
  const cancelled = new Set()
  const stopped = new Set()
  const queue = []
  let next = 0
  let current

  const keep = (object) => {
    objects.set(++next, object)
    return next
  }
  const get = (handle) => {
    const object = objects.get(handle)
    if (object) return object
    throw new SparseCbmError('input', 'worker', 'something that was freed', 'something that was not')
  }
  /** A loader, which its last call uses up, whether that succeeds or not. */
  const take = (handle) => {
    const loader = get(handle)
    objects.delete(handle)
    return loader
  }
  const drop = (handle) => {
    objects.get(handle)?.free()
    objects.delete(handle)
  }
  const about = (model) => {
    const { schema, masks, engine, patches } = model
    return { handle: keep(model), about: { schema, masks, engine, patches } }
  }
  const result = (prediction) => {
    const { label, concepts, tokens, droppedTokens, tokenEvidence } = prediction
    return { handle: keep(prediction), snapshot: { label, concepts, tokens, droppedTokens, tokenEvidence } }
  }

  const methods = {
    init,
    memoryBytes,
    // As an object, so that the other side drops it where the call was cancelled meanwhile.
    open: (total) => ({ handle: keep(guarded(() => new Loader(total))) }),
    push: (loader, piece) => guarded(() => get(loader).push(piece)),
    finish(loader) {
      const raw = take(loader)
      return about(new Model(guarded(() => raw.finish())))
    },
    withPatches: (model, patches) => about(get(model).withPatches(patches)),
    subnetworks(loader) {
      const raw = take(loader)
      return guarded(() => raw.subnetworks())
    },
    async predict(model, text, { pause }) {
      if (!Array.isArray(text)) return result(get(model).predict(text))
      const results = []
      for (const one of text) {
        if (!(await pause())) {
          for (const { handle } of results) drop(handle)
          return []
        }
        results.push(result(get(model).predict(one)))
      }
      return results
    },
    predictTokens: (model, ids) => result(get(model).predictTokens(ids)),
    suppose: (prediction, overrides) => result(get(prediction).suppose(overrides)),
    correct: (prediction, overrides) => result(get(prediction).correct(overrides)),
    undo: (prediction, concept) => result(get(prediction).undo(concept)),
    suggestInterventions: (prediction, options) => get(prediction).suggestInterventions(options),
    explain: (prediction, options, { pause }) => finishWithPauses(get(prediction)[explaining](options), pause),
    ...more({ get, keep, take }),
  }

  /** Every call is answered, a cancelled one too: the other side counts them. */
  async function answer({ id, method, args }) {
    if (cancelled.has(id)) return { id }
    const pause = async (progress) => {
      if (progress) post({ id, progress })
      await messages()
      return !cancelled.has(id) && !stopped.has(id)
    }
    try {
      return { id, value: await methods[method](...args, { pause }) }
    } catch (error) {
      const known = error instanceof SparseCbmError
      const { code, place, found, expected } = known
        ? error
        : new SparseCbmError('engine', method, String(error), 'no failure')
      return { id, error: { code, place, found, expected } }
    }
  }

  async function work() {
    while (queue.length > 0) {
      current = queue.shift()
      post(await answer(current))
      cancelled.delete(current.id)
      stopped.delete(current.id)
      await messages()
    }
    current = undefined
  }

  return (message) => {
    if (message.drop !== undefined) {
      drop(message.drop)
    } else if (message.cancel !== undefined) {
      if ([current, ...queue].some((call) => call?.id === message.cancel)) cancelled.add(message.cancel)
    } else if (message.stop !== undefined) {
      if (current?.id === message.stop) stopped.add(message.stop)
    } else {
      queue.push(message)
      if (!current) work()
    }
  }
}

const channel = new MessageChannel()

/** Resolves when a message to itself has come, after those that were there before. */
function throughChannel() {
  return new Promise((resolve) => {
    channel.port1.onmessage = resolve
    channel.port2.postMessage(0)
  })
}
