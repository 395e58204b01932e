// In a package that was built without it, the entry `sparsecbm/gradients` says so, in whichever way it is imported.
import { check } from './suite.js'

/** `more` are further ways to import it. */
export async function absent(more = []) {
  const ways = [
    () => import('./absent-names.js'),
    () => import('sparsecbm/gradients'),
    () => import('sparsecbm/gradients/worker'),
  ]
  for (const way of [...ways, ...more]) {
    const error = await Promise.resolve().then(way).catch((error) => error)
    check(error.name === 'SparseCbmError' && error.code === 'unavailable', `${way} gave ${error}`)
    check(error.message.includes('bindings-wasm/build --gradients'), error.message)
  }
  return { ways: ways.length + more.length }
}
