// Fits the cost model of the sparse kernels to this engine of WebAssembly:
//   bindings-wasm/build --trial && node bindings-wasm/bench-kernel.mjs [--json]
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../target', import.meta.url))
const ROUNDS = 60
/** V8 takes so long to bring WebAssembly to full speed. */
const WARM_UP_MS = 4000
/** Runs that are timed together: the clock's steps are coarse beside one run. */
const REPEATS = 10

const { RawTrials, default: init } = await import(`${target}/trial/bindings.js`)
await init({ module_or_path: await readFile(`${target}/trial/sparsecbm.wasm`) })

/** Every product interleaved, round by round: the fastest of each, in nanoseconds. */
function times(trials) {
  const fastest = Array(trials.count()).fill(Infinity)
  const round = () => {
    for (let trial = 0; trial < fastest.length; trial++) {
      const start = performance.now()
      for (let i = 0; i < REPEATS; i++) trials.run(trial)
      fastest[trial] = Math.min(fastest[trial], ((performance.now() - start) / REPEATS) * 1e6)
    }
  }
  for (const start = performance.now(); performance.now() - start < WARM_UP_MS; ) round()
  fastest.fill(Infinity)
  for (let i = 0; i < ROUNDS; i++) round()
  return fastest
}

const fits = RawTrials.all().map((trials) => trials.fit(Float64Array.from(times(trials))))
if (process.argv[2] === '--json') {
  console.log(JSON.stringify(fits))
} else {
  const cost = ({ entry, group }, error) => `${entry.toFixed(2)} + ${group.toFixed(1)} (${(100 * error).toFixed(0)} %)`
  console.log('Nanoseconds an entry and a group of rows, and the mean error of that:')
  console.table(
    fits.map((fit) => ({
      instructions: fit.instructions,
      layout: fit.layout,
      fitted: cost(fit.fitted, fit.fittedError),
      'built in': cost(fit.builtIn, fit.builtInError),
    })),
  )
}
