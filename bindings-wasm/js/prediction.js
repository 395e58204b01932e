import { SparseCbmError, guarded } from './error.js'

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
    return (this.#tokens ??= guarded(() => this.#get().tokens()))
  }

  get tokenEvidence() {
    return guarded(() => this.#get().tokenEvidence())
  }

  concept(name) {
    const found = this.concepts.find((concept) => concept.name === name)
    if (found) return found
    const names = this.concepts.map((concept) => `'${concept.name}'`).join(', ')
    throw new SparseCbmError('input', 'concept', `'${name}'`, `one of ${names}`)
  }

  intervene(overrides) {
    return new Prediction(guarded(() => this.#get().intervene(overrides)))
  }

  undo(concept) {
    return new Prediction(guarded(() => this.#get().undo(concept)))
  }

  explain(options = {}) {
    return guarded(() => this.#get().explain(options))
  }

  suggestInterventions(options = {}) {
    return guarded(() => this.#get().suggestInterventions(options))
  }

  toJSON() {
    const { label, concepts, tokens, droppedTokens } = this
    return { label, concepts, tokens, droppedTokens }
  }

  free() {
    this.#raw?.free()
    this.#raw = undefined
  }

  #get() {
    if (!this.#raw) {
      throw new SparseCbmError('input', 'prediction', 'a prediction that was freed', 'one that was not')
    }
    return this.#raw
  }

  static {
    if (Symbol.dispose) this.prototype[Symbol.dispose] = this.prototype.free
  }
}
