// The label: one number or class, and how the model's belief is spread.

const verdict = document.querySelector('#verdict')
const was = document.querySelector('#was')
const distribution = document.querySelector('#distribution')

/** A label as a few characters: the mean where the classes are worth something, else the class. */
function summary({ expectedValue, class: name }) {
  return expectedValue === null ? name : expectedValue.toFixed(1).replace('-', '−')
}

/** What stands behind the number. */
function unitOf({ name, expectedValue }, { classes, values }) {
  if (expectedValue === null) return name
  if (values) return `${name}, ${Math.min(...values)} to ${Math.max(...values)}`.replaceAll('-', '−')
  return `of ${classes.length} ${/review|rating/.test(name) ? 'stars' : name}`
}

/** Shows the label of `variable` after what was supposed and corrected, beside the one `before` that. */
export function showRating(before, label, variable, overridden) {
  const unit = unitOf(label, variable)
  const { classes } = variable
  const small = document.createElement('small')
  small.textContent = unit
  verdict.replaceChildren(summary(label), small)
  was.hidden = !overridden
  was.textContent = `was ${summary(before)}`
  distribution.classList.toggle('many', classes.length > 5)
  distribution.replaceChildren(
    ...classes.map((name, index) => {
      const item = document.createElement('li')
      const share = document.createElement('span')
      const bar = document.createElement('span')
      const caption = document.createElement('span')
      const probability = label.probabilities[index]
      share.textContent = `${Math.round(100 * probability)} %`
      bar.className = 'bar'
      // The captions take the rest of the height.
      bar.style.height = `${60 * probability}%`
      caption.className = 'name'
      caption.textContent = name
      item.className = index === label.classIndex ? 'top' : ''
      item.append(share, bar, caption)
      return item
    }),
  )
}

/**
 * What each concept adds to the rating, from its exact shares of the label logits: where the classes are
 * worth something, by how much the share grows from one class to the next (the slope of its least-squares line),
 * else the share of the most probable class. Both are linear, so the concepts' values add up.
 */
export function shares(contributions, label, variable) {
  const values = variable.values ?? variable.classes.map(Number)
  if (label.expectedValue === null) {
    return contributions.map(({ labelLogits }) => ({ value: labelLogits[label.classIndex], meaning: label.class }))
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const spread = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return contributions.map(({ labelLogits }) => {
    const value = values.reduce((sum, value, l) => sum + (value - mean) * labelLogits[l], 0) / spread
    return { value, meaning: value < 0 ? 'lowers it' : 'raises it' }
  })
}
