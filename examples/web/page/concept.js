// One concept as a control: where the model's belief stands between the classes, to be grabbed.

/** Distance that an arrow key moves a belief. */
const STEP = 0.05

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

/**
 * The row of `variable`, for the model's answer about it. `onChange(probabilities)` hears of a
 * correction, `onUndo()` of its end.
 */
export function conceptRow(variable, { onChange, onUndo }) {
  const stops = order(variable.classes)
  const last = stops.length - 1
  const percent = (position) => `${(100 * position) / last}%`

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
    button.style.left = percent(position)
    button.addEventListener('click', () => onChange(variable.classes.map((_, i) => Number(i === index))))
    return button
  })
  const state = element('span', { className: 'state' })
  const undo = element('button', { type: 'button', className: 'link undo', textContent: 'undo', hidden: true })
  undo.setAttribute('aria-label', `Undo the correction of ${variable.name}`)
  const bar = element('span')
  const share = element('div', { className: 'share' }, element('div', { className: 'axis' }, bar), element('span'))
  const row = element(
    'div',
    { className: 'concept' },
    element('div', {}, element('div', { className: 'name' }, element('h3', { textContent: variable.name }), undo), state),
    element(
      'div',
      { className: 'belief' },
      element('div', { className: 'track' }, ...marks, ghost, slider),
      element('div', { className: 'classes' }, ...buttons),
    ),
    share,
  )

  slider.addEventListener('input', () => {
    const position = Number(slider.value)
    // Between two classes the belief is shared by these two.
    const probabilities = variable.classes.map(() => 0)
    const below = Math.min(Math.floor(position), last - 1)
    probabilities[stops[below]] = 1 - (position - below)
    probabilities[stops[below + 1]] = position - below
    onChange(probabilities)
  })
  undo.addEventListener('click', () => {
    onUndo()
    slider.focus()
  })

  const mean = (probabilities) => stops.reduce((sum, index, position) => sum + position * probabilities[index], 0)

  /**
   * Shows what the model says of the concept: `own` before corrections, `now` after. While another
   * correction is `waiting`, the thumb stays where the finger or the keys have brought it.
   */
  function show(own, now, waiting) {
    const position = mean(now.probabilities)
    if (!waiting && Math.abs(Number(slider.value) - position) > STEP / 2) slider.value = position
    const told = stops.map((index) => `${variable.classes[index]} ${Math.round(100 * now.probabilities[index])} %`)
    slider.setAttribute('aria-valuetext', told.join(', ') + (now.overridden ? ', corrected' : ''))
    ghost.hidden = !now.overridden
    ghost.style.left = percent(mean(own.probabilities))
    marks.forEach((mark, position) => {
      const size = 0.35 + 1.35 * Math.sqrt(own.probabilities[stops[position]])
      mark.style.width = mark.style.height = `${size}rem`
    })
    buttons.forEach((button, position) => button.setAttribute('aria-pressed', String(stops[position] === now.classIndex)))
    const sure = `${Math.round(100 * own.probabilities[own.classIndex])} % ${own.class}`
    state.textContent = now.overridden ? `was ${sure}` : sure
    undo.hidden = !now.overridden
    row.classList.toggle('overridden', now.overridden)
  }

  /** Shows what the concept adds, `largest` filling the bar, and says what that means. */
  function showShare(value, largest, meaning) {
    const width = 50 * Math.min(1, Math.abs(value) / largest)
    bar.style.width = `${width}%`
    bar.style.left = value < 0 ? `${50 - width}%` : '50%'
    share.classList.toggle('down', value < 0)
    share.lastChild.textContent = `${meaning} ${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`
  }

  return { row, show, showShare }
}
