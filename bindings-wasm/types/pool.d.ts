/**
 * Lists of texts over several workers. The WebAssembly module is compiled once and sent to all of them; it takes no
 * shared memory, so a page needs no special headers. Each worker holds the whole model.
 *
 * ```js
 * import { Pool } from 'sparsecbm/pool'
 *
 * const pool = await Pool.load('model.onnx', { workers: 2 })
 * const predictions = await pool.predict(['Good food.', 'Cold soup.'])
 * console.log(predictions.map(({ label }) => label.class))
 * pool.terminate()
 * ```
 */
import type { LoadOptions, MaskStatistics, ModelSource, ModuleSource, Schema } from '../index.js'
import type { CallOptions, Prediction } from './index.js'

export { SparseCbmError } from '../index.js'
export { Prediction } from './index.js'

export interface PoolOptions extends LoadOptions {
  /**
   * How many workers to start; as many as the machine has cores unless told (`navigator.hardwareConcurrency`). A list
   * of fewer texts uses fewer.
   */
  workers?: number
  /** Where the WebAssembly module comes from; without one, the file of the package. */
  module?: ModuleSource | Promise<ModuleSource>
}

export interface PoolCallOptions extends CallOptions {
  /** Called after each text. */
  onProgress?: (progress: { readonly done: number; readonly total: number }) => void
}

/** A model in several workers. */
export class Pool {
  private constructor()
  /**
   * Starts the workers and loads the model in each. The file is read once, and every worker gets its own copy, a
   * mebibyte at a time: in this thread there is never more of it than that.
   * @throws {SparseCbmError} `io`, `format`, `version` or `model`; `input` where `workers` is no number of workers;
   * `unavailable` where the backbone is one that this package cannot run, or a worker does not start
   */
  static load(source: ModelSource, options?: PoolOptions): Promise<Pool>

  /**
   * Predicts several texts, a text at a time in each worker, the longest first; the results stand in the order of the
   * texts, and are those of one model bit for bit. A prediction lives in the worker that made it, until it is freed.
   * Where one text fails or `signal` aborts, the others are given up and their results freed.
   * @throws {SparseCbmError} `input` where a text is no string: the place says which; `unavailable` after `terminate`,
   * or where a worker has died
   */
  predict(texts: readonly string[], options?: PoolCallOptions): Promise<Prediction[]>
  /** Predicts a text, in the worker that has the least to do. */
  predict(text: string, options?: PoolCallOptions): Promise<Prediction>

  /** How many workers there are. */
  readonly workers: number
  /** What concepts and label mean: the file's `sparsecbm.schema`. */
  readonly schema: Schema
  /** How dense the masks are and how much they share: the file's `sparsecbm.masks`. */
  readonly masks: MaskStatistics
  /** The engine in use, for people. */
  readonly engine: string
  /** Bytes of WebAssembly memory in all workers together. */
  memoryBytes(): Promise<number>

  /** Ends the workers: their memory is given back, what they were doing is rejected with `unavailable`. */
  terminate(): void
  [Symbol.dispose](): void
}
