/**
 * `sparsecbm/gradients` computed in a worker: the API of `sparsecbm/worker`, and gradients. What is cancelled there
 * ends where progress would be told of next.
 */
import type {
  Edit,
  EditOptions as EditLimits,
  IntegratedGradients,
  IntegratedOptions,
  LoadOptions,
  ModelSource,
} from '../index.js'
import type { CallOptions, Model, Prediction } from '../../worker/index.js'

export * from '../../worker/index.js'
export { default } from '../../worker/index.js'

/** The gradients of a model. */
export class Gradients {
  private constructor()
  /** Loads the file of gradients of a model of this worker. */
  static load(source: ModelSource, model: Model, options?: LoadOptions): Promise<Gradients>
  /** Searches an edit; `onProgress` hears of each run of the model, and ends the search soon by returning false. */
  edit(concept: string, examples: readonly EditExample[], options?: EditOptions): Promise<Edit>
  integratedGradients(prediction: Prediction, options?: IntegratedOptions & CallOptions): Promise<IntegratedGradients>
  readonly engine: string
  /** Gives their memory back. */
  free(): void
  [Symbol.dispose](): void
}

/** A text whose concept is to be of a class. */
export interface EditExample {
  prediction: Prediction
  class: string
}

/** How far an edit may go. */
export interface EditOptions extends Omit<EditLimits, 'guards'>, CallOptions {
  /** Predictions of the same model whose class of the concept is to stay. */
  guards?: readonly Prediction[]
}
