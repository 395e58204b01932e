// A pool of one worker beside one of several, on the same texts, in Node or in headless Chromium:
//  node bindings-wasm/bench-pool.mjs MODEL.onnx TEXTS.jsonl [--workers N] [--texts N] [--rounds N]
//      [--chromium] [--json]
//
// TEXTS.jsonl holds a JSON object a line, whose text is in the field that the model names. Both pools read the first
// texts alternately, after one round that is not counted. Medians.
import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const USAGE =
  'usage: bench-pool.mjs MODEL.onnx TEXTS.jsonl [--workers N] [--texts N] [--rounds N] [--chromium] [--json]'
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workers: { type: 'string', default: '2' },
    texts: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '7' },
    chromium: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const [workers, count, rounds] = [options.workers, options.texts, options.rounds].map(Number)
if (positionals.length !== 2 || ![workers, count, rounds].every((number) => Number.isInteger(number) && number >= 1)) {
  console.error(USAGE)
  process.exit(2)
}
const [model, lines] = positionals
const all = (await readFile(lines, 'utf8')).trim().split('\n')
const texts = all.slice(0, count).map((line) => JSON.parse(line))

/** What is measured, in whichever host: it sees nothing but its argument. */
async function measure({ script, model, texts, workers, rounds }) {
  const { Pool } = await import(script)
  const timed = async (run) => {
    const start = performance.now()
    const result = await run()
    return [performance.now() - start, result]
  }
  const pools = []
  for (const count of [1, workers]) {
    const [load, pool] = await timed(() => Pool.load(model, { workers: count }))
    pools.push({ pool, report: { workers: count, load_ms: load, memory_bytes: 0, rounds_ms: [] } })
  }
  const field = pools[0].pool.schema.data_fields.text
  const read = texts.map((line) => line[field])
  for (let round = 0; round <= rounds; round++) {
    const answers = []
    for (const { pool, report } of pools) {
      const [time, predictions] = await timed(() => pool.predict(read))
      if (round > 0) report.rounds_ms.push(time)
      answers.push(JSON.stringify(predictions))
      report.memory_bytes = await pool.memoryBytes()
      for (const one of predictions) one.free()
    }
    if (answers[0] !== answers[1]) throw new Error('the pools have different answers')
  }
  for (const { pool } of pools) pool.terminate()
  return pools.map(({ report }) => report)
}

async function inChromium() {
  const { chromium } = await import('playwright-core')
  const { launch } = await import('./tests/launch.mjs')
  const { serve } = await import('./tests/serve.mjs')
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const { url, close } = await serve({ '/dist/': `${folder}dist`, '/model/': dirname(model) })
  const browser = await launch(chromium)
  try {
    const page = await browser.newPage()
    await page.goto(url)
    const script = `${url}/dist/worker/pool-browser.js`
    const file = `${url}/model/${encodeURIComponent(model.split('/').at(-1))}`
    const pools = await page.evaluate(measure, { script, model: file, texts, workers, rounds })
    return { host: `Chromium ${browser.version()}`, isolated: await page.evaluate(() => crossOriginIsolated), pools }
  } finally {
    await browser.close()
    close()
  }
}

async function inNode() {
  const script = new URL('./dist/worker/pool-node.js', import.meta.url).href
  const file = pathToFileURL(model).href
  return { host: `Node ${process.version}`, pools: await measure({ script, model: file, texts, workers, rounds }) }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
const { pools, ...host } = await (options.chromium ? inChromium() : inNode())
for (const pool of pools) {
  pool.median_ms = median(pool.rounds_ms)
  pool.texts_a_second = (1000 * texts.length) / pool.median_ms
}
const [one, several] = pools
const result = {
  ...host,
  texts: texts.length,
  pools,
  times_faster: one.median_ms / several.median_ms,
  // Of two rounds that follow each other, so that what else the machine did counts less.
  times_faster_side_by_side: median(one.rounds_ms.map((time, i) => time / several.rounds_ms[i])),
  load_average: loadavg()[0],
  cores: availableParallelism(),
  processor: cpus()[0]?.model,
}
if (options.json) {
  console.log(JSON.stringify(result, undefined, 2))
} else {
  console.log(`${result.host}, ${texts.length} texts, ${rounds} rounds alternately\n`)
  console.log('| workers | load, ms | all texts, ms | texts a second | memory, MiB |\n| --- | --- | --- | --- | --- |')
  for (const { workers, load_ms, median_ms, texts_a_second, memory_bytes } of pools) {
    const mebibytes = (memory_bytes / 2 ** 20).toFixed(1)
    const numbers = [load_ms, median_ms, texts_a_second].map((number) => number.toFixed(0))
    console.log(`| ${[workers, ...numbers, mebibytes].join(' | ')} |`)
  }
  const [times, side] = [result.times_faster, result.times_faster_side_by_side].map((ratio) => ratio.toFixed(2))
  console.log(`\n${times} times faster; of rounds side by side ${side}`)
  console.log(`Load average of the machine: ${result.load_average.toFixed(1)} on ${result.cores} cores`)
}
