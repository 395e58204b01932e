// Shows a text with its labels; a person confirms or changes them with keys, and each is saved at once.

const at = (id) => document.getElementById(id)
let shown = null // the text on the page, as the server gave it
let current = 0 // the concept that keys go to
let last = Promise.resolve() // what was done last
const before = [] // texts that were on the page, for going back

async function call(path, body) {
  const headers = { 'Content-Type': 'application/json' }
  const options = body && { method: 'POST', headers, body: JSON.stringify(body) }
  let answer
  try {
    answer = await fetch(path, options)
  } catch {
    throw new Error('training/check does not answer: it was ended. What you said before is saved.')
  }
  const found = await answer.json()
  if (!answer.ok) throw new Error(found.error)
  if (found.progress) {
    const { texts, checked, random } = found.progress
    at('progress').textContent = `${checked} of ${texts} texts checked, ${random} of them drawn at random`
  }
  return found
}

function element(kind, text, name) {
  const made = document.createElement(kind)
  made.textContent = text
  if (name) made.className = name
  return made
}

function draw() {
  at('concepts').replaceChildren()
  if (!shown) {
    at('drawn').textContent = ''
    at('words').textContent = 'All texts are checked.'
    return
  }
  at('drawn').textContent = shown.drawn === 'random' ? 'Drawn at random' : 'The model was unsure here'
  at('words').textContent = shown.words
  shown.concepts.forEach((concept, index) => {
    const box = element('section', '', index === current ? 'concept current' : 'concept')
    box.append(element('h2', concept.name), ' ')
    if (concept.question) box.append(element('span', concept.question, 'question'))
    if (concept.checked) box.append(element('span', ' ✓ checked', 'done'))
    const classes = element('div', '', 'classes')
    concept.classes.forEach((each, number) => {
      const button = element('button', `${number < 9 ? number + 1 + ' ' : ''}${each.name} `)
      button.setAttribute('aria-pressed', each.name === concept.label)
      if (each.share !== null) button.append(element('span', `${Math.round(100 * each.share)} %`, 'share'))
      if (each.means) button.append(element('span', each.means, 'means'))
      button.addEventListener('click', () => act(() => choose(index, each.name)))
      classes.append(button)
    })
    box.append(classes)
    at('concepts').append(box)
  })
  document.querySelector('.current')?.scrollIntoView({ block: 'nearest' })
}

function show(found) {
  shown = found.next
  current = shown ? Math.max(0, shown.concepts.findIndex((concept) => !concept.checked)) : 0
  draw()
}

async function choose(index, name) {
  const concept = shown.concepts[index]
  if (name === null) throw new Error(`${concept.name} has no label yet: choose one with a number`)
  await call('say', { text: shown.text, concept: concept.name, class: name, drawn: shown.drawn })
  concept.label = name
  concept.checked = true
  await report()
  const left = shown.concepts.findIndex((each) => !each.checked)
  if (left < 0) await following()
  else current = index + 1 < shown.concepts.length && !shown.concepts[index + 1].checked ? index + 1 : left
  draw()
}

async function following() {
  before.push(shown.text)
  show(await call('next'))
}

async function report() {
  if (at('report').hidden) return
  const { lines } = await call('report')
  at('report').querySelector('ul').replaceChildren(...lines.map((line) => element('li', line)))
}

async function press(key) {
  if (key === 'r') {
    at('report').hidden = !at('report').hidden
    await report()
    return at('report').scrollIntoView({ block: 'nearest' })
  }
  if (key === 'ArrowLeft' && before.length) return show(await call(`text/${before.pop()}`))
  if (!shown) return undefined
  const { concepts } = shown
  if (key === 'ArrowUp' || key === 'ArrowDown') {
    current = (current + (key === 'ArrowUp' ? concepts.length - 1 : 1)) % concepts.length
    return draw()
  }
  if (key === 'ArrowRight') {
    if (concepts.some((each) => !each.checked)) await call('say', { text: shown.text, class: null, drawn: shown.drawn })
    return following()
  }
  if (key === 'Enter') return choose(current, concepts[current].label)
  if (key === 'a') {
    const here = shown
    for (const [index, concept] of concepts.entries()) {
      if (!concept.checked && shown === here) await choose(index, concept.label)
    }
    return undefined
  }
  const wanted = /^[1-9]$/.test(key) && concepts[current].classes[Number(key) - 1]
  return wanted ? choose(current, wanted.name) : undefined
}

/** One thing after another. A key that was pressed when another text was on the page counts for nothing. */
function act(what) {
  const pressedAt = shown
  last = last.then(async () => {
    if (shown !== pressedAt) return
    try {
      at('message').textContent = ''
      await what()
    } catch (error) {
      at('message').textContent = error.message
    }
  })
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (!/^([1-9ar]|Enter|Arrow(Up|Down|Left|Right))$/.test(event.key)) return
  if (event.key === 'Enter' && event.target instanceof HTMLButtonElement) return
  event.preventDefault()
  act(() => press(event.key))
})
act(async () => show(await call('next')))
