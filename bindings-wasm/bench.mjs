// This package beside onnxruntime-web (WebAssembly, one thread) on the same exported file and the same
// tokens:  node bindings-wasm/bench.mjs MODEL.onnx [--json]
//
// Start: each in fresh processes, interleaved. Predictions: interleaved in one process after warming up
// both, since V8 takes seconds to bring WebAssembly to full speed. Medians.
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'

const LENGTHS = [16, 32, 128]
const WARM_UP_MS = 3000
const ROUNDS = 15
const STARTS = 3

const [file, option] = process.argv.slice(2)
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
const timed = async (run) => {
  const start = performance.now()
  await run()
  return performance.now() - start
}

async function ours() {
  const { Model, init, memoryBytes } = await import('./dist/node.js')
  await init()
  const model = Model.loadSync(await readFile(file))
  return {
    run(ids) {
      const prediction = model.predictTokens(ids)
      const { logits } = prediction.label
      prediction.free()
      return logits
    },
    memoryBytes,
    concepts: model.schema.concepts.map(({ classes }) => classes.length),
  }
}

async function theirs() {
  const { env, InferenceSession, Tensor } = await import('onnxruntime-web')
  env.wasm.numThreads = 1
  const session = await InferenceSession.create(await readFile(file), { executionProviders: ['wasm'] })
  return {
    async run(ids, concepts) {
      const row = (values) => new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length])
      const [k, c] = [concepts.length, concepts[0]]
      const outputs = await session.run({
        input_ids: row(ids),
        attention_mask: row(ids.map(() => 1)),
        concept_override: new Tensor('float32', new Float32Array(k * c), [1, k, c]),
        concept_override_mask: new Tensor('float32', new Float32Array(k), [1, k]),
      })
      return [...outputs.label_logits.data]
    },
  }
}

/** Token ids of a made-up text, always the same. */
function text(length) {
  return Array.from({ length }, (_, i) => 200 + ((i * 7919) % 700))
}

if (option === 'start-ours' || option === 'start-theirs') {
  const concepts = process.argv[4].split(',').map(Number)
  let host
  const before = process.cpuUsage()
  const load = await timed(async () => (host = await (option === 'start-ours' ? ours() : theirs())))
  const first = await timed(() => host.run(text(32), concepts))
  const { user, system } = process.cpuUsage(before)
  console.log(JSON.stringify({ load, first, both: load + first, processor: (user + system) / 1000 }))
  process.exit()
}

const we = await ours()
const they = await theirs()
const { concepts } = we
const rows = []
for (const length of LENGTHS) {
  const ids = text(length)
  const [own, other] = [we.run(ids), await they.run(ids, concepts)]
  const difference = Math.max(...own.map((logit, l) => Math.abs(logit - other[l])))
  if (!(difference < 0.05)) throw new Error(`${length} tokens: label logits differ by ${difference}`)
  const end = performance.now() + WARM_UP_MS
  while (performance.now() < end) {
    we.run(ids)
    await they.run(ids, concepts)
  }
  const times = { ours: [], theirs: [] }
  for (let round = 0; round < ROUNDS; round++) {
    times.ours.push(await timed(() => we.run(ids)))
    times.theirs.push(await timed(() => they.run(ids, concepts)))
  }
  const [a, b] = [median(times.ours), median(times.theirs)]
  rows.push({ tokens: length, ours_ms: a, onnxruntime_web_ms: b, times_faster: b / a, difference })
}

const starts = { ours: [], theirs: [] }
for (let round = 0; round < STARTS; round++) {
  for (const who of ['ours', 'theirs']) {
    const output = execFileSync(process.execPath, [
      fileURLToPath(import.meta.url),
      file,
      `start-${who}`,
      concepts.join(),
    ])
    starts[who].push(JSON.parse(output.toString().trim().split('\n').at(-1)))
  }
}
const start = (who, what) => median(starts[who].map((one) => one[what]))
const result = {
  predictions: rows,
  load_ms: { ours: start('ours', 'load'), onnxruntime_web: start('theirs', 'load') },
  first_prediction_ms: { ours: start('ours', 'first'), onnxruntime_web: start('theirs', 'first') },
  load_to_first_prediction_ms: { ours: start('ours', 'both'), onnxruntime_web: start('theirs', 'both') },
  // Of all threads, V8's compilers too: what the same would take on an idle core, at most.
  load_to_first_prediction_processor_ms: {
    ours: start('ours', 'processor'),
    onnxruntime_web: start('theirs', 'processor'),
  },
  load_average: loadavg()[0],
  wasm_memory_bytes: we.memoryBytes(),
}
if (option === '--json') {
  console.log(JSON.stringify(result, undefined, 2))
} else {
  const ms = (value) => value.toFixed(1).padStart(9)
  console.log('| | sparsecbm, ms | onnxruntime-web, ms | times faster |\n| --- | --- | --- | --- |')
  const line = (name, a, b) => console.log(`| ${name} | ${ms(a)} | ${ms(b)} | ${(b / a).toFixed(2)} |`)
  line('load', result.load_ms.ours, result.load_ms.onnxruntime_web)
  line('first prediction, 32 tokens', result.first_prediction_ms.ours, result.first_prediction_ms.onnxruntime_web)
  const [both, processor] = [result.load_to_first_prediction_ms, result.load_to_first_prediction_processor_ms]
  line('from start to first prediction', both.ours, both.onnxruntime_web)
  line('the same, processor time', processor.ours, processor.onnxruntime_web)
  for (const { tokens, ours_ms, onnxruntime_web_ms } of rows)
    line(`prediction, ${tokens} tokens`, ours_ms, onnxruntime_web_ms)
  console.log(`\nWebAssembly memory: ${(result.wasm_memory_bytes / 2 ** 20).toFixed(0)} MiB`)
  console.log(`Load average of the machine: ${result.load_average.toFixed(1)} on ${availableParallelism()} cores`)
}
process.exit()
