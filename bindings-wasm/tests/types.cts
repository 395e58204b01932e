// Compiled, never run: what a CommonJS program sees.
import sparsecbm = require('sparsecbm')
import pools = require('sparsecbm/pool')
import worker = require('sparsecbm/worker')

async function main(): Promise<sparsecbm.Explanation> {
  await sparsecbm.init()
  const model = await sparsecbm.Model.load('model.onnx')
  const report: sparsecbm.SubnetworkReport = await worker.readSubnetworks('model.onnx')
  const prediction = model.predict(report.concepts.join()).suppose({ noise: 'positive' }).correct({ food: 0 })
  const pool: pools.Pool = await pools.Pool.load('model.onnx')
  pool.terminate()
  const question: sparsecbm.Question | null | undefined = prediction.concepts[0]?.question
  void question
  return prediction.explain()
}
void main
