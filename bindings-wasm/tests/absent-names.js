// Every name that `sparsecbm/gradients` and its worker export where they are there.
export {
  default,
  Gradients,
  Model,
  Prediction,
  SparseCbmError,
  init,
  initSync,
  memoryBytes,
  readSubnetworks,
} from 'sparsecbm/gradients'
export { Gradients as RemoteGradients, default as start, terminate } from 'sparsecbm/gradients/worker'
