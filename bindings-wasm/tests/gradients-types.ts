// Compiled, never run: what the types of `sparsecbm/gradients` declare beside those of the main entry.
import init, { Gradients, Model, type Edit, type IntegratedGradients, type MaskPatch } from 'sparsecbm/gradients'
import * as worker from 'sparsecbm/gradients/worker'

type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function is<_ extends true>(): void {}

await init()
const model = await Model.load('model.onnx')
using gradients = await Gradients.load('model.gradients.onnx', model, { signal: AbortSignal.timeout(1000) })
const prediction = model.predict('a text')
const edit = gradients.edit('noise', [{ prediction, class: 'positive' }], {
  guards: model.predict(['another']),
  maxShare: 0.02,
  timeLimit: 10_000,
  onProgress: ({ runs, turned }) => runs < 100 || turned > 0,
})
is<Is<typeof edit, Edit>>()
is<Is<typeof edit.outcome, 'turned' | 'not-turned' | 'stopped'>>()
is<Is<typeof edit.patch, MaskPatch>>()
model.withPatches([edit.patch])
const found = gradients.integratedGradients(prediction, {
  steps: 20,
  onProgress: ({ done, total }) => void (done / total),
})
is<Is<typeof found, IntegratedGradients>>()
const share: number | undefined = found.concepts[0]?.attributions[0]?.[0]
const errors: readonly number[] | undefined = found.concepts[0]?.convergenceError
const classes: string | undefined = edit.examples[0]?.classAfter

await worker.init()
const far = await worker.Model.load('model.onnx')
using remote = await worker.Gradients.load('model.gradients.onnx', far, { onProgress: ({ loaded }) => void loaded })
const reading: worker.Prediction = await far.predict('a text')
const { signal } = new AbortController()
const remoteEdit = await remote.edit('noise', [{ prediction: reading, class: 'positive' }], {
  guards: await far.predict(['another']),
  rounds: 4,
  onProgress: ({ runs }) => runs < 100,
  signal,
})
is<Is<typeof remoteEdit, Edit>>()
is<Is<ReturnType<typeof remote.integratedGradients>, Promise<IntegratedGradients>>>()
await remote.integratedGradients(reading, { steps: 20, signal })
worker.terminate()

// @ts-expect-error a prediction of the worker
await remote.edit('noise', [{ prediction, class: 'positive' }])

// @ts-expect-error made by Gradients.load alone
new Gradients()
// @ts-expect-error a prediction, not its text
gradients.edit('noise', [{ prediction: 'a text', class: 'positive' }])
// @ts-expect-error no such option
gradients.integratedGradients(prediction, { maxShare: 1 })
