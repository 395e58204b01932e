/** Every failure: `code` is the kind, the message is the same as in Rust. */
export class SparseCbmError extends Error {
  constructor(code, place, found, expected, options) {
    super(`${place}: found ${found}, expected ${expected}`, options)
    this.name = 'SparseCbmError'
    this.code = code
    this.place = place
    this.found = found
    this.expected = expected
  }

  /** As plain data, which can cross to another thread. */
  toJSON() {
    const { code, place, found, expected } = this
    return { code, place, found, expected }
  }

  static from({ code, place, found, expected }, options) {
    return new SparseCbmError(code, place, found, expected, options)
  }
}

/** Runs something of the WebAssembly module; what it throws becomes a SparseCbmError. */
export function guarded(run) {
  try {
    return run()
  } catch (error) {
    if (error instanceof SparseCbmError) throw error
    if (typeof error?.code === 'string' && typeof error.place === 'string') throw SparseCbmError.from(error)
    // A trap: the module ran out of memory, or a defect of ours.
    throw new SparseCbmError('engine', 'WebAssembly', String(error), 'no failure', { cause: error })
  }
}
