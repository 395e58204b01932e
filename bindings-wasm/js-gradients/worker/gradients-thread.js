import { integrating, made, searching } from '../gradients.js'
import { finishWithPauses } from '../work.js'

/** The methods that `serve` has for gradients, beside those of models and predictions. */
export const gradientMethods = (Gradients) => ({ get, keep, take }) => ({
  gradients(loader, model) {
    const gradients = Gradients[made](take(loader), get(model))
    return { handle: keep(gradients), about: { engine: gradients.engine } }
  },
  edit(gradients, concept, examples, guards, limits, { pause }) {
    const predictions = examples.map(({ prediction, ...rest }) => ({ prediction: get(prediction), ...rest }))
    const work = get(gradients)[searching](concept, predictions, { guards: guards.map(get), ...limits })
    return finishWithPauses(work, pause)
  },
  integratedGradients(gradients, prediction, options, { pause }) {
    return finishWithPauses(get(gradients)[integrating](get(prediction), options), pause)
  },
})
