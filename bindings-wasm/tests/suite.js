// What every host must do, with the package's API `api`, in Node and in Chromium. `read(name)` gives the
// bytes of a file of the test folder. Returns how much was checked; throws at the first difference.

/** Of what is 1 at most; of more, in proportion. */
const TOLERANCE = 1e-5
/** Bytes of WebAssembly memory that the shipped model may need. */
const FOOTPRINT = 150e6

export function check(condition, message) {
  if (!condition) throw new Error(message)
}

/** The largest absolute difference; NaN anywhere gives infinity. */
export function difference(found, expected, place) {
  check(found.length === expected.length, `${place}: ${found.length} values, expected ${expected.length}`)
  let largest = 0
  for (let i = 0; i < found.length; i++) {
    const apart = Math.abs(found[i] - expected[i])
    largest = Number.isNaN(apart) ? Infinity : Math.max(largest, apart)
  }
  return largest
}

/** One row of a golden tensor's first dimension. */
function row({ shape, data }, index) {
  const size = data.length / shape[0]
  return data.slice(index * size, (index + 1) * size)
}

/** The names of the models that have golden vectors here (tests/models/registry.json). */
export async function golden(read) {
  const models = JSON.parse(new TextDecoder().decode(await read('registry.json')))
  return models.filter(({ surfaces }) => surfaces.includes('wasm')).map(({ name }) => name)
}

/** Every case of the golden vectors that PyTorch computed from the checkpoint (tests/goldens). */
export async function parity(api, read, name) {
  const model = api.Model.loadSync(await read(`${name}.onnx`))
  const { cases } = JSON.parse(new TextDecoder().decode(await read(`${name}.json`)))
  const { concepts } = model.schema
  let [rows, worst] = [0, 0]
  for (const { name: place, inputs, outputs } of cases) {
    for (let index = 0; index < inputs.input_ids.shape[0]; index++) {
      const input = (name) => row(inputs[name], index)
      const output = (name) => row(outputs[name], index)
      const attended = input('attention_mask')
      const first = model.predictTokens(input('input_ids').filter((_, position) => attended[position] === 1))
      const [mask, values] = [input('concept_override_mask'), input('concept_override')]
      // Golden rows are as wide as the concept with the most classes.
      const width = values.length / mask.length
      const own = (wide) => concepts.flatMap(({ classes }, k) => wide.slice(k * width, k * width + classes.length))
      const given = (question) =>
        Object.fromEntries(
          concepts
            .map(({ name, classes }, k) => [name, values.slice(k * width, k * width + classes.length)])
            .filter((_, k) => mask[k] === question),
        )
      const supposed = first.suppose(given(1))
      const prediction = supposed.correct(given(2))
      const positions = prediction.tokenEvidence.length / (mask.length * width)
      // The golden batch is padded on the right.
      const padded = outputs.token_evidence.shape.at(-1)
      const found = {
        concept_logits: [prediction.concepts.flatMap((concept) => concept.logits), own(output('concept_logits'))],
        concept_values: [
          prediction.concepts.flatMap((concept) => concept.probabilities),
          own(output('concept_values')),
        ],
        label_logits: [prediction.label.logits, output('label_logits')],
        token_evidence: [prediction.tokenEvidence, output('token_evidence').filter((_, i) => i % padded < positions)],
      }
      for (const [name, [computed, golden]] of Object.entries(found)) {
        const size = Math.max(1, ...golden.map(Math.abs))
        const apart = difference(computed, golden, `${place}: ${name}`) / size
        check(apart <= TOLERANCE, `${place}, row ${index}: ${name} differs by ${apart}`)
        worst = Math.max(worst, apart)
      }
      rows++
      for (const one of [first, supposed, prediction]) one.free()
    }
  }
  model.free()
  check(rows > 10, `${rows} rows of golden vectors`)
  return { rows, worst }
}

/** The awkward strings of tests/goldens/GOLDENS.json, ids and UTF-16 offsets. */
export async function tokens(api, read, name, goldens) {
  const model = api.Model.loadSync(await read(`${name}.onnx`))
  const { cases } = JSON.parse(new TextDecoder().decode(await read(`${goldens}.json`)))
  const encoder = new TextEncoder()
  for (const { text = undefined, repeat, times, ids, offsets, dropped } of cases) {
    const whole = text ?? repeat.repeat(times)
    const prediction = model.predict(whole)
    const shown = JSON.stringify(whole.slice(0, 60))
    check(String(prediction.tokens.map((token) => token.id)) === String(ids), `${shown}: other token ids`)
    check(prediction.droppedTokens > 0 === dropped, `${shown}: dropped ${prediction.droppedTokens} tokens`)
    prediction.tokens.forEach(({ start, end }, position) => {
      const [from, to] = offsets[position]
      if (start === null) return check(to === 0, `${shown}: no offsets at ${position}`)
      const bytes = (units) => encoder.encode(whole.slice(0, units)).length
      check(bytes(start) === from && bytes(end) === to, `${shown}: offsets ${start}–${end} at ${position}`)
    })
    prediction.free()
  }
  model.free()
  check(cases.length > 20, `${cases.length} token cases`)
  return { cases: cases.length }
}

/** Predictions never change, overrides stack, undoing gives the first prediction back bit for bit. */
export async function interventions(api, read, name) {
  const model = api.Model.loadSync(await read(`${name}.onnx`))
  const prediction = model.predict('The food was great but the noise unbearable.')
  const before = JSON.stringify(prediction)
  const [first, second] = model.schema.concepts
  const wanted = first.classes.find((one) => one !== prediction.concept(first.name).class)
  const changed = prediction.intervene({ [first.name]: wanted })
  check(JSON.stringify(prediction) === before, 'the old prediction changed')
  check(
    changed.concept(first.name).class === wanted && changed.concept(first.name).overridden,
    'the override is not there',
  )
  check(difference(changed.label.logits, prediction.label.logits, 'label') > 0, 'the label did not move')
  const even = second.classes.map(() => 1 / second.classes.length)
  const both = changed.intervene({ [second.name]: even })
  check(both.concepts.filter((concept) => concept.overridden).length === 2, 'overrides do not stack')
  check(JSON.stringify(both.undo(second.name)) === JSON.stringify(changed), 'undo of one')
  check(JSON.stringify(both.undo()) === before, 'undo of all')
  const { contributions, evidence } = prediction.explain()
  contributions.labelLogits.forEach((logit, l) => {
    const known = contributions.baseline[l] + contributions.rest[l]
    const sum = contributions.concepts.reduce((sum, concept) => sum + concept.labelLogits[l], known)
    check(Math.abs(sum - logit) < 1e-3, `contributions sum to ${sum}, the logit is ${logit}`)
  })
  check(evidence.words.some((word) => word.text === 'noise'), 'no word "noise"')
  for (const one of [prediction, changed, both]) one.free()
  model.free()
}

/**
 * Supposing and correcting, of a model that has an answer to each and concepts of different numbers of classes
 * (`ragged`) and of one that has one answer (`single`).
 */
export async function questions(api, read, ragged, single) {
  const model = api.Model.loadSync(await read(`${ragged}.onnx`))
  check(model.schema.intervention === 'suppose-correct', model.schema.intervention)
  const { concepts, label } = model.schema
  check(String(concepts.map(({ classes }) => classes.length)) === '2,3,5', 'other numbers of classes')
  const text = 'bad plot, unwatched acting!'
  const start = model.predict(text)
  const before = JSON.stringify(start)
  check(
    start.concepts.every(({ question, overridden }) => question === null && !overridden),
    'a question that nobody asked',
  )
  start.concepts.forEach(({ probabilities, logits }, k) => {
    check(
      probabilities.length === concepts[k].classes.length && logits.length === probabilities.length,
      'not its own classes',
    )
  })
  check(start.tokenEvidence.length === 3 * 5 * start.tokens.length, `${start.tokenEvidence.length} numbers of evidence`)
  check(label.values.length === label.classes.length && start.label.expectedValue !== null, 'no expected value')

  const [{ name: one }, { name: two }, { name: three, classes }] = concepts
  const supposed = start.suppose({ [three]: classes[0] })
  const corrected = start.correct({ [three]: classes[0] })
  check(
    supposed.concept(three).question === 'suppose' && corrected.concept(three).question === 'correct',
    'the question',
  )
  check(difference(supposed.label.logits, corrected.label.logits, 'label') > 1e-3, 'both questions have one answer')
  check(JSON.stringify(start.intervene({ [three]: classes[0] })) === JSON.stringify(supposed), 'intervene is suppose')
  check(JSON.stringify(supposed.correct({ [three]: 0 })) === JSON.stringify(corrected), 'the later question holds')
  const mixed = supposed.correct({ [one]: 0, [two]: [0.25, 0.5, 0.25] })
  const other = start.correct({ [two]: [0.25, 0.5, 0.25] }).suppose({ [three]: 0 }).correct({ [one]: 0 })
  check(JSON.stringify(mixed) === JSON.stringify(other), 'the order matters')
  check(String(mixed.concepts.map(({ question }) => question)) === 'correct,correct,suppose', 'questions mixed')
  check(JSON.stringify(mixed.undo(one).undo(two)) === JSON.stringify(supposed), 'undo of corrections')
  check(JSON.stringify(mixed.undo()) === before, 'undo of all')
  for (const { name, classes } of concepts) {
    for (const value of [classes.length, Array(classes.length + 1).fill(0)]) {
      const error = await Promise.resolve({ [name]: value })
        .then((given) => start.correct(given))
        .catch((error) => error)
      check(error instanceof api.SparseCbmError && error.code === 'input', `${name}: ${value} is not refused`)
    }
  }

  const explained = [start, supposed, corrected, mixed].map((prediction) =>
    prediction.explain({ occlusion: { maxWords: 1 } }),
  )
  for (const { contributions, whatIf, evidence, occlusion } of explained) {
    contributions.labelLogits.forEach((logit, l) => {
      const added = contributions.concepts.reduce((sum, { labelLogits }) => sum + labelLogits[l], 0)
      const sum = contributions.baseline[l] + added + contributions.rest[l]
      check(Math.abs(sum - logit) < 1e-3, `contributions and rest sum to ${sum}, the logit is ${logit}`)
    })
    for (const counts of [
      whatIf.map(({ outcomes }) => outcomes.length),
      evidence.concepts.map(({ evidence }) => evidence.length),
      occlusion.concepts.map(({ logits }) => logits.length),
    ]) {
      check(String(counts) === '2,3,5', `${counts} classes in an explanation`)
    }
  }
  check(explained[0].contributions.rest.every((value) => value === 0), 'a rest without overrides')
  check(explained[1].contributions.rest.some((value) => value !== 0), 'no rest')
  const worth = explained.slice(1, 3).map(({ contributions }) => JSON.stringify(contributions.concepts[2].labelLogits))
  check(worth[0] === worth[1], 'what is asserted is not worth the same')
  model.free()

  const alone = api.Model.loadSync(await read(`${single}.onnx`))
  check(alone.schema.intervention !== 'suppose-correct', alone.schema.intervention)
  const given = { [alone.schema.concepts[0].name]: 0 }
  const [first, second] = [alone.predict(text).suppose(given), alone.predict(text).correct(given)]
  check(difference(first.label.logits, second.label.logits, 'label') === 0, 'one answer became two')
  check(second.concepts[0].question === 'correct', 'the question of a model of one answer')
  check(first.explain().contributions.rest.every((value) => value === 0), 'a rest in a model of one answer')
  alone.free()
}

/** Numbers within the tolerance, all else the same. */
export function same(found, expected, place, tolerance) {
  if (typeof expected === 'number')
    return check(Math.abs(found - expected) <= tolerance, `${place}: ${found}, expected ${expected}`)
  if (expected === null || typeof expected !== 'object')
    return check(found === expected, `${place}: ${found}, expected ${expected}`)
  check(String(Object.keys(found)) === String(Object.keys(expected)), `${place}: other fields: ${Object.keys(found)}`)
  for (const key of Object.keys(expected)) same(found[key], expected[key], `${place}.${key}`, tolerance)
}

/** What the command says as JSON, whose keys are all names of fields, under the names that JavaScript has for it. */
export function inCamelCase(json) {
  if (json === null || typeof json !== 'object') return json
  if (Array.isArray(json)) return json.map(inCamelCase)
  const camelCase = (name) => name.replace(/_[a-z]/g, (both) => both[1].toUpperCase())
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [camelCase(name), inCamelCase(value)]))
}

/** The whole explanation as `sparsecbm explain --json` has it (NAME-explanation.json), and its parts alone. */
export async function explanations(api, read, name) {
  const bytes = await read(`${name}.onnx`)
  const expected = JSON.parse(new TextDecoder().decode(await read(`${name}-explanation.json`)))
  const model = api.Model.loadSync(bytes)
  const prediction = model.predict(expected.text)
  const found = prediction.explain({ occlusion: {}, faithfulness: true })
  // The command runs another engine, and curves are areas over many runs.
  same(found, inCamelCase(expected), 'explanation', 1e-4)
  const words = found.evidence.words.filter(({ utf16 }) => utf16)
  for (const { text, utf16 } of words) check(expected.text.slice(utf16.start, utf16.end) === text, `word '${text}'`)
  for (const { phrases } of found.reasons) {
    for (const { text, utf16 } of phrases) {
      check(expected.text.slice(utf16.start, utf16.end) === text, `phrase '${text}'`)
    }
  }
  const heard = []
  const ended = prediction.explain({ occlusion: {}, onProgress: (progress) => heard.push(progress) > 9 })
  check(heard[0].done < heard[0].total && !ended.occlusion.complete, 'an end by onProgress is not heard')
  check(!prediction.explain({ occlusion: { timeLimit: 0 } }).occlusion.complete, 'a time limit is not kept')
  const suggestions = prediction.suggestInterventions()
  check(JSON.stringify(suggestions) === JSON.stringify(found.suggestions), 'suggestions alone are others')
  const { concept, score } = suggestions[0]
  const costly = prediction.suggestInterventions({ costs: { [concept]: 8 } }).find((one) => one.concept === concept)
  check(costly.cost === 8 && Math.abs(costly.score - score / 8) < 1e-6, `a cost of 8 makes ${score} ${costly.score}`)
  check(prediction.suggestInterventions({ policy: 'uncertainty' })[0].cost === 1, 'no cost is 1')
  const { concepts, density, layers, overlap } = await api.readSubnetworks(bytes)
  check(String(concepts) === String(model.schema.concepts.map(({ name }) => name)), `subnetworks of ${concepts}`)
  check(difference(density, model.masks.density, 'density') < 1e-6, 'density is not what the file says')
  overlap.forEach((row, k) => check(difference(row, model.masks.overlap[k], 'overlap') < 1e-6, 'overlap'))
  check(layers.length === model.masks.layers.length, `${layers.length} layers`)
  check(layers.some(({ headDensity }) => headDensity?.length === concepts.length), 'no headDensity')
  check(layers.every((layer) => !Object.keys(layer).join().includes('_')), `layers with ${Object.keys(layers[0])}`)
  // What is the file's own keeps the file's names.
  check(
    model.schema.max_length > 0 && model.schema.data_fields && model.masks.layers[0].block_rows,
    'the file has other names',
  )
  prediction.free()
  model.free()
}

/** Every source that `init` takes, by its kind, in a page or thread where the module is not ready yet. */
export async function start(api, read, name, kind, url) {
  const bytes = await read('sparsecbm.wasm')
  const refused = await api.init(new Uint8Array([1, 2, 3])).catch((error) => error)
  check(refused instanceof api.SparseCbmError && refused.code === 'io', `3 bytes as the module: ${refused}`)
  const early = await api.Model.load(new Uint8Array()).catch((error) => error)
  check(early.code === 'unavailable', `before init: ${early}`)
  const sources = {
    default: () => undefined,
    URL: () => new URL(url),
    string: () => url,
    Response: () => new Response(bytes, { headers: { 'content-type': 'application/wasm' } }),
    promise: () => Promise.resolve(new Response(bytes, { headers: { 'content-type': 'application/wasm' } })),
    bytes: () => bytes,
    buffer: () => bytes.buffer,
    module: () => WebAssembly.compile(bytes),
  }
  if (kind === 'sync') api.initSync(await WebAssembly.compile(bytes))
  else await Promise.all([api.init(await sources[kind]()), api.init()])
  const ready = api.memoryBytes()
  await api.init(new Uint8Array([1, 2, 3]))
  api.initSync(bytes)
  check(ready > 0 && api.memoryBytes() === ready, 'init is not idempotent')
  const model = await api.Model.load(new Response(await read(`${name}.onnx`)))
  check(model.predict('A text.').label.class, 'no prediction')
  model.free()
}

/** What the largest text needs of WebAssembly's memory, which never shrinks, in a fresh page or thread. */
export async function footprint(api, read, name) {
  await api.init()
  const bytes = await read(`${name}.onnx`)
  const model = await api.Model.load(new Response(bytes))
  const loaded = api.memoryBytes()
  const prediction = model.predict('The soup was cold. '.repeat(model.schema.max_length))
  check(prediction.tokens.length === model.schema.max_length, `${prediction.tokens.length} tokens`)
  prediction.free()
  const predicted = api.memoryBytes()
  check(predicted < FOOTPRINT, `${predicted} bytes of memory, expected less than ${FOOTPRINT}`)
  model.free()
  return { file: bytes.length, loaded, predicted }
}

/**
 * A patch that `sparsecbm edit` found (NAME-patch.json) does what it does to the command's own prediction
 * (NAME-patched.json); it is listed, and without it the model is as it was.
 */
export async function patches(api, read, name) {
  const json = async (file) => JSON.parse(new TextDecoder().decode(await read(file)))
  const [patch, expected] = [await json(`${name}-patch.json`), await json(`${name}-patched.json`)]
  const model = api.Model.loadSync(await read(`${name}.onnx`))
  const before = model.predict(expected.text)
  const patched = model.withPatches([patch])
  const after = patched.predict(expected.text)
  let moved = false
  expected.concepts.forEach(({ name, class: wanted, logits }, k) => {
    check(difference(after.concepts[k].logits, logits, name) <= 1e-4, `${name} is not what the command says`)
    check(after.concepts[k].class === wanted, `${name} is ${after.concepts[k].class}`)
    const same = difference(after.concepts[k].logits, before.concepts[k].logits, name) === 0
    check(same === (name !== patch.concept), `${name} ${same ? 'did not move' : 'moved'}`)
    moved ||= !same
  })
  check(moved, 'nothing moved')
  check(JSON.stringify(patched.patches) === JSON.stringify([patch]), 'the patch is not listed as it is')
  check(model.patches.length === 0, 'the model that was patched has a patch')
  check(patched.masks.density.length === model.masks.density.length, 'masks of another size')
  const text = patched.withPatches([JSON.stringify(patch)])
  check(JSON.stringify(text.predict(expected.text)) === JSON.stringify(after), 'a patch as text')
  model.free()
  const undone = patched.withPatches([])
  check(JSON.stringify(undone.predict(expected.text)) === JSON.stringify(before), 'undoing is not exact')
  for (const one of [before, after, patched, text, undone]) one.free()
}

/** Bad input gives an error that says what it is, and the model goes on. */
export async function errors(api, read, name) {
  const thrown = async (run) => {
    try {
      await run()
    } catch (error) {
      return error
    }
  }
  const expect = async (code, run, ...parts) => {
    const error = await thrown(run)
    check(error instanceof api.SparseCbmError, `no SparseCbmError but ${error}`)
    check(error.code === code, `${error.code} instead of ${code}: ${error.message}`)
    check(error.message === `${error.place}: found ${error.found}, expected ${error.expected}`, error.message)
    for (const part of parts) check(error.message.includes(part), `no '${part}' in: ${error.message}`)
  }
  const bytes = await read(`${name}.onnx`)
  const { Model } = api
  await expect('format', () => Model.loadSync(new Uint8Array([1, 2, 3])), '3 bytes')
  await expect('format', () => Model.load(bytes.slice(0, bytes.length / 2)))
  await expect('input', () => Model.load(17), 'number')
  await expect('io', () => Model.load(new Response('', { status: 404 })), '404')
  const aborted = await thrown(() => Model.load(bytes, { signal: AbortSignal.abort() }))
  check(aborted?.name === 'AbortError', `aborting gave ${aborted}`)
  const steps = []
  const model = await Model.load(new Response(bytes), { onProgress: (progress) => steps.push(progress) })
  check(steps.at(-1)?.loaded === bytes.length, 'progress ends before the file does')
  const prediction = model.predict('')
  const { name: concept } = model.schema.concepts[0]
  await expect('input', () => model.predict(null), 'null')
  await expect('input', () => model.predictTokens([]), '0 ids')
  await expect('input', () => model.predictTokens([4_000_000_000]), '4000000000')
  await expect('input', () => prediction.intervene({ colour: 'red' }), 'colour', concept)
  await expect('input', () => prediction.intervene({ [concept]: 'purple' }), 'purple')
  await expect('input', () => prediction.intervene({ [concept]: [2, -1] }))
  await expect('input', () => prediction.intervene({ [concept]: NaN }), 'NaN')
  await expect('input', () => prediction.intervene('noise'), 'string')
  await expect('input', () => prediction.suppose({ colour: 'red' }), 'colour', concept)
  await expect('input', () => prediction.correct({ colour: 'red' }), 'colour', concept)
  await expect('input', () => prediction.correct({ [concept]: 'purple' }), 'purple')
  await expect('input', () => prediction.correct(null), 'null')
  await expect('input', () => prediction.undo('colour'), 'colour')
  await expect('input', () => prediction.concept('colour'), 'colour')
  await expect('input', () => prediction.explain({ policy: 'astrology' }), 'astrology')
  await expect('input', () => prediction.explain({ polcy: 'uncertainty' }), 'polcy', 'policy')
  await expect('input', () => prediction.explain({ occlusion: { words: 2 } }), 'words', 'maxWords')
  await expect('input', () => prediction.explain({ occlusion: { timeLimit: -1 } }), 'timeLimit')
  await expect('input', () => prediction.suggestInterventions({ policies: [] }), 'policies', 'policy')
  await expect('input', () => prediction.suggestInterventions({ costs: { colour: 2 } }), 'colour')
  await expect('input', () => prediction.suggestInterventions({ costs: { [concept]: 0 } }), 'above 0')
  await expect('format', () => api.readSubnetworks(new Uint8Array([1, 2, 3])), '3 bytes')
  await expect('input', () => model.withPatches('patch'), 'string')
  await expect('format', () => model.withPatches([{}]), 'patch')
  await expect('format', () => model.withPatches(['{']), 'patch')
  await expect('version', () => model.withPatches([{ version: '2.0' }]), '2.0')
  const layers = [{ name: 'nowhere', pruned: [], grown: [] }]
  await expect('input', () => model.withPatches([{ version: '1.0', concept, layers }]), 'patch 0', 'nowhere')
  // The command's own words, after what it was doing.
  const said = async (file) => new TextDecoder().decode(await read(file)).split('\n')[0]
  for (const [file, run] of [
    ['refused-concept.txt', () => prediction.intervene({ colour: 'red' })],
    ['refused-class.txt', () => prediction.intervene({ [concept]: 'purple' })],
    ['refused-file.txt', () => Model.loadSync(bytes.slice(0, 2000))],
  ]) {
    const [{ message }, line] = [await thrown(run), await said(file)]
    check(line.endsWith(message), `'${message}', but Rust says '${line}'`)
  }
  check(model.predict('\ud800 alone').tokens.length > 2, 'half a surrogate pair')
  prediction.free()
  prediction.free()
  check(prediction.label.class, 'a freed prediction keeps what it said')
  await expect('input', () => prediction.intervene({}), 'freed')
  await expect('input', () => prediction.correct({}), 'freed')
  const another = model.predict('x')
  another[Symbol.dispose]()
  await expect('input', () => another.intervene({}), 'freed')
  model[Symbol.dispose]()
  await expect('input', () => model.predict('x'), 'freed')
}

/**
 * A tokenizer at which the library panics: the template names a token that it does not explain. Each time it is an
 * error that says so, and the module goes on however often that happens.
 */
export async function panics(api, read, name) {
  const good = await read(`${name}.onnx`)
  const model = api.Model.loadSync(good)
  const answer = () => JSON.stringify(model.predict('bad plot, fine acting').concepts)
  const before = answer()
  const bad = good.slice()
  const text = new TextDecoder('latin1').decode(bad)
  bad.set(new TextEncoder().encode('"[XEP]"'), text.indexOf('"[SEP]"', text.indexOf('"single"')))
  for (let i = 0; i < 200; i++) {
    const error = await Promise.resolve(bad).then(api.Model.loadSync).catch((error) => error)
    const said = error instanceof api.SparseCbmError && error.code === 'engine' && error.found.startsWith('a panic: ')
    check(said, `load ${i} of a tokenizer that makes the library panic: ${error}`)
  }
  check(answer() === before, 'another answer after panics')
  model.free()
}

/** Memory grows neither with predictions nor with models loaded and freed again. */
export async function memory(api, read, name, predictions) {
  const bytes = await read(`${name}.onnx`)
  const texts = ['', 'Good food.', 'The service was slow, the room loud, and we left before the dessert came.']
  const cycle = () => {
    const model = api.Model.loadSync(bytes)
    for (const text of texts) model.predict(text).free()
    return model
  }
  // Twice: the allocator's free list settles in the second round.
  cycle().free()
  cycle().free()
  const before = api.memoryBytes()
  for (let round = 0; round < 3; round++) cycle().free()
  check(api.memoryBytes() === before, `loading again grew memory from ${before} to ${api.memoryBytes()} bytes`)
  const model = cycle()
  for (let i = 0; i < predictions; i++) {
    const prediction = model.predict(texts[i % texts.length])
    prediction.suppose({ [model.schema.concepts[0].name]: 0 }).free()
    prediction.correct({ [model.schema.concepts[0].name]: 0 }).free()
    prediction.free()
  }
  check(api.memoryBytes() === before, `${predictions} predictions grew memory to ${api.memoryBytes()} bytes`)
  model.free()
  return { bytes: before }
}

/** The worker's API: the same results, cancelled where asked. */
export async function worker(api, remote, read, name) {
  await remote.init()
  const bytes = await read(`${name}.onnx`)
  const near = api.Model.loadSync(bytes)
  const far = await remote.Model.load(bytes)
  check(JSON.stringify(far.schema) === JSON.stringify(near.schema), 'other schema')
  const text = 'Lovely staff, cold soup.'
  const [here, there] = [near.predict(text), await far.predict(text)]
  check(JSON.stringify(there) === JSON.stringify(here), 'other prediction')
  const change = { [near.schema.concepts[0].name]: 0 }
  const moved = await there.intervene(change)
  check(JSON.stringify(moved) === JSON.stringify(here.intervene(change)), 'other intervention')
  check(JSON.stringify(await there.suppose(change)) === JSON.stringify(moved), 'other supposition')
  const corrected = await there.correct(change)
  check(JSON.stringify(corrected) === JSON.stringify(here.correct(change)), 'other correction')
  check(corrected.concepts[0].question === 'correct' && moved.concepts[0].question === 'suppose', 'other question')
  check(JSON.stringify(await moved.undo()) === JSON.stringify(here), 'other undo')
  const patch = JSON.parse(new TextDecoder().decode(await read(`${name}-patch.json`)))
  const [edited, patched] = [await far.withPatches([patch]), near.withPatches([patch])]
  check(JSON.stringify(await edited.predict(text)) === JSON.stringify(patched.predict(text)), 'other patch')
  check(JSON.stringify(edited.patches) === JSON.stringify([patch]), 'other list of patches')
  check(
    String((await far.predict([text, ''])).map(({ tokens }) => tokens.length)) === `${here.tokens.length},2`,
    'two texts',
  )
  check(
    JSON.stringify(await there.suggestInterventions()) === JSON.stringify(here.suggestInterventions()),
    'other suggestions',
  )
  const [kept, own] = [await remote.readSubnetworks(bytes), await api.readSubnetworks(bytes)]
  check(JSON.stringify(kept) === JSON.stringify(own), 'other subnetworks')
  const aborted = await remote.Model.load(bytes, { signal: AbortSignal.abort() }).catch((error) => error)
  check(aborted?.name === 'AbortError', `aborting a load gave ${aborted}`)
  check(JSON.stringify(await there.explain({})) === JSON.stringify(here.explain()), 'other explanation')
  const failure = await far.predict(17).catch((error) => error)
  check(failure instanceof remote.SparseCbmError && failure.code === 'input', `no input error but ${failure}`)
  const many = Array(500).fill(text)
  const start = performance.now()
  for (const one of await far.predict(many)) one.free()
  const whole = performance.now() - start
  const controller = new AbortController()
  let finished = false
  const long = far.predict(many, { signal: controller.signal }).then(() => (finished = true))
  const short = far.predict(text)
  // In the midst of it.
  setTimeout(() => controller.abort(), whole / 20)
  const reason = await long.catch((error) => error)
  check(reason?.name === 'AbortError' && !finished, `cancelling gave ${reason}`)
  const cancelled = performance.now()
  check(JSON.stringify(await short) === JSON.stringify(here), 'what came after a cancelled call')
  const waited = performance.now() - cancelled
  check(waited < whole / 2, `a cancelled call kept the worker for ${waited} of ${whole} ms`)
  there.free()
  const freed = await there.intervene(change).catch((error) => error)
  check(freed?.code === 'input', `a freed prediction gave ${freed}`)
  far.free()
  const running = edited.predict(many).catch((error) => error)
  remote.terminate()
  for (const ended of [await running, await edited.predict(text).catch((error) => error)]) {
    check(ended instanceof remote.SparseCbmError && ended.code === 'unavailable', `after terminate: ${ended}`)
  }
}

/** A pool of workers: one model's answers bit for bit and in order, errors, cancelling, an end with work pending. */
export async function pool(api, { Pool, Prediction, SparseCbmError }, read, name) {
  const bytes = await read(`${name}.onnx`)
  const near = api.Model.loadSync(bytes)
  const words = ['bad', 'plot,', 'unwatched', 'acting!', 'naïve', '🙂', 'The', 'soup']
  // Of all lengths, in no order of them, some twice.
  const texts = Array.from({ length: 60 }, (_, i) => words.slice(i % 5).join(' ').repeat((i * 7) % 6))
  const said = (predictions) =>
    predictions.map((one) => `${JSON.stringify(one)} ${new Uint32Array(one.tokenEvidence.slice().buffer)}`)
  const expected = said(near.predict(texts))
  const same = (predictions, place) => {
    check(predictions.every((one) => one instanceof Prediction), `${place}: no predictions`)
    said(predictions).forEach((one, i) => check(one === expected[i], `${place}: another answer to text ${i}`))
    for (const one of predictions) one.free()
  }
  const refused = async (code, run, ...parts) => {
    const error = await run().catch((error) => error)
    check(error instanceof SparseCbmError && error.code === code, `no ${code} error but ${error}`)
    check(error.message === `${error.place}: found ${error.found}, expected ${error.expected}`, error.message)
    for (const part of parts) check(error.message.includes(part), `no '${part}' in: ${error.message}`)
  }

  const compiled = []
  const { compile, compileStreaming } = WebAssembly
  const spy = (run) => (source) => (compiled.push(source), run.call(WebAssembly, source))
  Object.assign(WebAssembly, { compile: spy(compile), compileStreaming: spy(compileStreaming) })
  const steps = []
  const three = await Pool.load(bytes, { workers: 3, onProgress: ({ loaded }) => steps.push(loaded) })
  Object.assign(WebAssembly, { compile, compileStreaming })
  check(compiled.length === 1, `three workers compiled the module ${compiled.length} times here`)
  check(steps.at(-1) === bytes.length && bytes.length > 0, `progress ends at ${steps.at(-1)} of ${bytes.length} bytes`)
  check(three.workers === 3 && JSON.stringify(three.schema) === JSON.stringify(near.schema), 'another model')
  check(three.engine === near.engine && JSON.stringify(three.masks) === JSON.stringify(near.masks), 'another engine')
  // An empty module: that the workers fail with it shows that they run what they are sent.
  const empty = await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))
  await refused('io', () => Pool.load(bytes, { workers: 2, module: empty }), 'WebAssembly module')
  await refused('io', () => Pool.load(bytes, { workers: 2, module: new Uint8Array([1, 2, 3]) }), 'WebAssembly module')

  const done = []
  const answers = await three.predict(texts, { onProgress: (progress) => done.push(progress) })
  check(String(done.map(({ done }) => done)) === String(texts.map((_, i) => i + 1)), `progress of ${done.length} texts`)
  check(done.every(({ total }) => total === texts.length), 'progress of other texts')
  const [{ name: concept }] = near.schema.concepts
  const supposed = await Promise.all(answers.map((one) => one.suppose({ [concept]: 0 })))
  const own = near.predict(texts).map((one) => one.suppose({ [concept]: 0 }))
  check(JSON.stringify(supposed) === JSON.stringify(own), 'other suppositions')
  for (const one of [...supposed, ...own]) one.free()
  same(answers, 'three workers')
  same([await three.predict(texts[0])], 'one text')
  check((await three.predict([])).length === 0, 'answers to no texts')

  const held = await three.memoryBytes()
  for (let round = 0; round < 20; round++) same(await three.predict(texts), `round ${round}`)
  // Which worker reads the longest text is at random.
  check((await three.memoryBytes()) < 1.2 * held, `memory grew from ${held} to ${await three.memoryBytes()} bytes`)

  for (const [wrong, found] of [[17, 'number'], [null, 'null'], [undefined, 'undefined']]) {
    await refused('input', () => three.predict(texts.with(41, wrong)), 'text 41', found)
  }
  await refused('input', () => three.predict(17), 'text', 'number')
  await refused('input', () => Pool.load(bytes, { workers: 0 }), 'workers', '0')
  await refused('input', () => Pool.load(bytes, { workers: 1.5 }), 'workers', '1.5')
  await refused('input', () => Pool.load(bytes, { worker: 2 }), 'worker', 'workers')
  await refused('input', () => Pool.load(17, { workers: 2 }), 'number')
  await refused('format', () => Pool.load(bytes.slice(0, bytes.length / 2), { workers: 2 }))
  await refused('io', () => Pool.load(new Response('', { status: 404 }), { workers: 2 }), '404')
  same(await three.predict(texts), 'after errors')

  const aborted = await Pool.load(bytes, { workers: 2, signal: AbortSignal.abort() }).catch((error) => error)
  check(aborted?.name === 'AbortError', `aborting a load gave ${aborted}`)
  const many = Array(20).fill(texts).flat()
  const start = performance.now()
  for (const one of await three.predict(many)) one.free()
  const whole = performance.now() - start
  const controller = new AbortController()
  const cancelled = three.predict(many, {
    signal: controller.signal,
    onProgress: ({ done }) => done === 10 && controller.abort(),
  })
  const beside = three.predict(texts)
  const reason = await cancelled.catch((error) => error)
  check(reason?.name === 'AbortError', `cancelling gave ${reason}`)
  const since = performance.now()
  same(await beside, 'beside a list that was cancelled')
  check(performance.now() - since < whole / 2, 'a list that was cancelled kept the workers')
  const failing = three.predict(many, {
    onProgress() {
      throw new Error('of the caller')
    },
  })
  check((await failing.catch((error) => error)).message === 'of the caller', 'an error of onProgress is lost')

  const two = await Pool.load(new Response(bytes), { workers: 2, module: read('sparsecbm.wasm') })
  const [here, there] = await Promise.all([two.predict(texts), three.predict(texts)])
  same(here, 'two pools, the one')
  same(there, 'two pools, the other')
  const [kept] = await three.predict(['kept'])
  const running = three.predict(many).catch((error) => error)
  three.terminate()
  await refused('unavailable', () => running.then((error) => Promise.reject(error)), 'terminate()')
  await refused('unavailable', () => three.predict(texts), 'terminate()')
  await refused('unavailable', () => kept.suppose({ [concept]: 0 }), 'terminate()')
  same(await two.predict(texts), 'the pool that was not ended')
  two[Symbol.dispose]()
  near.free()
}
