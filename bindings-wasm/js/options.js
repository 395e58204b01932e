import { SparseCbmError } from './error.js'

/** Refuses options that there are not: the module would pass them over. */
export function only(options, known, place) {
  const unknown = Object.keys(Object(options)).find((name) => !known.includes(name))
  if (unknown !== undefined) throw new SparseCbmError('input', place, `'${unknown}'`, `some of ${known.join(', ')}`)
}
