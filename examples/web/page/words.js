// The words that matter: few of them, marked in the text and told beside each concept.

const passage = document.querySelector('#words')

const element = (tag, className, ...children) => {
  const made = document.createElement(tag)
  made.className = className
  made.append(...children)
  return made
}

/** The text from its start to `end`; `marks` begin and end at places of it. */
function pieces(text, marks) {
  const ends = new Set([0, text.length, ...marks.flatMap(({ start, end }) => [start, end])])
  const bounds = [...ends].sort((a, b) => a - b)
  return bounds.slice(1).map((end, index) => {
    const start = bounds[index]
    return { text: text.slice(start, end), over: marks.filter((mark) => mark.start <= start && end <= mark.end), end }
  })
}

/**
 * Shows `text` with the phrases of `reasons` marked, each with its concept; undefined where they are still looked for.
 * What stands from `unread` on did not fit into the model.
 */
export function showWords(text, reasons, unread) {
  const marks = (reasons ?? []).flatMap(({ concept, phrases }) =>
    phrases.filter(({ utf16 }) => utf16).map(({ utf16, support }) => ({ ...utf16, concept, against: support < 0 })),
  )
  passage.setAttribute('aria-busy', String(!reasons))
  passage.replaceChildren(
    ...pieces(text.slice(0, unread), marks).flatMap(({ text, over, end }) => {
      if (over.length === 0) return [text]
      const kinds = [...new Set(over.map(({ against }) => (against ? 'against' : 'for')))].join(' ')
      const mark = element('mark', kinds, text)
      mark.dataset.concepts = JSON.stringify(over.map(({ concept }) => concept))
      const ending = over.filter((one) => one.end === end)
      const names = ending.map(({ concept, against }) => (against ? `against ${concept}` : concept))
      return names.length > 0 ? [mark, element('small', 'of', names.join(', '))] : [mark]
    }),
    ...(unread < text.length ? [element('span', 'unread', text.slice(unread))] : []),
  )
}

/** Lets the words of `concept` stand out among those of the others; undefined: all alike. */
export function emphasise(concept) {
  for (const mark of passage.querySelectorAll('mark')) {
    mark.classList.toggle('other', concept !== undefined && !JSON.parse(mark.dataset.concepts).includes(concept))
  }
}

const signed = (value, digits) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`

/** What a phrase does, in the words of the reports: the label as it is only where nobody moved the concept. */
function effects({ concept, class: name }, { support, probability, label }, question, labelName) {
  const does = question
    ? support < 0 ? 'spoke against' : 'was read as'
    : support < 0 ? 'speaks against' : 'makes'
  const told = `${does} ${concept} ${name} (${signed(probability, 2)})`
  if (question || !label) return told
  if (label.expectedValue !== null) return `${told}, ${labelName} ${signed(label.expectedValue, 2)}`
  return `${told}, ${labelName} ${label.class} ${signed(label.probability, 2)}`
}

/** Fills `list` with the phrases of one concept, of which `question` was asked, if any. */
export function showReason(list, reason, question, labelName) {
  const note = (text) => [element('li', 'note', text)]
  list.replaceChildren(
    ...(question === 'suppose'
      ? note('You said so: no words are its reason.')
      : !reason
        ? note('…')
        : reason.phrases.length === 0
          ? note('No words stand out.')
          : reason.phrases.map((phrase) => {
              const kind = phrase.support < 0 ? 'against' : 'for'
              const text = phrase.text.replace(/\s+/g, ' ')
              return element('li', '', element('mark', kind, text), ` ${effects(reason, phrase, question, labelName)}`)
            })),
  )
}
