// Many predictions and overrides, each compared bit for bit with the first, and the memory that they take:
//   node bindings-wasm/tests/soak.mjs MODEL.onnx PREDICTIONS INTERVENTIONS
// Runs the package as bindings-wasm/build left it. Ends with an error where WebAssembly's memory, or the process's
// own after a tenth of the work, grows.
import { readFile } from 'node:fs/promises'

import { Model, init, memoryBytes } from '../dist/node.js'

const TEXTS = ['The movie was very good', 'bad plot, unwatched acting!', '', 'was not good; and the plot?']
/** How much more than after a tenth of the work the process may hold at its end: V8 returns memory when it likes. */
const GROWTH_MIB = 16

const [file, predictions, interventions] = process.argv.slice(2).map((text, i) => (i ? Number(text) : text))
if (!(predictions >= 10 * TEXTS.length && interventions >= predictions)) {
  console.error(
    'usage: soak.mjs MODEL.onnx PREDICTIONS INTERVENTIONS, 40 predictions or more, and no fewer interventions',
  )
  process.exit(2)
}
await init()
const model = Model.loadSync(await readFile(file))
const { concepts } = model.schema
const known = TEXTS.map(() => [])

/** Keeps the logits of a text, or compares them with those kept. */
function same(which, place, { logits }) {
  known[which][place] ??= [...logits]
  if (!known[which][place].every((value, i) => Object.is(value, logits[i])))
    throw new Error(`'${TEXTS[which]}': another answer`)
}

const started = performance.now()
const each = Math.floor(interventions / predictions)
let early
for (let turn = 0; turn < predictions; turn++) {
  const which = turn % TEXTS.length
  let now = model.predict(TEXTS[which])
  same(which, 0, now.label)
  for (let i = 0; i < each; i++) {
    const { name, classes } = concepts[i % concepts.length]
    const next = now[i % 2 ? 'correct' : 'suppose']({ [name]: classes[i % classes.length] })
    now.free()
    now = next
  }
  same(which, 1, now.label)
  now.free()
  if ((turn + 1) % Math.floor(predictions / 10) === 0) {
    globalThis.gc?.()
    const memory = { wasm: memoryBytes(), resident: process.memoryUsage.rss() }
    early ??= memory
    const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
    console.log(
      `${turn + 1} predictions, ${(turn + 1) * each} interventions: ` +
        `WebAssembly ${mib(memory.wasm)}, process ${mib(memory.resident)}`,
    )
    if (memory.wasm > early.wasm || memory.resident > early.resident + GROWTH_MIB * 2 ** 20)
      throw new Error('memory grows')
  }
}
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`)
