// The worker entry for Node.
import { open } from '../node-files.js'
import { workerApi } from './client.js'
import { spawn } from './node-spawn.js'

export const { init, terminate, memoryBytes, readSubnetworks, Model, Prediction, SparseCbmError } = workerApi({
  open,
  spawn,
})
export default init
