/** Why a model says what it says, and which concept to ask about. */

import type { Question } from './index.js'

/** By what concepts are ranked for asking a person about. */
export type Policy = 'uncertainty' | 'contribution' | 'expected-change' | 'combined'

export interface SuggestOptions {
  /** `combined` unless told. */
  policy?: Policy
  /** What asking about a concept costs; 1 where not named. */
  costs?: Readonly<Record<string, number>>
}

export interface ExplainOptions extends SuggestOptions {
  /**
   * Masks out words, `windows` of them at a time, each number at every place of the text: a run of the model a place.
   * By default [9, 5, 1]. `maxWords`: only the words with the most evidence. `timeLimit`: milliseconds after which it
   * keeps what it found; windows that lie side by side come first, so that every word soon has a value.
   */
  occlusion?: { maxWords?: number; windows?: number[]; timeLimit?: number }
  /** Puts the orders of words to the test: many runs of the model. */
  faithfulness?: boolean
  /** Hears how many runs of the model are done, of words masked out and then of phrases; `false` ends them. */
  onProgress?: (progress: { readonly done: number; readonly total: number }) => boolean | void
}

/**
 * Why a model says what it says; docs/guide/explain.md tells what the numbers mean. The command line and the server
 * give the same as JSON, whose names are in snake_case.
 */
export interface Explanation {
  readonly text: string | null
  readonly contributions: Contributions
  readonly whatIf: readonly WhatIf[]
  /** The smallest set of concept changes that gives another label; null where none does. */
  readonly counterfactual: Counterfactual | null
  readonly suggestions: readonly Suggestion[]
  /** For each concept the few phrases that matter: what to show first. */
  readonly reasons: readonly Reason[]
  readonly evidence: WordEvidence
  /** What the model loses with each word; null where not asked for. */
  readonly occlusion: Occlusion | null
  /** Always null here: `sparsecbm/gradients` integrates them by themselves. */
  readonly integrated: null
  /** Empty where not asked for. */
  readonly faithfulness: readonly Faithfulness[]
}

/** `baseline` plus the `labelLogits` of all concepts plus `rest` are the label's logits. */
export interface Contributions {
  readonly label: string
  readonly labelClasses: readonly string[]
  readonly labelLogits: readonly number[]
  /** The label logits where every concept has its mean logits. */
  readonly baseline: readonly number[]
  readonly concepts: readonly {
    readonly name: string
    readonly class: string
    /**
     * What the concept adds to each label logit; where it is overridden and the model has two answers: what is asserted
     * is worth.
     */
    readonly labelLogits: readonly number[]
    /** What its override changed in the label logits. */
    readonly overrideShare: readonly number[] | null
  }[]
  /** What else the text says, where concepts are overridden in a model of two answers; else 0. */
  readonly rest: readonly number[]
}

export interface WhatIf {
  readonly concept: string
  readonly classIndex: number
  readonly outcomes: readonly {
    readonly class: string
    readonly label: string
    readonly labelIndex: number
    readonly labelLogits: readonly number[]
    readonly labelProbabilities: readonly number[]
    readonly expectedValue: number | null
  }[]
}

export interface Counterfactual {
  readonly changes: readonly {
    readonly concept: string
    readonly from: string
    readonly to: string
    readonly toIndex: number
  }[]
  readonly label: string
  readonly labelIndex: number
  readonly labelProbabilities: readonly number[]
  readonly expectedValue: number | null
}

export interface Suggestion {
  readonly concept: string
  readonly score: number
  readonly uncertainty: number
  readonly contribution: number
  readonly expectedChange: number
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

/** Why the model reads a concept as it does. */
export interface Reason {
  readonly concept: string
  /** What the model itself reads in the text, whatever the overrides. */
  readonly class: string
  readonly classIndex: number
  /** What its override asks, if it has one: a supposed concept has no phrases, a corrected one those that were read. */
  readonly question: Question | null
  /** Phrases for the class, then phrases against it; none where nothing stands out. */
  readonly phrases: readonly Phrase[]
}

/** Words that stand together, and what they do. */
export interface Phrase {
  readonly text: string
  /** Indices of its words among those of the evidence. */
  readonly words: Range
  readonly utf8: Range | null
  /** As `String.prototype.slice` counts. */
  readonly utf16: Range | null
  /** What the class's logit loses without it, less what the others' do; below 0: it speaks against the class. */
  readonly support: number
  /** What it adds to the class's probability. */
  readonly probability: number
  /** What it changes of the label through this concept alone; null for a corrected concept. */
  readonly label: {
    /** The predicted class. */
    readonly class: string
    /** What the phrase adds to its probability. */
    readonly probability: number
    /** What the phrase adds to the mean, where the label's classes are numbers. */
    readonly expectedValue: number | null
  } | null
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
    /** For each class, what its logit loses with each word, on average over the windows that hold it. */
    readonly logits: readonly (readonly number[])[]
  }[]
  readonly labelLogits: readonly (readonly number[])[]
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
  readonly deletionArea: number
  readonly insertionArea: number
}
