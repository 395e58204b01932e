"""The label's temperature, head and effect head, fitted after training on reviews that weights and masks did not see.

label logits = (W c + b) / T + E (p' − p), p the concept probabilities and p' the same after overrides.

Replacing logits in a jointly trained bottleneck makes the label worse, for its logits say more than the concept's
class. E instead learns from gold concepts what a corrected concept does to the label. Its likelihood is stacked from
three kinds of example, all of the calibration part: reviews as predicted; reviews with a random subset of their
concepts, or the first n wrong ones, put right; and human edits, where the original review with the edited concept
overridden should get the label that the edited review got.
"""

import math

import torch
import torch.nn.functional as F

from . import metrics


class Head:
    """The label function of a checkpoint: label logits from concept logits and probabilities after overrides."""

    def __init__(self, weight, bias, temperature, effect):
        self.weight, self.bias, self.temperature, self.effect = weight, bias, temperature, effect

    def __call__(self, concept_logits, probabilities):
        change = probabilities - concept_logits.softmax(-1)
        return (concept_logits.flatten(1) @ self.weight.T + self.bias) / self.temperature + change.flatten(1) @ self.effect.T


class Examples:
    """The stacked examples: which review, which of its concepts are overridden and with what class, and the label
    that should come out. `weights` sum to one for each kind, times that kind's weight."""

    def __init__(self, concept_logits, gold, labels, pairs, options, random):
        count, concepts, classes = concept_logits.shape
        everything = torch.arange(count)
        wrong = concept_logits.argmax(-1) != gold
        self.reviews, self.overridden, self.classes, self.labels, self.weights = [], [], [], [], []
        self.add(everything, torch.zeros(count, concepts, dtype=torch.bool), gold, labels, 1.0)
        for _ in range(options.effect_draws):
            chosen = torch.rand(count, concepts, generator=random) < torch.rand(count, 1, generator=random)
            self.add(everything, chosen, gold, labels, options.effect_subsets / options.effect_draws)
        for n in range(1, concepts + 1):
            self.add(everything, wrong & (wrong.cumsum(1) <= n), gold, labels, options.effect_wrong / concepts)
        if pairs:
            edited = torch.tensor([pair.concept for pair in pairs])
            self.add(
                torch.tensor([pair.review for pair in pairs]),
                F.one_hot(edited, concepts).bool(),
                torch.tensor([pair.new_class for pair in pairs])[:, None].expand(-1, concepts),
                torch.tensor([pair.new_label for pair in pairs]),
                options.effect_edits,
            )
        self.reviews, self.overridden, self.labels = map(torch.cat, (self.reviews, self.overridden, self.labels))
        self.values = F.one_hot(torch.cat(self.classes), classes).float()
        self.weights = torch.cat(self.weights)

    def add(self, reviews, overridden, classes, labels, weight):
        self.reviews.append(reviews)
        self.overridden.append(overridden)
        self.classes.append(classes)
        self.labels.append(labels)
        self.weights.append(torch.full((len(reviews),), weight / len(reviews)))

    def change(self, p):
        """p' - p of every example, flat, from the probabilities of every review."""
        p = p[self.reviews]
        return (self.overridden[..., None] * (self.values - p)).flatten(1)


def ordinal_basis(stars):
    """Two directions for an effect on ordered classes: up or down, and towards or away from the middle. An effect
    head free in every class fits the calibration part better and new reviews worse."""
    value = torch.tensor(stars)
    line = (value - value.mean()) / value.std()
    bend = line.square() - line.square().mean()
    if not bend.abs().max() > 1e-6:  # two classes are as far from the middle
        return line[:, None]
    return torch.stack([line, bend / bend.std()], 1)


def bounded(log_temperature):
    """Keeps a temperature within 1/20 and 20: logits that say nothing would drive it to infinity."""
    limit = math.log(20)
    return limit * torch.tanh(log_temperature / limit)


def fit(heads, concept_logits, gold, labels, pairs, stars, options, random):
    """Fits everything that comes after training, in place in `heads`, and returns the label function.

    Together by maximum likelihood: T and a shift of W and b (with a ridge, for training found W on reviews that the
    model knows by heart), E (in the ordinal basis, with a ridge), and one temperature for each concept,
    which makes p honest about how sure it is; without it overfitted concepts are near 0 or 1 even where they are wrong.
    A concept's temperature goes into its own head, and its inverse into the label head, so that predictions stay.
    As W is fitted on so few reviews, the ridge on its shift is strong.

    Likelihood alone does not serve corrections best, so two factors follow, chosen by cross-validation inside the
    calibration part. Edits ask for a strong effect, for the whole text changed with them; corrected mistakes ask for a
    weak one, for the text is what it was: `effect_strength` weakens the effect beside the label's own logits. And
    `effect_softness` divides both, which changes no predicted class but keeps expected stars from saturating.
    """
    examples = Examples(concept_logits, gold, labels, pairs, options, random)
    weight, bias = heads["label_head.weight"].detach(), heads["label_head.bias"].detach()
    basis = ordinal_basis(stars)
    concepts = gold.shape[1]
    log_temperature = torch.zeros((), requires_grad=True)
    log_concept_temperatures = torch.zeros(concepts, 1, requires_grad=True)  # before `bounded`
    loadings = torch.zeros(basis.shape[1], weight.shape[1], requires_grad=True)
    weight_shift = torch.zeros_like(weight, requires_grad=True)  # of W / T
    bias_shift = torch.zeros_like(bias, requires_grad=True)
    parameters = [weight_shift, bias_shift, log_temperature, log_concept_temperatures, loadings]
    optimize = torch.optim.LBFGS(parameters, max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss():
        optimize.zero_grad()
        scaled = concept_logits / bounded(log_concept_temperatures).exp()
        change = examples.change(scaled.softmax(-1))
        temperature = bounded(log_temperature).exp()
        base = concept_logits.flatten(1) @ (weight / temperature + weight_shift).T + bias / temperature + bias_shift
        predicted = base[examples.reviews] + change @ (basis @ loadings).T
        value = (examples.weights * F.cross_entropy(predicted, examples.labels, reduction="none")).sum()
        value = value + options.effect_concepts * F.cross_entropy(scaled.flatten(0, 1), gold.flatten())
        value = value + options.effect_ridge * (basis @ loadings).square().sum()
        value = value + options.label_ridge * weight_shift.square().sum()
        value.backward()
        return value

    optimize.step(loss)
    softened = bounded(log_concept_temperatures.detach()).exp()
    heads["concept_head.weight"] = heads["concept_head.weight"] / softened[..., None]
    heads["concept_head.bias"] = heads["concept_head.bias"] / softened
    per_column = softened.expand(-1, concept_logits.shape[-1]).flatten()
    temperature = float(bounded(log_temperature.detach()).exp())
    heads["label_head.weight"] = (weight + temperature * weight_shift.detach()) * per_column
    heads["label_head.bias"] = bias + temperature * bias_shift.detach()
    effect = options.effect_strength / options.effect_softness * (basis @ loadings).detach()
    softened_temperature = options.effect_softness * temperature
    return Head(heads["label_head.weight"], heads["label_head.bias"], softened_temperature, effect)
