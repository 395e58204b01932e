// The text as the model read it, each word marked by what it says about one concept.

const passage = document.querySelector('#words')
const key = document.querySelector('#key')

/** How much each word speaks for a class rather than for the others. */
function support(evidence, index) {
  return evidence[index].map((own, word) => {
    const rest = evidence.reduce((sum, row) => sum + row[word], 0) - own
    return own - rest / (evidence.length - 1)
  })
}

/** Marks the words of `text` by the evidence about one concept's class. */
export function showWords(text, words, { name, classes, evidence }, index) {
  const values = support(evidence, index)
  const largest = Math.max(...values.map(Math.abs), 1e-6)
  const parts = []
  let end = 0
  words.forEach((word, position) => {
    if (!word.utf16) return
    parts.push(text.slice(end, word.utf16.start))
    end = word.utf16.end
    const mark = document.createElement('mark')
    const strength = Math.abs(values[position]) / largest
    mark.textContent = text.slice(word.utf16.start, end)
    mark.title = `${values[position] < 0 ? 'against' : 'for'} ${name} ${classes[index]}: ${values[position].toFixed(2)}`
    mark.className = values[position] < 0 ? 'against' : 'for'
    mark.style.setProperty('--strength', strength < 0.08 ? '0' : strength.toFixed(2))
    parts.push(mark)
  })
  const unread = document.createElement('span')
  unread.className = 'unread'
  unread.textContent = text.slice(end)
  if (text.length > 0) parts.push(unread)
  passage.replaceChildren(...parts)
  key.textContent = `“${name} is ${classes[index]}”`
}
