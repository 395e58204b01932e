import { Model, SparseCbmError, init, memoryBytes } from './package/worker/browser.js'

import { conceptRow, restRow } from './concept.js'
import { EXAMPLES } from './examples.js'
import { offline } from './offline.js'
import { shares, showRating } from './rating.js'
import { showWords } from './words.js'

const $ = (selector) => document.querySelector(selector)
const text = $('#text')
const status = $('#status')
const progress = $('#progress')

let model
/** The prediction of the text, and the same with what was supposed and corrected. */
let own, now
let rows = []
const rest = restRow($('#rest'))
/** The words that matter, and the text that they are of. */
let reasons, read
/** When the text or a belief changed. */
let changedAt
const times = {}

// --- loading ---------------------------------------------------------------------------------------

async function open(source, what) {
  status.hidden = progress.hidden = false
  status.className = 'status'
  status.textContent = `Loading ${what}…`
  progress.removeAttribute('value')
  const start = performance.now()
  let size = 0
  try {
    await init()
    const onProgress = ({ loaded, total }) => {
      size = loaded
      if (total) progress.value = loaded / total
    }
    const loaded = await Model.load(source, { onProgress })
    ;[own, now, model].forEach((one) => one?.free())
    own = now = undefined
    model = loaded
  } catch (error) {
    return fail(error)
  } finally {
    progress.hidden = true
  }
  times.load = `${what}, ${(size / 1e6).toFixed(1)} MB, ready in ${seconds(performance.now() - start)}`
  status.hidden = true
  build(model.schema)
  await predict()
}

function fail(error) {
  status.hidden = false
  status.className = 'status failed'
  status.textContent = error instanceof SparseCbmError ? error.message : String(error)
}

/** Rows for the concepts of a model. */
function build(schema) {
  const twoAnswers = schema.intervention === 'suppose-correct'
  $('#two-answers').hidden = !twoAnswers
  rows = schema.concepts.map((variable) =>
    conceptRow(variable, twoAnswers, {
      onChange: (probabilities, question) => ask((prediction) => prediction[question]({ [variable.name]: probabilities })),
      onUndo: () => ask((prediction) => prediction.undo(variable.name)),
    }),
  )
  $('#concepts').replaceChildren(...rows.map(({ row }) => row))
}

// --- predicting, supposing and correcting ----------------------------------------------------------

let typing

async function predict() {
  if (!model) return
  typing?.abort()
  typing = new AbortController()
  const { signal } = typing
  const start = (changedAt = performance.now())
  const asked = text.value
  try {
    const prediction = await model.predict(asked, { signal })
    times.predict = `${prediction.tokens.length} tokens read in ${milliseconds(performance.now() - start)}`
    delete times.answer
    delete times.words
    const explanation = await prediction.explain({}, { signal })
    finding?.abort()
    if (now !== own) now?.free()
    own?.free()
    own = now = prediction
    ;[reasons, read] = [undefined, asked]
    show(explanation)
    status.hidden = true
    findWords(FIRST, ALL)
  } catch (error) {
    if (error.name !== 'AbortError') fail(error)
  }
}

let wanted
let asking = false

/** Asks what follows from a change; while one is asked, only the latest of the others waits. */
async function ask(change) {
  wanted = change
  if (asking) return
  asking = true
  try {
    while (wanted) {
      const [from, next] = [now, wanted]
      wanted = undefined
      const start = (changedAt = performance.now())
      const changed = await next(from)
      times.answer = `answered in ${milliseconds(performance.now() - start)}`
      const explanation = await changed.explain({})
      if (now !== from) {
        // The text changed meanwhile.
        changed.free()
        continue
      }
      finding?.abort()
      if (from !== own) from.free()
      now = changed
      show(explanation)
    }
    findWords(ALL)
  } catch (error) {
    fail(error)
  } finally {
    asking = false
  }
}

/** How long words are looked for before the first are shown, in milliseconds. */
const FIRST = 30
const ALL = undefined

let finding

/** Looks for the words that matter, once for each of the time limits; ends where the text or a belief changes. */
async function findWords(...timeLimits) {
  finding?.abort()
  finding = new AbortController()
  const { signal } = finding
  const found = []
  try {
    for (const timeLimit of timeLimits) {
      const explanation = await now.explain({ occlusion: { timeLimit } }, { signal })
      if (signal.aborted) return
      reasons = explanation.reasons
      showReasons()
      found.push(milliseconds(performance.now() - changedAt))
      times.words = `words found in ${found.join(', all in ')}`
      tell()
    }
  } catch (error) {
    if (error.name !== 'AbortError') fail(error)
  }
}

// --- showing ---------------------------------------------------------------------------------------

function show({ contributions }) {
  const { label } = model.schema
  const overridden = now.concepts.some((concept) => concept.overridden)
  showRating(own.label, now.label, label, overridden)
  const added = shares([...contributions.concepts, { labelLogits: contributions.rest }], now.label, label)
  const largest = Math.max(0.5, ...added.map(({ value }) => Math.abs(value)))
  rows.forEach((row, k) => {
    row.show(own.concepts[k], now.concepts[k], Boolean(wanted))
    row.showShare(added[k], largest)
  })
  rest.showShare(added.at(-1), largest)
  rest.row.hidden = contributions.rest.every((value) => value === 0)
  $('#undo').hidden = !overridden
  $('#result').hidden = false
  showReasons()
  tell()
}

function showReasons() {
  const { label } = model.schema
  rows.forEach((row, k) => row.showWhy(reasons?.[k], label.name))
  // What a person supposes has no words.
  const shown = reasons?.filter((_, k) => now.concepts[k].question !== 'suppose')
  const unread = own.droppedTokens > 0 ? Math.max(...own.tokens.map(({ end }) => end ?? 0)) : read.length
  showWords(read, shown, unread)
}

async function tell() {
  const memory = `${Math.round((await memoryBytes()) / 2 ** 20)} MiB`
  const { load, predict, words, answer } = times
  $('#timings').textContent = [predict, words, answer, load, memory].filter(Boolean).join(' · ')
}

const milliseconds = (time) => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`
const seconds = (time) => `${(time / 1000).toFixed(1)} s`

// --- the rest of the page --------------------------------------------------------------------------

let pause
text.addEventListener('input', () => {
  clearTimeout(pause)
  pause = setTimeout(predict, 150)
})
$('#undo').addEventListener('click', () => ask((prediction) => prediction.undo()))
$('#examples').append(
  ...EXAMPLES.map(([name, review]) => {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: name })
    button.addEventListener('click', () => {
      text.value = review
      predict()
    })
    return button
  }),
)
$('#choose').addEventListener('click', () => $('#file').click())
$('#file').addEventListener('change', ({ target }) => target.files[0] && open(target.files[0], target.files[0].name))
addEventListener('dragover', (event) => {
  event.preventDefault()
  document.body.classList.add('dropping')
})
addEventListener('dragleave', () => document.body.classList.remove('dropping'))
addEventListener('drop', (event) => {
  event.preventDefault()
  document.body.classList.remove('dropping')
  const [file] = event.dataTransfer.files
  if (file) open(file, file.name)
})

text.value = EXAMPLES[0][1]
await offline()
await open(new URL('model.onnx', location.href), 'the model')
