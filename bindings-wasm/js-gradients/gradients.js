import { RawEditTask, RawModel, RawPrediction } from './bindings.js'
import { SparseCbmError } from './error.js'
import { fill } from './model.js'
import { guarded, inner } from './module.js'
import { only } from './options.js'
import { finish } from './work.js'

/** Methods for the package's scripts alone: one makes gradients of a loader, the others begin something long. */
export const made = Symbol('made')
export const searching = Symbol('searching')
export const integrating = Symbol('integrating')

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
      return Gradients[made](loader, model)
    }

    /** From a loader that has the whole file; it is used up. The model may have been freed meanwhile. */
    static [made](loader, model) {
      return new Gradients(guarded(() => loader.gradients(own(model, RawModel, 'model'))))
    }

    edit(concept, examples, { onProgress, ...options } = {}) {
      return finish(this[searching](concept, examples, options), onProgress)
    }

    integratedGradients(prediction, { onProgress, ...options } = {}) {
      return finish(this[integrating](prediction, options), onProgress)
    }

    get engine() {
      return guarded(() => this.#get().engine())
    }

    free() {
      this.#raw?.free()
      this.#raw = undefined
    }

    [searching](concept, examples, { guards = [], ...limits } = {}) {
      only(limits, ['guards', 'maxShare', 'guardWeight', 'rounds', 'timeLimit', 'onProgress'], 'edit: options')
      if (!Array.isArray(examples) || examples.length === 0) {
        const found = Array.isArray(examples) ? 'none' : typeof examples
        throw new SparseCbmError('input', 'examples of the edit', found, 'an array of one or more')
      }
      const read = (example) => own(example?.prediction, RawPrediction, 'prediction')
      return guarded(() => {
        const task = new RawEditTask(read(examples[0]), named(concept, 'concept'))
        try {
          for (const example of examples) task.example(read(example), named(example.class, 'class'))
          for (const guard of guards) task.guard(own(guard, RawPrediction, 'guard'))
          return this.#get().edit(task, limits)
        } finally {
          task.free()
        }
      })
    }

    [integrating](prediction, options) {
      only(options, ['steps', 'baseline', 'onProgress'], 'integratedGradients: options')
      return guarded(() => this.#get().integratedGradients(own(prediction, RawPrediction, 'prediction'), options))
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
