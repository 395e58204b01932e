// The label: one number or class, and how the model's belief is spread.

const verdict = document.querySelector('#verdict')
const was = document.querySelector('#was')
const distribution = document.querySelector('#distribution')

/** A label as a few characters: the mean where classes are numbers, else the class. */
function summary({ expectedValue, class: name }) {
  return expectedValue === null ? name : expectedValue.toFixed(1)
}

/** Shows the label after corrections, beside the one `before` them. */
export function showRating(before, label, classes, corrected) {
  const unit = label.expectedValue === null ? label.name : `of ${classes.length} ${/review|rating/.test(label.name) ? 'stars' : label.name}`
  const small = document.createElement('small')
  small.textContent = unit
  verdict.replaceChildren(summary(label), small)
  was.hidden = !corrected
  was.textContent = `was ${summary(before)}`
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
 * numbers, by how much the share grows from one class to the next (the slope of its least-squares line),
 * else the share of the most probable class. Both are linear, so the concepts' values add up.
 */
export function shares(contributions, label, classes) {
  const values = classes.map(Number)
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
