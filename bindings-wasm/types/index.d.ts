/**
 * SparseCBM: run, explain and correct sparse concept bottleneck text models.
 *
 * ```js
 * import { init, Model } from 'sparsecbm'
 *
 * await init()
 * const model = await Model.load(new URL('model.onnx', location.href))
 * const prediction = model.predict('Good food, but so loud we had to shout.')
 * const corrected = prediction.intervene({ noise: 'positive' })
 * console.log(prediction.label.class, corrected.label.class)
 * ```
 */

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

/** Bits of one concept's mask that are to be flipped: what `sparsecbm edit --save` writes. */
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
export type ConceptValue = string | number | readonly number[] | Float32Array | { logits: readonly number[] | Float32Array }

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
   * flat, the last varying fastest. The sum over positions plus the head's bias is the logit.
   */
  readonly tokenEvidence: Float32Array

  /** @throws {SparseCbmError} `input` where the model has no such concept */
  concept(name: string): ConceptPrediction
  /**
   * Another prediction, with these concepts overridden on top of the overrides there are. Only the
   * concept layer runs again.
   * @throws {SparseCbmError} `input` where the model has no such concept or class
   */
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
  /** The mean of the class values, where every class name is a number; else null. */
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
}

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

/** Part of a model's schema; docs/checkpoint.md of the project has all fields. */
export interface Schema {
  readonly version: string
  readonly concepts: readonly Variable[]
  readonly label: Variable
  readonly semantics: 'as-intended' | 'as-executed'
  readonly pooling: 'masked-mean' | 'padded-mean'
  readonly max_length: number
  readonly intervention: 'effect' | 'replace'
  readonly data_fields: {
    readonly text: string
    readonly concepts: Readonly<Record<string, string>>
    readonly label: string
    readonly edited?: string
    readonly original_id?: string
  }
  readonly calibration: {
    readonly temperature: number
    readonly class_logits: readonly (readonly (readonly number[])[])[]
    readonly mean_concept_logits: readonly (readonly number[])[]
    readonly mean_concept_probabilities: readonly (readonly number[])[]
  }
  readonly training?: unknown
}

/** A concept or the label: a name and its classes in order. */
export interface Variable {
  readonly name: string
  readonly classes: readonly string[]
}

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

/** How dense the subnetworks are, what they share and what each has to itself. */
export interface SubnetworkReport {
  /** The K concepts' names. */
  readonly concepts: readonly string[]
  /** Share of the masked weights that each concept keeps. */
  readonly density: readonly number[]
  /** Jaccard similarity between the masks of two concepts. */
  readonly overlap: readonly (readonly number[])[]
  /** Share of what a concept keeps that no other concept keeps. */
  readonly exclusive: readonly number[]
  /** Share of the masked weights that at least one concept keeps. */
  readonly used: number
  /** One a masked matrix, in the order of the backbone. */
  readonly layers: readonly LayerSubnetworks[]
}

/** The same of one matrix. */
export interface LayerSubnetworks {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly density: readonly number[]
  readonly overlap: readonly (readonly number[])[]
  readonly exclusive: readonly number[]
  readonly used: number
  /** Its neurons: one a row. */
  readonly neurons: Units
  /** Its attention heads, in query, key and value matrices of files that say how many there are. */
  readonly heads: Units | null
  /** For each concept, the share of the weights into each attention head that it keeps. */
  readonly head_density: readonly (readonly number[])[] | null
}

/** Which concepts use which neurons, or attention heads, of a matrix. */
export interface Units {
  readonly count: number
  /** For each concept, the units that serve it only. */
  readonly exclusive: readonly (readonly number[])[]
  /** The units that serve no concept. */
  readonly unused: readonly number[]
}

/** By what concepts are ranked for asking a person about. */
export type Policy = 'uncertainty' | 'contribution' | 'expected-change' | 'combined'

export interface SuggestOptions {
  /** `combined` unless told. */
  policy?: Policy
  /** What asking about a concept costs; 1 where not named. */
  costs?: Readonly<Record<string, number>>
}

export interface ExplainOptions extends SuggestOptions {
  /** Masks out one word at a time: one run of the model a word, those with the most evidence first. */
  occlusion?: { maxWords?: number }
  /** Puts the orders of words to the test: many runs of the model. */
  faithfulness?: boolean
}

/** Why a model says what it says, as the project's JSON has it; docs/explanations.md tells what the numbers mean. */
export interface Explanation {
  readonly text: string | null
  readonly contributions: Contributions
  readonly what_if: readonly WhatIf[]
  /** The smallest set of concept changes that gives another label; null where none does. */
  readonly counterfactual: Counterfactual | null
  readonly suggestions: readonly Suggestion[]
  readonly evidence: WordEvidence
  /** What the model loses with each word; null where not asked for. */
  readonly occlusion: Occlusion | null
  /** Always null here: `sparsecbm/gradients` integrates them by themselves. */
  readonly integrated: null
  /** Empty where not asked for. */
  readonly faithfulness: readonly Faithfulness[]
}

export interface Contributions {
  readonly label: string
  readonly label_classes: readonly string[]
  readonly label_logits: readonly number[]
  /** The label logits where every concept has its mean logits. */
  readonly baseline: readonly number[]
  readonly concepts: readonly {
    readonly name: string
    readonly class: string
    /** What the concept adds to each label logit. */
    readonly label_logits: readonly number[]
    /** The part of it that an override made. */
    readonly override_share: readonly number[] | null
  }[]
}

export interface WhatIf {
  readonly concept: string
  readonly class_index: number
  readonly outcomes: readonly {
    readonly class: string
    readonly label: string
    readonly label_index: number
    readonly label_logits: readonly number[]
    readonly label_probabilities: readonly number[]
    readonly expected_value: number | null
  }[]
}

export interface Counterfactual {
  readonly changes: readonly {
    readonly concept: string
    readonly from: string
    readonly to: string
    readonly to_index: number
  }[]
  readonly label: string
  readonly label_index: number
  readonly label_probabilities: readonly number[]
  readonly expected_value: number | null
}

export interface Suggestion {
  readonly concept: string
  readonly score: number
  readonly uncertainty: number
  readonly contribution: number
  readonly expected_change: number
  readonly cost: number
}

export interface Range {
  readonly start: number
  readonly end: number
}

export interface Word {
  readonly text: string
  readonly utf8: Range | null
  /** As `String.prototype.slice` counts. */
  readonly utf16: Range | null
  /** Its tokens. */
  readonly positions: Range
}

export interface WordEvidence {
  readonly words: readonly Word[]
  readonly concepts: readonly {
    readonly name: string
    readonly classes: readonly string[]
    /** For each class, what each word adds to its logit. */
    readonly evidence: readonly (readonly number[])[]
    /** What positions outside all words add. */
    readonly special: readonly number[]
    readonly bias: readonly number[]
  }[]
}

export interface Occlusion {
  readonly words: readonly Word[]
  /** Whether these are all words of the text. */
  readonly complete: boolean
  readonly concepts: readonly {
    readonly name: string
    readonly classes: readonly string[]
    /** For each class, what its logit loses with each word. */
    readonly logits: readonly (readonly number[])[]
  }[]
  readonly label_logits: readonly (readonly number[])[]
}

/** The probability of a concept's class as words are masked out (deletion) or put back (insertion). */
export interface Faithfulness {
  readonly concept: string
  readonly class: string
  /** What ordered the words. */
  readonly method: string
  /** From 0 to 1: shares of the words, one a point of the curves. */
  readonly shares: readonly number[]
  readonly deletion: readonly number[]
  readonly insertion: readonly number[]
  readonly deletion_area: number
  readonly insertion_area: number
}
