import { named } from '../error.js'
import { Remote, call } from './calls.js'

/** A model that lives in a thread. */
export class RemoteModel extends Remote {
  #thread
  #about

  constructor(thread, { handle, about }) {
    super(thread, handle, 'model')
    this.#thread = thread
    this.#about = about
  }

  async predict(text, { signal } = {}) {
    const results = await this[call]('predict', [text], { signal })
    const wrap = (result) => new Prediction(this.#thread, result)
    return Array.isArray(results) ? results.map(wrap) : wrap(results)
  }

  async predictTokens(ids, { signal } = {}) {
    const result = await this[call]('predictTokens', [Uint32Array.from(ids)], { signal })
    return new Prediction(this.#thread, result)
  }

  async withPatches(patches, { signal } = {}) {
    return new this.constructor(this.#thread, await this[call]('withPatches', [patches], { signal }))
  }

  get patches() {
    return this.#about.patches
  }

  get schema() {
    return this.#about.schema
  }

  get masks() {
    return this.#about.masks
  }

  get engine() {
    return this.#about.engine
  }
}

/** A prediction that lives in the thread of its model. */
export class Prediction extends Remote {
  #thread
  #snapshot

  constructor(thread, { handle, snapshot }) {
    super(thread, handle, 'prediction')
    this.#thread = thread
    this.#snapshot = snapshot
  }

  get label() {
    return this.#snapshot.label
  }

  get concepts() {
    return this.#snapshot.concepts
  }

  get tokens() {
    return this.#snapshot.tokens
  }

  get tokenEvidence() {
    return this.#snapshot.tokenEvidence
  }

  get droppedTokens() {
    return this.#snapshot.droppedTokens
  }

  concept(name) {
    return named(this.concepts, name)
  }

  async suppose(overrides, { signal } = {}) {
    return new Prediction(this.#thread, await this[call]('suppose', [overrides], { signal }))
  }

  async correct(overrides, { signal } = {}) {
    return new Prediction(this.#thread, await this[call]('correct', [overrides], { signal }))
  }

  /** `suppose` by its older name. */
  async intervene(overrides, options) {
    return this.suppose(overrides, options)
  }

  async undo(concept, { signal } = {}) {
    return new Prediction(this.#thread, await this[call]('undo', [concept], { signal }))
  }

  async explain({ onProgress, ...options } = {}, { signal } = {}) {
    return this[call]('explain', [options], { signal, onProgress })
  }

  async suggestInterventions(options, { signal } = {}) {
    return this[call]('suggestInterventions', [options], { signal })
  }

  toJSON() {
    const { label, concepts, tokens, droppedTokens } = this
    return { label, concepts, tokens, droppedTokens }
  }
}
