/**
 * SparseCBM: run, explain and correct sparse concept bottleneck text models.
 *
 * ```js
 * import { init, Model } from 'sparsecbm'
 *
 * await init()
 * const model = await Model.load(new URL('model.onnx', location.href))
 * const prediction = model.predict('Good food, but so loud we had to shout.')
 * const quiet = prediction.suppose({ noise: 'positive' }) // as it would be if
 * const corrected = prediction.correct({ food: 'positive' }) // the model misread the text
 * console.log(prediction.label.class, quiet.label.class, corrected.label.class)
 * ```
 */

import type { ExplainOptions, Explanation, SuggestOptions, Suggestion } from './explanation.js'
import type { SubnetworkReport } from './subnetworks.js'

export * from './explanation.js'
export * from './subnetworks.js'

/** Where the WebAssembly module comes from. */
export type ModuleSource = string | URL | Request | Response | BufferSource | WebAssembly.Module

/**
 * Makes the WebAssembly module ready. Calling it again does nothing.
 * @param source without one, the file beside this script
 */
export function init(source?: ModuleSource | Promise<ModuleSource>): Promise<void>
export default init

/** The same from bytes or a compiled module, at once. */
export function initSync(source: BufferSource | WebAssembly.Module): void

/** Bytes of WebAssembly memory in use or kept for use; 0 before `init`. */
export function memoryBytes(): number

/** What an exported model can be loaded from; a string is a URL, in Node also a path. */
export type ModelSource = Uint8Array | ArrayBuffer | Blob | Response | URL | string

/** How far loading is. */
export interface Progress {
  /** Bytes so far. */
  loaded: number
  /** Bytes in all, where that is known. */
  total: number | undefined
}

export interface LoadOptions {
  /** Called after each piece of the file. */
  onProgress?: (progress: Progress) => void
  /** Aborts the download. */
  signal?: AbortSignal
}

/**
 * Reads which weights each concept keeps from an exported file, without loading the model.
 * @throws {SparseCbmError} `io`, `format`, `version` or `model`
 */
export function readSubnetworks(source: ModelSource, options?: LoadOptions): Promise<SubnetworkReport>

/** A loaded model. `init` comes first. */
export class Model {
  private constructor()
  /**
   * Loads a file that `sparsecbm export` wrote.
   * @throws {SparseCbmError} `io`, `format`, `version`, `model`, or `unavailable` where the file is sound but its
   * backbone is one that this package cannot run
   */
  static load(source: ModelSource, options?: LoadOptions): Promise<Model>
  /** The same from bytes that are here, at once. */
  static loadSync(bytes: Uint8Array): Model

  /**
   * Predicts a text. Any text has an answer, the empty one too; one beyond the model's `max_length` is
   * cut, and `droppedTokens` says so.
   */
  predict(text: string): Prediction
  /** Predicts several texts; the results stand in their order. */
  predict(texts: readonly string[]): Prediction[]
  /**
   * Predicts from token ids, special tokens included, without padding.
   * @throws {SparseCbmError} `input` where there are no ids, more than the model's `max_length`, or one that the
   * vocabulary does not have
   */
  predictTokens(ids: readonly number[] | Uint32Array): Prediction

  /**
   * The original model with these patches of its masks, applied in this order, and no others: those that this
   * model has count for nothing. Without patches it is the original, whose answers are the same bit for bit.
   * Layers that a patch leaves alone are shared with this model, which may be freed.
   * @throws {SparseCbmError} `input` where a patch does not fit the model or the file's masks are folded;
   * `format` or `version` where it is no patch
   */
  withPatches(patches: readonly (MaskPatch | string)[]): Model
  /** The patches that the model has, in order. */
  readonly patches: MaskPatch[]

  /** What concepts and label mean: the file's `sparsecbm.schema`. */
  readonly schema: Schema
  /** How dense the masks are and how much they share: the file's `sparsecbm.masks`. */
  readonly masks: MaskStatistics
  /** The engine in use, for people. */
  readonly engine: string

  /** Gives the model's memory back, once its predictions are freed too. */
  free(): void
  [Symbol.dispose](): void
}

/** Bits of one concept's mask that are to be flipped: the very JSON that `sparsecbm edit --save` writes. */
export interface MaskPatch {
  version: string
  concept: string
  /** What it was made for, in words. */
  note?: string
  layers: {
    name: string
    /** Places `[row of blocks, column]` that the mask keeps before and not after. */
    pruned: [number, number][]
    /** Places that the mask keeps after and not before. */
    grown: [number, number][]
  }[]
}

/** A class by name or by index, its probabilities, or its logits. */
export type ConceptValue =
  string | number | readonly number[] | Float32Array | { logits: readonly number[] | Float32Array }

/** What concepts are to be, by their names. */
export type Overrides = Readonly<Record<string, ConceptValue>>

/** What a model says of a text, with the overrides made since. It never changes. */
export class Prediction {
  private constructor()
  /** The label, after overrides. */
  readonly label: LabelPrediction
  /** Every concept, in the schema's order, after overrides. */
  readonly concepts: readonly ConceptPrediction[]
  /** The positions that the model read, special tokens included. */
  readonly tokens: readonly Token[]
  /** How many tokens at the end of the text did not fit and were left out. */
  readonly droppedTokens: number
  /**
   * What each position adds to each concept logit, before overrides: concepts × classes × positions,
   * flat, the last varying fastest. The sum over positions plus the head's bias is the logit. Classes are as many as
   * the concept with the most has; those that a concept does not have are 0.
   */
  readonly tokenEvidence: Float32Array

  /** @throws {SparseCbmError} `input` where the model has no such concept */
  concept(name: string): ConceptPrediction
  /**
   * Another prediction: as it would be if these concepts were so, on top of the overrides there are. The label
   * follows as it does when a person edits the text. Only the concept layer runs again. Supposed and corrected
   * concepts may be mixed, in any order; of one concept the last override holds.
   * @throws {SparseCbmError} `input` where the model has no such concept or class
   */
  suppose(overrides: Overrides): Prediction
  /**
   * Another prediction: these concepts are so, the model misread the text. The label follows from the text and from
   * what is now known. Else as `suppose`; `schema.intervention` tells whether the model has two answers.
   * @throws {SparseCbmError} `input` where the model has no such concept or class
   */
  correct(overrides: Overrides): Prediction
  /** `suppose` by its older name. */
  intervene(overrides: Overrides): Prediction
  /**
   * Another prediction, without the override of `concept`, or without any.
   * @throws {SparseCbmError} `input` where the model has no such concept
   */
  undo(concept?: string): Prediction
  /** Why: contributions, what-ifs, a counterfactual, suggestions and evidence. */
  explain(options?: ExplainOptions): Explanation
  /**
   * The concepts that are not overridden, ranked by what is gained from asking a person about them.
   * @throws {SparseCbmError} `input` where a cost is of no concept or not above 0
   */
  suggestInterventions(options?: SuggestOptions): Suggestion[]

  toJSON(): PredictionJson
  /** Gives its memory back; label and concepts stay readable. */
  free(): void
  [Symbol.dispose](): void
}

export interface PredictionJson {
  label: LabelPrediction
  concepts: readonly ConceptPrediction[]
  tokens: readonly Token[]
  droppedTokens: number
}

export interface LabelPrediction {
  readonly name: string
  /** The most probable class. */
  readonly class: string
  readonly classIndex: number
  /** One a class. */
  readonly probabilities: readonly number[]
  readonly logits: readonly number[]
  /** The mean of what the classes are worth, where the model tells that or every class name is a number; else null. */
  readonly expectedValue: number | null
}

export interface ConceptPrediction {
  readonly name: string
  /** The most probable class. */
  readonly class: string
  readonly classIndex: number
  /** One a class, after overrides. */
  readonly probabilities: readonly number[]
  /** One a class: the model's own, before overrides. */
  readonly logits: readonly number[]
  /** Whether the probabilities were given by an override. */
  readonly overridden: boolean
  /** What the override asks; null where there is none. */
  readonly question: Question | null
}

/** What an override asks: `suppose` is "as it would be if", `correct` is "you misread the text". */
export type Question = 'suppose' | 'correct'

export interface Token {
  readonly id: number
  /** The vocabulary piece, as the tokenizer writes it (`##ing`, `[CLS]`). */
  readonly piece: string
  /** Where it begins in the text, in UTF-16 units, as `String.prototype.slice` counts; null for special tokens. */
  readonly start: number | null
  /** Where it ends, that unit excluded. */
  readonly end: number | null
}

/** What failed, by what a caller can do about it. */
export type ErrorCode = 'io' | 'format' | 'version' | 'model' | 'input' | 'engine' | 'unavailable'

/** Every failure, with the same message as in Rust: `PLACE: found FOUND, expected EXPECTED`. */
export class SparseCbmError extends Error {
  private constructor()
  readonly name: 'SparseCbmError'
  readonly code: ErrorCode
  /** The file, tensor or field that is wrong. */
  readonly place: string
  readonly found: string
  readonly expected: string
  toJSON(): { code: ErrorCode; place: string; found: string; expected: string }
}

/** Part of a model's schema, under the file's own names; docs/reference/checkpoint.md of the project has all fields. */
export interface Schema {
  readonly version: string
  readonly concepts: readonly Variable[]
  readonly label: Variable
  readonly semantics: 'as-intended' | 'as-executed'
  readonly pooling: 'masked-mean' | 'padded-mean'
  readonly max_length: number
  /** `suppose-correct`: supposing and correcting have an answer each. The others have one answer to both. */
  readonly intervention: 'suppose-correct' | 'effect' | 'replace'
  readonly data_fields: {
    readonly text: string
    readonly concepts: Readonly<Record<string, string>>
    readonly label: string
    readonly edited?: string
    readonly original_id?: string
  }
  readonly calibration: {
    readonly temperature: number
    /** Not in every model. */
    readonly class_logits?: readonly (readonly (readonly number[])[])[]
    readonly mean_concept_logits: readonly (readonly number[])[]
    readonly mean_concept_probabilities: readonly (readonly number[])[]
  }
  readonly training?: unknown
}

/** A concept or the label: a name and its classes in order. */
export interface Variable {
  readonly name: string
  /** Concepts of one model may have different numbers of classes. */
  readonly classes: readonly string[]
  /** What each class is worth, where its name does not tell. */
  readonly values?: readonly number[]
}

/** Statistics of a model's masks, under the names that they have in the file. */
export interface MaskStatistics {
  readonly layers: readonly LayerMasks[]
  /** Share of the backbone's masked weights that each concept keeps. */
  readonly density: readonly number[]
  /** Jaccard similarity between the masks of two concepts. */
  readonly overlap: readonly (readonly number[])[]
}

export interface LayerMasks {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly block_rows: number
  readonly density: readonly number[]
  /** Share of the weights that at least one concept keeps. */
  readonly used: number
}
