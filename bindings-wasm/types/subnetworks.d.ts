/** What the masks of a file keep: see `readSubnetworks`. */

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
  readonly headDensity: readonly (readonly number[])[] | null
}

/** Which concepts use which neurons, or attention heads, of a matrix. */
export interface Units {
  readonly count: number
  /** For each concept, the units that serve it only. */
  readonly exclusive: readonly (readonly number[])[]
  /** The units that serve no concept. */
  readonly unused: readonly number[]
}
