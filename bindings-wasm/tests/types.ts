// Compiled, never run: the declared types say what the package does, and refuse what it does not.
import init, {
  Model,
  SparseCbmError,
  initSync,
  memoryBytes,
  readSubnetworks,
  type Explanation,
  type MaskPatch,
  type Prediction,
  type Question,
  type SubnetworkReport,
  type Suggestion,
} from 'sparsecbm'
import { Pool } from 'sparsecbm/pool'
import * as worker from 'sparsecbm/worker'

type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function is<_ extends true>(): void {}

await init()
await init(fetch('sparsecbm.wasm'))
initSync(new Uint8Array())

using model = await Model.load(new URL('file:///model.onnx'), {
  onProgress: ({ loaded, total }) => void (total === undefined ? loaded : loaded / total),
  signal: AbortSignal.timeout(1000),
})
const one = model.predict('a text')
const many = model.predict(['a text', 'another'])
is<Is<typeof one, Prediction>>()
is<Is<typeof many, Prediction[]>>()
is<Is<typeof one.label.class, string>>()
is<Is<typeof one.label.expectedValue, number | null>>()
is<Is<typeof one.tokenEvidence, Float32Array>>()
is<Is<ReturnType<typeof one.explain>, Explanation>>()
is<Is<ReturnType<typeof memoryBytes>, number>>()

is<Is<typeof model.patches, MaskPatch[]>>()
is<Is<ReturnType<typeof model.withPatches>, Model>>()
model.withPatches([...model.patches, '{}'])

one
  .suppose({ noise: 'positive', food: [0.1, 0.9, 0] })
  .correct({ service: { logits: [1, 2, 3] }, ambiance: 2 })
  .undo('service')
is<Is<NonNullable<ReturnType<typeof one.concept>['question']>, Question>>()
is<Is<Question, 'suppose' | 'correct'>>()
is<Is<Explanation['contributions']['rest'], readonly number[]>>()
one.explain().reasons.flatMap(({ phrases }) => phrases.map(({ label }) => label?.expectedValue ?? 0))
is<Is<typeof model.schema.intervention, 'suppose-correct' | 'effect' | 'replace'>>()
is<Is<typeof model.schema.label.values, readonly number[] | undefined>>()
one.intervene({ noise: 'positive', food: [0.1, 0.9, 0], service: { logits: [1, 2, 3] }, ambiance: 2 }).undo('noise')
one.explain({
  policy: 'uncertainty',
  costs: { noise: 2 },
  occlusion: { maxWords: 10, windows: [5, 1], timeLimit: 50 },
  onProgress: ({ done, total }) => done < total,
}).counterfactual?.changes[0]?.toIndex

is<Is<ReturnType<typeof one.suggestInterventions>, Suggestion[]>>()
one.suggestInterventions({ policy: 'expected-change', costs: { noise: 2 } })[0]?.concept
const report = await readSubnetworks('model.onnx')
is<Is<typeof report, SubnetworkReport>>()
const heads: readonly (readonly number[])[] | null | undefined = report.layers[0]?.headDensity
const length: number = model.schema.max_length

// @ts-expect-error a text is a string
model.predict(1)
// @ts-expect-error predictions never change
one.label.class = 'x'
// @ts-expect-error no such value
one.intervene({ noise: true })
// @ts-expect-error no such value
one.correct({ noise: true })
// @ts-expect-error no such question
const question: Question = 'wonder'
// @ts-expect-error made by Model.load alone
new Model()
// @ts-expect-error made by predict alone
const copy: Prediction = { ...one }

await worker.init(fetch('sparsecbm.wasm'))
const remote = await worker.Model.load('model.onnx')
const result = await remote.predict('a text', { signal: new AbortController().signal })
is<Is<typeof result, worker.Prediction>>()
is<Is<Awaited<ReturnType<typeof remote.predict>>, worker.Prediction[]>>()
const corrected: worker.Prediction = await result.correct({ noise: 'positive' }, { signal: AbortSignal.timeout(1000) })
const supposed: worker.Prediction = await corrected.suppose({ food: 0 })
const intervened: worker.Prediction = await supposed.intervene({ food: 0 })
for (const one of [corrected, supposed, intervened]) one.free()

using pool = await Pool.load('model.onnx', {
  workers: 2,
  module: WebAssembly.compileStreaming(fetch('sparsecbm.wasm')),
  onProgress: ({ loaded }) => void loaded,
})
const list = await pool.predict(['a text'], { signal: AbortSignal.timeout(1000), onProgress: ({ done }) => void done })
is<Is<typeof list, worker.Prediction[]>>()
is<Is<Awaited<ReturnType<typeof pool.memoryBytes>>, number>>()
const single: worker.Prediction = await pool.predict('a text')
single.free()
// @ts-expect-error made by Pool.load alone
new Pool()
// @ts-expect-error a number
await Pool.load('model.onnx', { workers: '2' })

try {
  model.predict('')
} catch (error) {
  if (error instanceof SparseCbmError)
    is<Is<typeof error.code, 'io' | 'format' | 'version' | 'model' | 'input' | 'engine' | 'unavailable'>>()
}
