import { SparseCbmError, named } from './error.js'
import { guarded, inner } from './module.js'
import { only } from './options.js'
import { finish } from './work.js'

/** The method of predictions that begins an explanation, for the package's scripts alone. */
export const explaining = Symbol('explaining')

/** What a model says of a text; never changes. */
export class Prediction {
  #raw
  #snapshot
  #tokens

  constructor(raw) {
    this.#raw = raw
    this.#snapshot = guarded(() => raw.snapshot())
  }

  get label() {
    return this.#snapshot.label
  }

  get concepts() {
    return this.#snapshot.concepts
  }

  get droppedTokens() {
    return this.#snapshot.droppedTokens
  }

  get tokens() {
    return (this.#tokens ??= guarded(() => this[inner]().tokens()))
  }

  get tokenEvidence() {
    return guarded(() => this[inner]().tokenEvidence())
  }

  concept(name) {
    return named(this.concepts, name)
  }

  suppose(overrides) {
    return new Prediction(guarded(() => this[inner]().suppose(overrides)))
  }

  correct(overrides) {
    return new Prediction(guarded(() => this[inner]().correct(overrides)))
  }

  /** `suppose` by its older name. */
  intervene(overrides) {
    return this.suppose(overrides)
  }

  undo(concept) {
    return new Prediction(guarded(() => this[inner]().undo(concept)))
  }

  explain({ onProgress, ...options } = {}) {
    return finish(this[explaining](options), onProgress)
  }

  suggestInterventions(options = {}) {
    only(options, ['policy', 'costs'], 'suggestInterventions: options')
    return guarded(() => this[inner]().suggestInterventions(options))
  }

  toJSON() {
    const { label, concepts, tokens, droppedTokens } = this
    return { label, concepts, tokens, droppedTokens }
  }

  free() {
    this.#raw?.free()
    this.#raw = undefined
  }

  [explaining](options = {}) {
    only(options, ['policy', 'costs', 'occlusion', 'faithfulness', 'onProgress'], 'explain: options')
    only(options.occlusion, ['maxWords', 'windows', 'timeLimit'], 'explain: occlusion')
    return guarded(() => this[inner]().explain(options))
  }

  [inner]() {
    if (!this.#raw) {
      throw new SparseCbmError('input', 'prediction', 'a prediction that was freed', 'one that was not')
    }
    return this.#raw
  }

  static {
    if (Symbol.dispose) this.prototype[Symbol.dispose] = this.prototype.free
  }
}
