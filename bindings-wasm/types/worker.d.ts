/**
 * The same API computed in a worker, so that a page never blocks: what takes time is a promise, and an
 * `AbortSignal` cancels it.
 */
import type {
  ConceptPrediction,
  Explanation,
  ExplainOptions,
  LabelPrediction,
  LoadOptions,
  MaskPatch,
  MaskStatistics,
  ModelSource,
  Overrides,
  PredictionJson,
  Schema,
  SubnetworkReport,
  SuggestOptions,
  Suggestion,
  Token,
} from '../index.js'

export { SparseCbmError } from '../index.js'

/** Where the WebAssembly module comes from: what is not a `Response` must be fit to be sent to a worker. */
export type WorkerModuleSource = string | URL | Response | BufferSource | WebAssembly.Module

/** Starts the worker and makes the module ready in it. Calling it again does nothing. */
export function init(source?: WorkerModuleSource | Promise<WorkerModuleSource>): Promise<void>
export default init

/** Ends the worker; what it was doing is rejected. `init` starts another. */
export function terminate(): void

/** Bytes of WebAssembly memory in the worker. */
export function memoryBytes(): Promise<number>

/** Which weights each concept keeps, from the file alone. */
export function readSubnetworks(source: ModelSource, options?: LoadOptions): Promise<SubnetworkReport>

export interface CallOptions {
  /** Cancels the call: its promise is rejected with the signal's reason, and what waits is not computed. */
  signal?: AbortSignal
}

export class Model {
  private constructor()
  static load(source: ModelSource, options?: LoadOptions): Promise<Model>
  predict(text: string, options?: CallOptions): Promise<Prediction>
  predict(texts: readonly string[], options?: CallOptions): Promise<Prediction[]>
  predictTokens(ids: readonly number[] | Uint32Array, options?: CallOptions): Promise<Prediction>
  withPatches(patches: readonly (MaskPatch | string)[], options?: CallOptions): Promise<Model>
  readonly patches: MaskPatch[]
  readonly schema: Schema
  readonly masks: MaskStatistics
  readonly engine: string
  /** Gives the model's memory back, once its predictions are freed too. */
  free(): void
  [Symbol.dispose](): void
}

export class Prediction {
  private constructor()
  readonly label: LabelPrediction
  readonly concepts: readonly ConceptPrediction[]
  readonly tokens: readonly Token[]
  readonly droppedTokens: number
  /** Concepts × classes of the concept that has the most × positions, flat. */
  readonly tokenEvidence: Float32Array
  concept(name: string): ConceptPrediction
  suppose(overrides: Overrides, options?: CallOptions): Promise<Prediction>
  correct(overrides: Overrides, options?: CallOptions): Promise<Prediction>
  /** `suppose` by its older name. */
  intervene(overrides: Overrides, options?: CallOptions): Promise<Prediction>
  undo(concept?: string, options?: CallOptions): Promise<Prediction>
  explain(explain?: ExplainOptions, options?: CallOptions): Promise<Explanation>
  suggestInterventions(suggest?: SuggestOptions, options?: CallOptions): Promise<Suggestion[]>
  toJSON(): PredictionJson
  free(): void
  [Symbol.dispose](): void
}
