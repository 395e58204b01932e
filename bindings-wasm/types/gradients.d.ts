/**
 * The main entry on a larger WebAssembly module, which also runs gradients: integrated gradients, and the search for
 * edits of masks. Models and predictions of this entry are its own: those of `sparsecbm` are refused.
 */
import type { LoadOptions, MaskPatch, Model, ModelSource, Prediction, Word } from '../index.js'

export * from '../index.js'
export { default } from '../index.js'

/** The gradients of a model. */
export class Gradients {
  private constructor()
  /**
   * Loads the file of gradients that `sparsecbm export --with-gradients` wrote beside the model.
   * @throws {SparseCbmError} `io`, `format` or `version`; `input` where it belongs to another model, or to the same one
   * with its weights stored another way; `model`
   */
  static load(source: ModelSource, model: Model, options?: LoadOptions): Promise<Gradients>

  /**
   * Searches the smallest edit of a concept's mask that gives every example the class it is to have and leaves every
   * guard its own. Seconds to minutes, in which nothing else runs in this thread: `onProgress` is called between two
   * runs of the model. Where the examples' model has patches, the edit comes on top of them.
   * @throws {SparseCbmError} `input` where a prediction is of another model, there is no such concept or class, the
   * model's masks are folded into its weights or an option is out of range
   */
  edit(concept: string, examples: readonly EditExample[], options?: EditOptions): Edit

  /**
   * Integrates the gradient of each concept logit over the way from a text without words to the text.
   * @throws {SparseCbmError} `input` where the prediction is of another model, there are no steps, or the vocabulary
   * lacks the baseline's token
   */
  integratedGradients(prediction: Prediction, options?: IntegratedOptions): IntegratedGradients

  /** The engine in use, for people. */
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
export interface EditOptions {
  /** Predictions of the same model whose class of the concept is to stay. */
  guards?: readonly Prediction[]
  /** At most this share of the bits that the mask keeps are pruned, and as many grown; 0.01 unless told. */
  maxShare?: number
  /** What the mean loss of the guards counts beside that of the examples; 1 unless told. */
  guardWeight?: number
  /** How often the gradient is taken again where one is not enough; 32 unless told. */
  rounds?: number
  /** Milliseconds, looked at between two runs of the model. */
  timeLimit?: number
  /** Called between two runs of the model; where it returns false, the search ends. */
  onProgress?: (progress: EditProgress) => boolean | void
}

export interface EditProgress {
  /** Runs of the model done; how many there will be is not known. */
  readonly runs: number
  /** Bits that the trial at hand flips. */
  readonly flips: number
  /** How many examples are of the class that is wanted with it. */
  readonly turned: number
  /** How many guards are not of their class any more. */
  readonly broken: number
}

/** A change of one concept's mask, and what it does to the texts it was made for. */
export interface Edit {
  /** `stopped`: by the time limit or `onProgress`. Where not `turned`, the edit is the best that was found. */
  readonly outcome: 'turned' | 'not-turned' | 'stopped'
  readonly concept: string
  /** How many bits are flipped: half of them pruned, half grown. */
  readonly flips: number
  /** How many bits the mask keeps, before and after. */
  readonly kept: number
  readonly layers: readonly { readonly name: string; readonly pruned: number; readonly grown: number }[]
  readonly examples: readonly TextChange[]
  readonly guards: number
  /** What becomes of the guards that do not keep their class. */
  readonly broken: readonly TextChange[]
  /** How many runs of the model the search took. */
  readonly runs: number
  /** The change itself, for `model.withPatches`. */
  readonly patch: MaskPatch
}

/** What an edit does to one text. */
export interface TextChange {
  readonly text: string | null
  readonly wanted: string
  readonly classBefore: string
  readonly classAfter: string
  readonly logitsBefore: readonly number[]
  readonly logitsAfter: readonly number[]
  readonly labelBefore: string
  readonly labelAfter: string
  readonly labelProbabilitiesBefore: readonly number[]
  readonly labelProbabilitiesAfter: readonly number[]
}

export interface IntegratedOptions {
  /** Points on the way at which the gradient is taken, for each class of each concept; 50 unless told. */
  steps?: number
  /** The token id that stands for each token of the text in the baseline. */
  baseline?: number
  /** Called after each class of each concept; where it returns false, the concepts at the end are missing. */
  onProgress?: (progress: { readonly done: number; readonly total: number }) => boolean | void
}

/** What each word adds to each concept logit. */
export interface IntegratedGradients {
  readonly words: readonly Word[]
  /** The piece that stands for each token of the text in the baseline. */
  readonly baselinePiece: string
  readonly steps: number
  /** Whether every concept was done. */
  readonly complete: boolean
  readonly concepts: readonly {
    readonly name: string
    readonly classes: readonly string[]
    /** For each class, what each word adds to its logit. */
    readonly attributions: readonly (readonly number[])[]
    /** The same of each position, special ones included. */
    readonly positions: readonly (readonly number[])[]
    /** For each class, what positions outside all words add. */
    readonly special: readonly number[]
    /** For each class, the logit of the baseline. */
    readonly baseline: readonly number[]
    /** For each class, how far the attributions' sum is from what text and baseline differ by. */
    readonly convergenceError: readonly number[]
  }[]
}
