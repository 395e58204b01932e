// A CommonJS program that uses the package: node common.cjs MODEL.onnx
const { readFileSync } = require('node:fs')
const { Model, initSync } = require('sparsecbm')
const { Pool } = require('sparsecbm/pool')
const remote = require('sparsecbm/worker')

async function main() {
  initSync(readFileSync(require.resolve('sparsecbm/sparsecbm.wasm')))
  const model = Model.loadSync(readFileSync(process.argv[2]))
  const { label } = model.predict('Good food.')
  await remote.init()
  const far = await remote.Model.load(process.argv[2])
  const there = (await far.predict('Good food.')).label
  if (JSON.stringify(label) !== JSON.stringify(there)) throw new Error('the worker says something else')
  const pool = await Pool.load(process.argv[2], { workers: 2 })
  const [, last] = await pool.predict(['', 'Good food.'])
  if (JSON.stringify(label) !== JSON.stringify(last.label)) throw new Error('the pool says something else')
  console.log(`ok   CommonJS ${label.class}`)
}
main()
