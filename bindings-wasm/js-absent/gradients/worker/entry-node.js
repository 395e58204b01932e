export * from '../../absent.js'
export { default } from '../../absent.js'
