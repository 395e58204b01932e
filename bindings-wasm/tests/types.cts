// Compiled, never run: what a CommonJS program sees.
import sparsecbm = require('sparsecbm')
import worker = require('sparsecbm/worker')

async function main(): Promise<sparsecbm.Explanation> {
  await sparsecbm.init()
  const model = await sparsecbm.Model.load('model.onnx')
  const report: sparsecbm.SubnetworkReport = await worker.readSubnetworks('model.onnx')
  return model.predict(report.concepts.join()).explain()
}
void main
