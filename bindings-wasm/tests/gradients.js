// What the entry `sparsecbm/gradients` must do in every host; arguments and results as in suite.js. NAME.onnx was
// exported with NAME.gradients.onnx beside it.
import { check, difference, inCamelCase, same } from './suite.js'

const json = async (read, file) => JSON.parse(new TextDecoder().decode(await read(file)))

async function load(api, read, name) {
  const model = api.Model.loadSync(await read(`${name}.onnx`))
  return { model, gradients: await api.Gradients.load(await read(`${name}.gradients.onnx`), model) }
}

/** What Captum says (tests/goldens/integrated.json), and sums that are the logits. */
export async function integrated(api, read, name) {
  const { model, gradients } = await load(api, read, name)
  check(gradients.engine === 'tract', `gradients on ${gradients.engine}`)
  let [count, worst] = [0, 0]
  for (const { model: folder, text, steps, cases } of await json(read, 'integrated.json')) {
    if (folder.split('/').at(-1) !== name) continue
    const prediction = model.predict(text)
    const told = []
    const found = gradients.integratedGradients(prediction, { steps, onProgress: (now) => told.push(now) && undefined })
    check(found.complete && found.steps === steps, 'not complete')
    const classes = found.concepts.reduce((sum, concept) => sum + concept.classes.length, 0)
    check(told.length === classes && told.at(-1).done === classes, `${told.length} of ${classes} steps told`)
    for (const { concept, attributions } of cases) {
      const largest = Math.max(...attributions.data.map(Math.abs))
      const positions = found.concepts[concept].positions.flat()
      const apart = difference(positions, attributions.data, text) / largest
      check(apart < 1e-3, `${text}: concept ${concept} differs by ${apart}`)
      worst = Math.max(worst, apart)
      count++
    }
    found.concepts.forEach(({ name, attributions, special, baseline, convergenceError }, k) => {
      attributions.forEach((words, c) => {
        const sum = words.reduce((sum, word) => sum + word, special[c] + baseline[c])
        const apart = Math.abs(sum - prediction.concepts[k].logits[c])
        check(apart <= convergenceError[c] + 1e-3, `${name}: words sum to ${sum}, ${apart} from the logit`)
      })
    })
    const one = gradients.integratedGradients(prediction, {
      steps,
      onProgress: ({ done }) => done < found.concepts[0].classes.length,
    })
    check(!one.complete && one.concepts.length === 1, `${one.concepts.length} concepts after one`)
    prediction.free()
  }
  for (const one of [gradients, model]) one.free()
  check(count > 0, 'no golden attributions')
  return { count, worst }
}

/** The edit that the command found (NAME-edit.json) is found here; it does what it says, and is undone exactly. */
export async function edits(api, read, name, options) {
  const { model, gradients } = await load(api, read, name)
  const expected = await json(read, `${name}-edit.json`)
  const [{ text, wanted }] = expected.examples
  const before = model.predict(text)
  const first = JSON.stringify(before)
  const told = []
  const onProgress = (now) => void told.push(now)
  const edit = gradients.edit(expected.concept, [{ prediction: before, class: wanted }], { ...options, onProgress })
  check(edit.outcome === 'turned' && edit.flips > 0, `${edit.outcome} with ${edit.flips} bits`)
  const { engine, seconds, patch, ...rest } = expected
  const { patch: own, ...found } = edit
  same(found, inCamelCase(rest), 'edit', 1e-4)
  // The command notes what the patch was made for.
  const { note, ...noted } = patch
  check(note && JSON.stringify(own) === JSON.stringify(noted), `another patch than the command's on ${engine}`)
  // The last run of all may be one that is told of no more.
  check(told.length > 0 && told.every(({ runs }) => runs <= edit.runs), 'progress')
  const edited = model.withPatches([own])
  const after = edited.predict(text)
  check(
    after.concept(expected.concept).class === wanted,
    `${expected.concept} is ${after.concept(expected.concept).class}`,
  )
  check(
    difference(after.concept(expected.concept).logits, edit.examples[0].logitsAfter, 'logits') < 1e-4,
    'other logits',
  )
  const undone = edited.withPatches([])
  check(JSON.stringify(undone.predict(text)) === first, 'undoing is not exact')
  // What is right already needs no bit, and the edited model is the one that is edited.
  const none = gradients.edit(expected.concept, [{ prediction: after, class: wanted }])
  check(none.outcome === 'turned' && none.flips === 0, `${none.flips} bits for what is right`)
  for (const one of [before, after, undone, edited, gradients, model]) one.free()
  return { flips: edit.flips, runs: edit.runs }
}

/** A search ends when it is told to, and what is wrong is said. */
export async function limits(api, read, name, foreign) {
  const { model, gradients } = await load(api, read, name)
  const prediction = model.predict('bad plot, unwatched acting!')
  const { name: concept, classes } = model.schema.concepts[1]
  const other = classes.find((one) => one !== prediction.concept(concept).class)
  const examples = [{ prediction, class: other }]
  const stopped = (options, runs) => {
    const edit = gradients.edit(concept, examples, options)
    check(
      edit.outcome === 'stopped' && edit.flips === 0 && edit.runs === runs,
      `${edit.outcome} after ${edit.runs} runs`,
    )
  }
  stopped({ timeLimit: 0 }, 1)
  stopped({ onProgress: () => false }, 1)
  const guarded = gradients.edit(concept, examples, { maxShare: 0.2, guards: [prediction], timeLimit: 1e6 })
  check(guarded.outcome === 'not-turned' && guarded.guards === 1, 'a text that is to change and to stay')
  const thrown = (run) => {
    try {
      run()
    } catch (error) {
      return error
    }
  }
  const mine = new Error('mine')
  const throwing = () => {
    throw mine
  }
  check(thrown(() => gradients.edit(concept, examples, { onProgress: throwing })) === mine, 'a callback that throws')
  const refused = (run, ...parts) => {
    const error = thrown(run)
    check(error instanceof api.SparseCbmError && error.code === 'input', `no input error but ${error}`)
    for (const part of parts) check(error.message.includes(part), `no '${part}' in: ${error.message}`)
  }
  refused(() => gradients.edit('colour', examples), 'colour', concept)
  refused(() => gradients.edit(7, examples), 'number')
  refused(() => gradients.edit(concept, [{ prediction, class: 'purple' }]), 'purple')
  refused(() => gradients.edit(concept, [{ prediction }]), 'undefined')
  refused(() => gradients.edit(concept, []), 'examples', 'none')
  refused(() => gradients.edit(concept, [null]), 'prediction')
  refused(() => gradients.edit(concept, examples, { guards: [model] }), 'guard', 'sparsecbm/gradients')
  refused(() => gradients.edit(concept, examples, { maxshare: 1 }), 'maxshare', 'maxShare')
  refused(() => gradients.edit(concept, examples, { maxShare: 2 }), 'max_share')
  refused(() => gradients.edit(concept, examples, { rounds: 0 }), 'rounds')
  refused(() => gradients.edit(concept, examples, { timeLimit: -1 }), 'timeLimit', '-1')
  refused(() => gradients.integratedGradients(prediction, { steps: 0 }), 'steps')
  refused(() => gradients.integratedGradients(prediction, { baseline: 4_000_000_000 }), '4000000000')
  refused(() => gradients.integratedGradients(prediction, { step: 1 }), 'step', 'steps')
  refused(() => gradients.integratedGradients(null), 'null')
  const bytes = await read(`${name}.gradients.onnx`)
  const loading = async (code, source, of, ...parts) => {
    const error = await api.Gradients.load(source, of).catch((error) => error)
    check(error instanceof api.SparseCbmError && error.code === code, `no ${code} error but ${error}`)
    for (const part of parts) check(error.message.includes(part), `no '${part}' in: ${error.message}`)
  }
  const strange = api.Model.loadSync(await read(`${foreign}.onnx`))
  await loading('input', bytes, strange, 'sparsecbm.checkpoint')
  await loading('format', await read(`${name}.onnx`), model, 'sparsecbm.gradients')
  await loading('format', bytes.slice(0, 1000), model)
  await loading('input', bytes, prediction, 'sparsecbm/gradients')
  refused(() => gradients.edit(concept, [{ prediction: strange.predict('good'), class: other }]))
  gradients.free()
  refused(() => gradients.edit(concept, examples), 'freed')
  for (const one of [strange, prediction, model]) one.free()
}

/** Models of the main entry are not of this one. */
export async function apart(api, read, name, main) {
  const model = main.Model.loadSync(await read(`${name}.onnx`))
  const error = await api.Gradients.load(await read(`${name}.gradients.onnx`), model).catch((error) => error)
  check(error.code === 'input' && error.message.includes('sparsecbm/gradients'), `${error}`)
  model.free()
}

/** The worker's gradients: the same results, told of on the way, ended and cancelled where asked. */
export async function worker(api, remote, read, name) {
  const { model, gradients } = await load(api, read, name)
  const { concept, examples } = await json(read, `${name}-edit.json`)
  const [{ text, wanted }] = examples
  const prediction = model.predict(text)
  await remote.init()
  const far = await remote.Model.load(await read(`${name}.onnx`))
  const loaded = []
  const file = await read(`${name}.gradients.onnx`)
  const there = await remote.Gradients.load(file, far, { onProgress: (now) => void loaded.push(now) })
  check(loaded.at(-1)?.loaded === file.length, 'progress ends before the file does')
  check(there.engine === gradients.engine, `gradients on ${there.engine}`)
  const reading = await far.predict(text)
  const wish = [{ prediction: reading, class: wanted }]

  const told = { here: [], there: [] }
  const onProgress = (told) => (now) => void told.push(now)
  const edit = gradients.edit(concept, [{ prediction, class: wanted }], { onProgress: onProgress(told.here) })
  const start = performance.now()
  const found = await there.edit(concept, wish, { onProgress: onProgress(told.there) })
  const whole = performance.now() - start
  check(JSON.stringify(found) === JSON.stringify(edit), 'another edit')
  check(
    told.here.length > 3 && JSON.stringify(told.there) === JSON.stringify(told.here),
    `${told.there.length} of ${told.here.length} runs told`,
  )
  const edited = await far.withPatches([found.patch])
  check((await edited.predict(text)).concept(concept).class === wanted, 'the edit does not what it says')

  const steps = { steps: 2 }
  const attributions = await there.integratedGradients(reading, steps)
  check(
    JSON.stringify(attributions) === JSON.stringify(gradients.integratedGradients(prediction, steps)),
    'other attributions',
  )
  const some = await there.integratedGradients(reading, { ...steps, onProgress: ({ done }) => done < 2 })
  check(!some.complete, 'integrated to the end')

  const stopped = await there.edit(concept, wish, { onProgress: () => false })
  check(
    stopped.outcome === 'stopped' && stopped.runs < found.runs,
    `${stopped.outcome} after ${stopped.runs} of ${found.runs} runs`,
  )
  const limited = await there.edit(concept, wish, { timeLimit: 0 })
  check(limited.outcome === 'stopped' && limited.runs === 1, `${limited.outcome} after ${limited.runs} runs`)

  const memory = await remote.memoryBytes()
  for (const long of [
    (options) => there.edit(concept, wish, options),
    (options) => there.integratedGradients(reading, { steps: 2, ...options }),
  ]) {
    const controller = new AbortController()
    const begun = performance.now()
    const aborted = await long({ signal: controller.signal, onProgress: () => controller.abort() }).catch(
      (error) => error,
    )
    check(aborted?.name === 'AbortError', `aborting gave ${aborted}`)
    check(JSON.stringify(await far.predict(text)) === JSON.stringify(prediction), 'what came after a cancelled call')
    const waited = performance.now() - begun
    check(waited < whole / 2, `a cancelled call kept the worker for ${waited} of ${whole} ms`)
  }
  const mine = new Error('mine')
  const throwing = () => {
    throw mine
  }
  const thrown = await there.edit(concept, wish, { onProgress: throwing }).catch((error) => error)
  check(thrown === mine, `a callback that throws gave ${thrown}`)

  const refused = async (run, ...parts) => {
    const error = await run().catch((error) => error)
    check(error instanceof remote.SparseCbmError && error.code === 'input', `no input error but ${error}`)
    for (const part of parts) check(error.message.includes(part), `no '${part}' in: ${error.message}`)
  }
  await refused(() => there.edit('colour', wish), 'colour', concept)
  await refused(() => there.edit(concept, []), 'examples', 'none')
  await refused(() => there.edit(concept, 'all'), 'examples', 'string')
  await refused(() => there.edit(concept, [null]), 'prediction')
  await refused(() => there.edit(concept, [{ prediction, class: wanted }]), 'sparsecbm/gradients/worker')
  await refused(() => there.edit(concept, wish, { guards: [far] }), 'guard')
  await refused(() => there.edit(concept, wish, { maxshare: 1 }), 'maxshare', 'maxShare')
  await refused(() => there.integratedGradients(reading, { step: 1 }), 'step', 'steps')
  await refused(() => remote.Gradients.load(file, model), 'sparsecbm/gradients/worker')
  const aborted = await remote.Gradients.load(file, far, { signal: AbortSignal.abort() }).catch((error) => error)
  check(aborted?.name === 'AbortError', `aborting a load gave ${aborted}`)
  check((await remote.memoryBytes()) === memory, 'calls that were cancelled or refused grew memory')

  there.free()
  await refused(() => there.edit(concept, wish), 'gradients', 'freed')
  const again = await remote.Gradients.load(file, far)
  const running = again.edit(concept, wish).catch((error) => error)
  remote.terminate()
  const ended = await running
  check(ended instanceof remote.SparseCbmError && ended.code === 'unavailable', `after terminate: ${ended}`)
  await remote.init()
  await refused(() => remote.Gradients.load(file, far), 'another worker')
  remote.terminate()
  for (const one of [prediction, gradients, model]) one.free()
  return { whole: Math.round(whole), runs: found.runs }
}
