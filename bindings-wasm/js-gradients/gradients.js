import { RawEditTask, RawModel, RawPrediction } from './bindings.js'
import { SparseCbmError, guarded } from './error.js'
import { fill } from './model.js'
import { inner } from './module.js'
import { only } from './options.js'

/** The class Gradients, for a host that opens URLs by `open`. */
export function gradientsClass(open) {
  return class Gradients {
    #raw

    constructor(raw) {
      this.#raw = raw
    }

    static async load(source, model, options) {
      own(model, RawModel, 'model')
      const loader = await fill(source, open, options)
      // It may have been freed meanwhile.
      return new Gradients(guarded(() => loader.gradients(own(model, RawModel, 'model'))))
    }

    edit(concept, examples, { guards = [], onProgress, ...limits } = {}) {
      only(limits, ['guards', 'maxShare', 'guardWeight', 'rounds', 'timeLimit', 'onProgress'], 'edit: options')
      if (!Array.isArray(examples) || examples.length === 0) {
        const found = Array.isArray(examples) ? 'none' : typeof examples
        throw new SparseCbmError('input', 'examples of the edit', found, 'an array of one or more')
      }
      return told(onProgress, (progress) => {
        const read = (example) => own(example?.prediction, RawPrediction, 'prediction')
        const task = new RawEditTask(read(examples[0]), named(concept, 'concept'))
        try {
          for (const example of examples) task.example(read(example), named(example.class, 'class'))
          for (const guard of guards) task.guard(own(guard, RawPrediction, 'guard'))
          return this.#get().edit(task, limits, progress)
        } finally {
          task.free()
        }
      })
    }

    integratedGradients(prediction, { onProgress, ...options } = {}) {
      only(options, ['steps', 'baseline', 'onProgress'], 'integratedGradients: options')
      return told(onProgress, (progress) => {
        return this.#get().integratedGradients(own(prediction, RawPrediction, 'prediction'), options, progress)
      })
    }

    get engine() {
      return guarded(() => this.#get().engine())
    }

    free() {
      this.#raw?.free()
      this.#raw = undefined
    }

    #get() {
      if (!this.#raw) throw new SparseCbmError('input', 'gradients', 'gradients that were freed', 'some that were not')
      return this.#raw
    }

    static {
      if (Symbol.dispose) this.prototype[Symbol.dispose] = this.prototype.free
    }
  }
}

/** The module's object of a model or prediction that this entry made. */
function own(object, kind, place) {
  const found = typeof object?.[inner] === 'function' ? object[inner]() : undefined
  if (found instanceof kind) return found
  const what = object === null ? 'null' : typeof object
  throw new SparseCbmError('input', place, what, 'one that sparsecbm/gradients made, of this kind')
}

function named(text, place) {
  if (typeof text === 'string') return text
  throw new SparseCbmError('input', place, text === null ? 'null' : typeof text, 'a name')
}

/** Runs something that tells how far it is. What `onProgress` throws ends it and is thrown here. */
function told(onProgress, run) {
  let thrown
  const progress =
    onProgress &&
    ((state) => {
      try {
        return onProgress(state)
      } catch (error) {
        thrown = { error }
        return false
      }
    })
  const result = guarded(() => run(progress))
  if (thrown) throw thrown.error
  return result
}
