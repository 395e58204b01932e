// One concept as a control: where the model's belief stands between the classes, to be grabbed; and why there.
import { emphasise, showReason } from './words.js'

/** Distance that an arrow key moves a belief. */
const STEP = 0.05
/** More classes than these have no room for their names under the track: the names stand in lines. */
const NAMES_ON_TRACK = 6
/** What the person's word about a concept is called, by the question that it answers. */
const ANSWERS = { suppose: 'supposed', correct: 'corrected' }

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/**
 * The order in which classes stand on the track: as the model has them, but with "unknown" in the
 * middle of three.
 */
function order(classes) {
  const indices = classes.map((_, index) => index)
  const unknown = classes.indexOf('unknown')
  if (classes.length !== 3 || unknown < 0) return indices
  const [first, last] = indices.filter((index) => index !== unknown)
  return [first, unknown, last]
}

/** A bar for what something adds to the rating. */
function shareBar() {
  const bar = element('span')
  const share = element('div', { className: 'share' }, element('div', { className: 'axis' }, bar), element('span'))

  /** Shows what is added, `largest` filling the bar, and says what that means. */
  function showShare({ value, meaning }, largest) {
    const width = 50 * Math.min(1, Math.abs(value) / largest)
    bar.style.width = `${width}%`
    bar.style.left = value < 0 ? `${50 - width}%` : '50%'
    share.classList.toggle('down', value < 0)
    share.lastChild.textContent = `${meaning} ${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`
  }

  return { share, showShare }
}

/** The row `row` of what the text says beside the concepts that were moved. */
export function restRow(row) {
  const { share, showShare } = shareBar()
  row.append(share)
  return { row, showShare }
}

/**
 * The row of `variable`, for the model's answer about it. `onChange(probabilities, question)` hears what a person
 * says of the concept: `suppose` or, where the model has `twoAnswers` and misread the text, `correct`. `onUndo()`
 * hears of its end.
 */
export function conceptRow(variable, twoAnswers, { onChange, onUndo }) {
  const stops = order(variable.classes)
  const last = stops.length - 1
  const percent = (position) => `${(100 * position) / last}%`

  const onTrack = stops.length <= NAMES_ON_TRACK

  const slider = element('input', { type: 'range', min: 0, max: last, step: STEP })
  slider.setAttribute('aria-label', `Belief about ${variable.name}`)
  const ghost = element('span', { className: 'ghost', hidden: true })
  const marks = stops.map((_, position) => {
    const mark = element('span', { className: 'stop' })
    mark.style.left = percent(position)
    return mark
  })
  const buttons = stops.map((index, position) => {
    const button = element('button', { type: 'button', textContent: variable.classes[index] })
    button.setAttribute('aria-label', `${variable.name} is ${variable.classes[index]}`)
    if (onTrack) button.style.left = percent(position)
    button.addEventListener('click', () => tell(variable.classes.map((_, i) => Number(i === index))))
    return button
  })
  const state = element('span', { className: 'state' })
  const undo = element('button', { type: 'button', className: 'link undo', textContent: 'undo', hidden: true })
  undo.setAttribute('aria-label', `undo ${variable.name}`)
  const misread = element('input', { type: 'checkbox' })
  misread.setAttribute('aria-label', `it misread this: ${variable.name}`)
  const { share, showShare } = shareBar()
  const names = element('div', { className: onTrack ? 'classes' : 'classes many' }, ...buttons)
  names.style.setProperty('--steps', last)
  const reasons = element('ul', { className: 'reasons' })
  reasons.setAttribute('aria-label', `Words that make ${variable.name} what it is`)
  const row = element(
    'div',
    { className: 'concept' },
    element(
      'div',
      {},
      element('div', { className: 'name' }, element('h3', { textContent: variable.name }), undo),
      state,
      element('label', { className: 'misread', hidden: !twoAnswers }, misread, 'it misread this'),
    ),
    element(
      'div',
      { className: 'belief' },
      element('div', { className: 'track' }, ...marks, ghost, slider),
      names,
    ),
    share,
    reasons,
  )
  row.addEventListener('pointerenter', () => emphasise(variable.name))
  row.addEventListener('pointerleave', () => emphasise())
  row.addEventListener('focusin', () => emphasise(variable.name))
  row.addEventListener('focusout', () => emphasise())

  /** What the person says of the concept, if anything: one probability a class. */
  let told
  /** The model's own answer that is shown. */
  let shown

  function tell(probabilities) {
    told = probabilities
    onChange(told, misread.checked ? 'correct' : 'suppose')
  }

  slider.addEventListener('input', () => {
    const position = Number(slider.value)
    // Between two classes the belief is shared by these two.
    const probabilities = variable.classes.map(() => 0)
    const below = Math.min(Math.floor(position), last - 1)
    probabilities[stops[below]] = 1 - (position - below)
    probabilities[stops[below + 1]] = position - below
    tell(probabilities)
  })
  misread.addEventListener('change', () => {
    if (told) tell(told)
    else if (shown) showState()
  })
  undo.addEventListener('click', () => {
    onUndo()
    slider.focus()
  })

  const mean = (probabilities) => stops.reduce((sum, index, position) => sum + position * probabilities[index], 0)

  /** Says what the model believed, and which question the belief answers now. */
  function showState() {
    const { own, now } = shown
    const sure = `${Math.round(100 * own.probabilities[own.classIndex])} % ${own.class}`
    if (now.overridden) state.textContent = `${ANSWERS[now.question]}, was ${sure}`
    else state.textContent = misread.checked ? 'put it where it belongs' : sure
  }

  /**
   * Shows what the model says of the concept: `own` before anything was supposed or corrected, `now` after. While
   * another change is `waiting`, the thumb stays where the finger or the keys have brought it.
   */
  function show(own, now, waiting) {
    if (!waiting) {
      const position = mean(now.probabilities)
      if (Math.abs(Number(slider.value) - position) > STEP / 2) slider.value = position
      if (now.overridden) misread.checked = now.question === 'correct'
      // Undone, or another text.
      else if (told || shown?.own !== own) misread.checked = false
      if (!now.overridden) told = undefined
    }
    shown = { own, now }
    const spread = stops.map((index) => `${variable.classes[index]} ${Math.round(100 * now.probabilities[index])} %`)
    if (now.overridden) spread.push(ANSWERS[now.question])
    slider.setAttribute('aria-valuetext', spread.join(', '))
    ghost.hidden = !now.overridden
    ghost.style.left = percent(mean(own.probabilities))
    marks.forEach((mark, position) => {
      const size = 0.35 + 1.35 * Math.sqrt(own.probabilities[stops[position]])
      mark.style.width = mark.style.height = `${size}rem`
    })
    buttons.forEach((button, position) =>
      button.setAttribute('aria-pressed', String(stops[position] === now.classIndex)),
    )
    showState()
    undo.hidden = !now.overridden
    row.classList.toggle('overridden', now.overridden)
    row.classList.toggle('corrected', now.question === 'correct')
  }

  /** Says which words are why; undefined while they are looked for. */
  const showWhy = (reason, labelName) => showReason(reasons, reason, shown.now.question, labelName)

  return { row, show, showShare, showWhy }
}
