// What edits and integrated gradients cost in Node, with the package as `bindings-wasm/build --gradients` left it:
//   node bindings-wasm/bench-gradients.mjs MODEL.onnx MODEL.gradients.onnx REVIEWS.jsonl [COUNT]
//
// For each concept of COUNT reviews (4), evenly over the file, an edit is searched that gives the class that the model
// holds to be second. The first edit, which loads the graph that it needs, is told apart. Processor time too: of all
// threads, V8's compilers among them.
import { readFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'

import { Gradients, Model, init, memoryBytes } from './dist/gradients/entry-node.js'

const [file, gradientFile, reviews, count = '4'] = process.argv.slice(2)
if (!reviews) {
  console.error('usage: bench-gradients.mjs MODEL.onnx MODEL.gradients.onnx REVIEWS.jsonl [COUNT]')
  process.exit(2)
}

/** Seconds, wall and processor, that something takes, and what it gives. */
async function timed(run) {
  const [start, before] = [performance.now(), process.cpuUsage()]
  const result = await run()
  const { user, system } = process.cpuUsage(before)
  return { result, wall: (performance.now() - start) / 1e3, processor: (user + system) / 1e6 }
}
const sorted = (values) => values.toSorted((a, b) => a - b)
const middle = (values) => sorted(values)[values.length >> 1]
const most = (values) => sorted(values).at(-1)
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`)
const seconds = (value) => value.toFixed(2)
const mib = () => `${(memoryBytes() / 2 ** 20).toFixed(0)} MiB`

row('', 'wall, s', 'processor, s', 'memory of the module')
row('---', '---', '---', '---')
const step = async (name, run) => {
  const { result, wall, processor } = await timed(run)
  row(name, seconds(wall), seconds(processor), mib())
  return result
}
await step('compile the module', () => init())
const bytes = await readFile(file)
const model = await step('load the model', () => Model.loadSync(bytes))
const gradients = await step('load its gradients', () => Gradients.load(gradientFile, model))

const texts = (await readFile(reviews, 'utf8'))
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line)[model.schema.data_fields.text])
const chosen = Array.from({ length: Number(count) }, (_, i) => texts[Math.floor((i * texts.length) / Number(count))])
const edits = []
for (const text of chosen) {
  const prediction = model.predict(text)
  for (const { name, probabilities } of prediction.concepts) {
    const { classes } = model.schema.concepts.find((concept) => concept.name === name)
    const second = classes[probabilities.indexOf(sorted(probabilities).at(-2))]
    const search = () => gradients.edit(name, [{ prediction, class: second }])
    edits.push(edits.length ? await timed(search) : { result: await step('the first edit', search) })
  }
  prediction.free()
}
const later = edits.slice(1)
row(
  'an edit, median',
  seconds(middle(later.map(({ wall }) => wall))),
  seconds(middle(later.map(({ processor }) => processor))),
  mib(),
)
row(
  'an edit, longest',
  seconds(most(later.map(({ wall }) => wall))),
  seconds(most(later.map(({ processor }) => processor))),
  mib(),
)
const prediction = model.predict(chosen[0])
await step('integrated gradients in 20 steps', () => gradients.integratedGradients(prediction, { steps: 20 }))
const results = edits.map(({ result }) => result)
const turned = results.filter(({ outcome }) => outcome === 'turned').length
console.log(
  `\n${turned} of ${edits.length} edits turn the class; bits: median ${middle(results.map(({ flips }) => flips))}, ` +
    `runs of the model: median ${middle(results.map(({ runs }) => runs))}, ` +
      `most ${most(results.map(({ runs }) => runs))}`,
)
console.log(`Node ${process.version}, load average ${loadavg()[0].toFixed(1)} on ${availableParallelism()} cores`)
