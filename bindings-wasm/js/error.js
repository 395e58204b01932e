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

/** Of these concepts the one with this name; else the error says which there are. */
export function named(concepts, name) {
  const found = concepts.find((concept) => concept.name === name)
  if (found) return found
  const names = concepts.map((concept) => `'${concept.name}'`).join(', ')
  throw new SparseCbmError('input', 'concept', `'${name}'`, `one of ${names}`)
}
