"""What a model answers when a concept is overridden, fitted after training on reviews that it was not trained on.

With c the concept logits, p_k = softmax(c_k), and q what is asserted of concept k:

    base            = (W c + b) / T
    supposed(k, q)  = E_k (q - p_k) + V [relu(A c + u + U_k q) - relu(A c + u + U_k p_k)]
    corrected(k, q) = F_k (q - p_k)
    label logits    = base + the sum of supposed(k, q_k) and corrected(k, q_k) over overridden k

*Suppose* is "the same visit, but quiet". It is fitted on human edits: the review before, with the edited concept
supposed, should get the label that people gave the review after. Where there are no edits it is fitted so that the mean
label after supposing class j of everybody is the one that a regression of the label on gold concepts gives
(`adjusted`).

*Correct* is "you misread the text". It is fitted on the same text with gold concepts told: P(label | text, concepts).

Before both, the probabilities are made honest: one temperature for each concept and one for the label, by likelihood.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F

PADDING = -10000.0  # the logit of a class that a concept does not have
DEFAULTS = {
    "label_ridge": 1.0,  # ridge that keeps the label head near what training found; infinite: it stays
    "answer_hidden": (0, 24),  # hidden units of suppose to choose from
    "answer_ridges": (3.0, 10.0, 30.0),  # ridges of suppose to choose from, in units of one example
    "correct_ridges": (10.0, 30.0, 100.0, 300.0),  # the same of correct
    "answer_draws": 3,  # random subsets of told concepts for each review
    "answer_parts": 5,  # parts of the cross-validation
    "answer_steps": 150,  # of the optimizer
}


@dataclasses.dataclass
class Examples:
    """Reviews, what a model that was not trained on them says of each, and what people say."""

    logits: torch.Tensor  # [N, K, C], padded with PADDING
    concepts: torch.Tensor  # [N, K, C] gold probabilities
    known: torch.Tensor  # [N, K] whether people said
    labels: torch.Tensor  # [N, L] probabilities
    weights: torch.Tensor  # [N]
    pairs: list  # of data.Pair
    groups: torch.Tensor  # [N] the same number for an original and its edits
    own: torch.Tensor | None = None  # [N] whether the model itself said it, and not one like it; None: all

    def where(self, chosen):
        """Some of the reviews [N], and the pairs that have both ends there."""
        position = torch.cumsum(chosen.long(), 0) - 1
        pairs = [
            dataclasses.replace(pair, review=int(position[pair.review]), after=int(position[pair.after]))
            for pair in self.pairs
            if chosen[pair.review] and chosen[pair.after]
        ]
        tensors = {
            field.name: value[chosen]
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None and field.name != "pairs"
        }
        return Examples(pairs=pairs, **tensors)


@dataclasses.dataclass
class Hidden:
    """The hidden layer of suppose: A [H, K*C], U [H, K*C], u [H], V [L, H]."""

    read: torch.Tensor
    asserted: torch.Tensor
    bias: torch.Tensor
    output: torch.Tensor


class Answers:
    """The label function of a checkpoint."""

    def __init__(self, weight, bias, temperature, suppose, correct, hidden=None, notes=None):
        self.weight, self.bias, self.temperature = weight, bias, temperature
        self.suppose, self.correct, self.hidden = suppose, correct, hidden
        self.notes = notes or {}  # how the fit went, for the record

    def __call__(self, logits, supposed=None, corrected=None):
        """Label logits [N, L] of concept logits [N, K, C]. Each override is a pair: which concepts [N, K] (bool), and
        what is asserted of them [N, K, C]."""
        result = self.base(logits)
        if supposed:
            result = result + supposing(logits, *supposed, self.suppose, self.hidden)
        if corrected:
            result = result + asserting(logits, *corrected, self.correct)
        return result

    def base(self, logits):
        return (logits.flatten(1) @ self.weight.T + self.bias) / self.temperature

    def tensors(self):
        """By their names in a checkpoint, without W and b."""
        result = {"suppose_head.weight": self.suppose, "correct_head.weight": self.correct}
        if self.hidden:
            result |= {f"suppose_hidden.{key}": value for key, value in vars(self.hidden).items()}
        return result


def asserting(logits, chosen, asserted, head):
    """The sum over chosen k of head_k (q_k - p_k)."""
    change = chosen[..., None] * (asserted - logits.softmax(-1))
    return change.flatten(1) @ head.T


def supposing(logits, chosen, asserted, head, hidden=None):
    """The sum over chosen k of supposed(k, q_k)."""
    result = asserting(logits, chosen, asserted, head)
    if hidden is None:
        return result
    count, concepts, classes = logits.shape
    read = logits.flatten(1) @ hidden.read.T + hidden.bias
    by_concept = hidden.asserted.unflatten(1, (concepts, classes))
    p = logits.softmax(-1)
    for k in range(concepts):
        rows = torch.nonzero(chosen[:, k]).flatten()
        if len(rows):
            after = (read[rows] + asserted[rows, k] @ by_concept[:, k].T).relu()
            before = (read[rows] + p[rows, k] @ by_concept[:, k].T).relu()
            result = result.index_add(0, rows, (after - before) @ hidden.output.T)
    return result


def real_classes(classes, width):
    """[K, C]: whether the concept has that class."""
    return torch.arange(width) < torch.tensor(classes)[:, None]


def minimize(parameters, loss, steps):
    """By L-BFGS, in place. Where the outcome is not finite everything is 0."""
    optimize = torch.optim.LBFGS(parameters, max_iter=steps, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def closure():
        optimize.zero_grad()
        value = loss()
        value.backward()
        return value

    optimize.step(closure)
    finite = all(bool(parameter.isfinite().all()) for parameter in parameters)
    with torch.no_grad():
        for parameter in parameters:
            if not finite:
                parameter.zero_()
            parameter.requires_grad_(False)


def weighted(losses, weights):
    """The weighted mean, and 0 of nothing."""
    return (weights * losses).sum() / weights.sum().clamp_min(1e-12)


def bounded(log_temperature):
    """Keeps a temperature within 1/20 and 20: logits that say nothing would drive it to infinity."""
    limit = math.log(20)
    return limit * torch.tanh(log_temperature / limit)


def concept_temperatures(examples, steps):
    """One for each concept [K], by likelihood, drawn towards 1 as by one example."""
    logs = torch.zeros(examples.logits.shape[1], requires_grad=True)
    weights = examples.known * examples.weights[:, None]

    def loss():
        scaled = examples.logits / bounded(logs).exp()[:, None]
        losses = -(examples.concepts * scaled.log_softmax(-1)).sum(-1)
        return weighted(losses, weights) + logs.square().sum() / weights.sum().clamp_min(1)

    minimize([logs], loss, steps)
    return bounded(logs).exp()


def label_calibration(weight, bias, examples, ridge, steps):
    """T, W and b by likelihood. Training found W on reviews that the model knows by heart, hence the shift, with a
    strong ridge."""
    log_temperature = torch.zeros((), requires_grad=True)
    weight_shift = torch.zeros_like(weight, requires_grad=True)  # of W / T
    bias_shift = torch.zeros_like(bias, requires_grad=True)
    used = (weight != 0).float()
    inputs = examples.logits.flatten(1)
    free = math.isfinite(ridge)
    prior = 1 / examples.weights.sum().clamp_min(1)

    def loss():
        temperature = bounded(log_temperature).exp()
        predicted = inputs @ (weight / temperature + used * weight_shift).T + bias / temperature + bias_shift
        value = weighted(F.cross_entropy(predicted, examples.labels, reduction="none"), examples.weights)
        value = value + prior * log_temperature.square()
        if free:
            value = value + ridge * weight_shift.square().sum() + prior * bias_shift.square().sum()
        return value

    minimize([log_temperature] + free * [weight_shift, bias_shift], loss, steps)
    temperature = float(bounded(log_temperature.detach()).exp())
    return weight + temperature * used * weight_shift.detach(), bias + temperature * bias_shift.detach(), temperature


def scale_concepts(heads, temperatures, real):
    """Puts concept temperatures into the concept head and their inverse into the label head: predictions stay."""
    heads["concept_head.weight"] = heads["concept_head.weight"] / temperatures[:, None, None]
    heads["concept_head.bias"] = torch.where(real, heads["concept_head.bias"] / temperatures[:, None], PADDING)
    columns = temperatures[:, None].expand(real.shape).flatten()
    heads["label_head.weight"] = heads["label_head.weight"] * columns


@dataclasses.dataclass
class Asked:
    """Overrides to learn from: concept logits, which concepts are overridden with what, base label logits, and the
    label that should come out."""

    logits: torch.Tensor
    chosen: torch.Tensor
    asserted: torch.Tensor
    base: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


def edits(examples, base):
    """Human edits as examples of supposing."""
    before = torch.tensor([pair.review for pair in examples.pairs], dtype=torch.long)
    after = torch.tensor([pair.after for pair in examples.pairs], dtype=torch.long)
    concept = torch.tensor([pair.concept for pair in examples.pairs], dtype=torch.long)
    said = torch.tensor([pair.new_class for pair in examples.pairs], dtype=torch.long)
    _, concepts, classes = examples.logits.shape
    asserted = F.one_hot(said, classes).float()[:, None].expand(-1, concepts, -1)
    return Asked(
        examples.logits[before],
        F.one_hot(concept, concepts).bool(),
        asserted,
        base[before],
        examples.labels[after],
        examples.weights[before],
    )


def adjusted(examples, base, classes, steps):
    """What takes the place of edits where there are none. The label is regressed on gold concepts (where nobody said,
    what the model says). Then each class of each concept is supposed of every review, and should give what the
    regression gives with that class and the review's other concepts. For a linear head, likelihood then makes the mean
    change that supposing predicts the adjusted difference of the label between reviews of the two classes."""
    count, concepts, width = examples.logits.shape
    gold = torch.where(examples.known[..., None], examples.concepts, examples.logits.softmax(-1))
    labels = examples.labels.shape[1]
    weight = torch.zeros(labels, concepts * width, requires_grad=True)
    bias = torch.zeros(labels, requires_grad=True)
    prior = 1 / examples.weights.sum().clamp_min(1)

    def loss():
        predicted = gold.flatten(1) @ weight.T + bias
        losses = F.cross_entropy(predicted, examples.labels, reduction="none")
        return weighted(losses, examples.weights) + prior * (weight.square().sum() + bias.square().sum())

    minimize([weight, bias], loss, steps)
    parts = []
    for k in range(concepts):
        for j in range(classes[k]):
            chosen = torch.zeros(count, concepts, dtype=torch.bool)
            chosen[:, k] = True
            told = gold.clone()
            told[:, k] = F.one_hot(torch.tensor(j), width).float()
            target = (told.flatten(1) @ weight.T + bias).softmax(-1)
            parts.append(Asked(examples.logits, chosen, told, base, target, examples.weights))
    return joined(parts)


def joined(parts):
    names = [field.name for field in dataclasses.fields(Asked)]
    return Asked(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def told(examples, base, draws, random):
    """Gold concepts told of the text itself: random subsets, the first n wrong ones, all."""
    count, concepts, width = examples.logits.shape
    wrong = (examples.logits.argmax(-1) != examples.concepts.argmax(-1)) & examples.known
    choices = [(torch.rand(count, concepts, generator=random) < torch.rand(count, 1, generator=random), 1 / draws)]
    choices += [
        (torch.rand(count, concepts, generator=random) < torch.rand(count, 1, generator=random), 1 / draws)
        for _ in range(draws - 1)
    ]
    choices += [(wrong & (wrong.cumsum(1) <= n), 1 / concepts) for n in range(1, concepts + 1)]
    choices += [(torch.ones(count, concepts, dtype=torch.bool), 1.0)]
    return joined(
        [
            Asked(
                examples.logits,
                chosen & examples.known,
                examples.concepts,
                base,
                examples.labels,
                share * examples.weights,
            )
            for chosen, share in choices
        ]
    )


def start_hidden(units, real, labels, random):
    """Small random hidden layer; V starts at 0, so supposing starts as the linear form."""
    size = real.numel()
    read = 0.1 * torch.randn(units, size, generator=random) * real.flatten()
    asserted = 0.3 * torch.randn(units, size, generator=random) * real.flatten()
    return Hidden(read, asserted, torch.zeros(units), torch.zeros(labels, units))


def fit_suppose(asked, real, units, ridge, steps, random):
    """E and the hidden layer, by likelihood with a ridge that counts as much as `ridge` examples' losses, whatever
    their number: with few examples it rules and supposing does nothing."""
    labels = asked.base.shape[1]
    head = torch.zeros(labels, real.numel(), requires_grad=True)
    used = real.flatten().float()
    logits = torch.where(real, asked.logits, PADDING)
    spread = logits[:, real].std().clamp_min(1e-3) if logits.shape[0] > 1 else torch.ones(())
    hidden = start_hidden(units, real, labels, random) if units else None
    parameters = [head] + ([value.requires_grad_() for value in vars(hidden).values()] if hidden else [])
    total = asked.weights.sum().clamp_min(1e-12)

    def scaled():
        """The ridge is on a hidden layer that reads logits of spread 1."""
        return hidden and Hidden(hidden.read * used / spread, hidden.asserted * used, hidden.bias, hidden.output)

    def loss():
        predicted = asked.base + supposing(logits, asked.chosen, asked.asserted, head * used, scaled())
        value = weighted(F.cross_entropy(predicted, asked.labels, reduction="none"), asked.weights)
        size = head.square().sum()
        if hidden:
            size = size + sum(part.square().sum() for part in (hidden.read, hidden.asserted, hidden.output))
        return value + ridge / total * size

    if asked.weights.sum() > 0:
        minimize(parameters, loss, steps)
    with torch.no_grad():
        return head.detach() * used, scaled() and Hidden(**{k: v.detach().clone() for k, v in vars(scaled()).items()})


def fit_correct(asked, real, ridge, steps):
    """F, by likelihood with a ridge as of `fit_suppose`."""
    head = torch.zeros(asked.base.shape[1], real.numel(), requires_grad=True)
    used = real.flatten().float()
    change = (asked.chosen[..., None] * (asked.asserted - asked.logits.softmax(-1))).flatten(1)
    total = asked.weights.sum().clamp_min(1e-12)

    def loss():
        predicted = asked.base + change @ (head * used).T
        value = weighted(F.cross_entropy(predicted, asked.labels, reduction="none"), asked.weights)
        return value + ridge / total * head.square().sum()

    if asked.weights.sum() > 0:
        minimize([head], loss, steps)
    return head.detach() * used


def held_out(examples, parts):
    """The parts of a cross-validation by group: pairs of masks [N], fitted and held out."""
    part = examples.groups % parts
    present = [int(number) for number in part.unique()]
    return [(part != number, part == number) for number in present] if len(present) > 1 else []


def choose_suppose(examples, base, real, forms, steps, parts, seed):
    """Mean likelihood loss of held-out edits for each form (units, ridge), and the form whose loss is least: the first
    of equals."""
    losses = []
    for units, ridge in forms:
        total = count = 0.0
        for fitted, held in held_out(examples, parts):
            seen, unseen = edits(examples.where(fitted), base[fitted]), edits(examples.where(held), base[held])
            if len(unseen.base):
                found = fit_suppose(seen, real, units, ridge, steps, torch.Generator().manual_seed(seed))
                predicted = unseen.base + supposing(unseen.logits, unseen.chosen, unseen.asserted, *found)
                total += float((unseen.weights * F.cross_entropy(predicted, unseen.labels, reduction="none")).sum())
                count += float(unseen.weights.sum())
        losses.append(total / count if count else math.inf)
    return forms[losses.index(min(losses))], losses


def corrections(examples):
    """What is told, [N, K] each: 0, 1, … wrong concepts in schema order, and last all."""
    wrong = (examples.logits.argmax(-1) != examples.concepts.argmax(-1)) & examples.known
    return [wrong & (wrong.cumsum(1) <= n) for n in range(wrong.shape[1] + 1)] + [examples.known]


def choose_correct(examples, base, real, ridges, steps, parts, draws, seed):
    """Held-out label accuracy for each ridge, after 0, 1, … wrong concepts are corrected and after all are told; and
    the ridge. It is the one that gains most from telling all, among those that gain and where no step falls by more
    than a tenth of a standard error of accuracy; None where there is none."""
    told_in_steps = corrections(examples)
    right = torch.zeros(len(ridges), len(told_in_steps), len(base), dtype=torch.float64)
    weights = torch.zeros(len(base), dtype=torch.float64)
    for fitted, held in held_out(examples, parts):
        seen = told(examples.where(fitted), base[fitted], draws, torch.Generator().manual_seed(seed))
        weights[held] = examples.weights[held].double()
        for i, ridge in enumerate(ridges):
            head = fit_correct(seen, real, ridge, steps)
            for j, chosen in enumerate(told_in_steps):
                asserted = asserting(examples.logits[held], chosen[held], examples.concepts[held], head)
                predicted = (base[held] + asserted).argmax(-1)
                right[i, j, held] = (predicted == examples.labels[held].argmax(-1)).double()
    total = weights.sum().clamp_min(1e-12)
    curves = (right @ weights / total).tolist()
    tolerance = 0.1 * 0.5 * float(weights.square().sum().sqrt() / total)
    gains = {}
    for i, curve in enumerate(curves):
        least = min((after - before for before, after in zip(curve, curve[1:-1])), default=0.0)
        if least >= -tolerance and min(curve[1:]) > curve[0]:
            gains[i] = curve[-1] - curve[0]
    if not gains:
        return None, curves
    return ridges[max(gains, key=gains.get)], curves


def fit(heads, examples, classes, values, options, random, say):
    """Fits everything that comes after training, in place in `heads`, and returns the label function.

    `classes` holds the number of classes of each concept. `values` is what label classes are worth, or None: nothing
    fitted needs it. What `options` does not say is as in DEFAULTS."""
    option = {key: getattr(options, key, value) for key, value in DEFAULTS.items()}
    steps, parts, seed = option["answer_steps"], option["answer_parts"], int(torch.randint(2**31, (), generator=random))
    concepts, width = examples.logits.shape[1:]
    real = real_classes(classes, width)
    examples = dataclasses.replace(examples, logits=torch.where(real, examples.logits, PADDING))
    own = examples if examples.own is None else examples.where(examples.own)

    temperatures = concept_temperatures(own, steps)
    weight = heads["label_head.weight"].detach() * real.flatten()
    weight, bias, temperature = label_calibration(
        weight, heads["label_head.bias"].detach(), own, option["label_ridge"], steps
    )
    heads |= {"label_head.weight": weight, "label_head.bias": bias}
    heads |= {key: heads[key].detach() for key in ("concept_head.weight", "concept_head.bias")}
    scale_concepts(heads, temperatures, real)
    scaled = torch.where(real, examples.logits / temperatures[:, None], PADDING)
    examples = dataclasses.replace(examples, logits=scaled)
    notes = {"concept_temperatures": temperatures.tolist(), "pairs": len(examples.pairs)}
    nothing = torch.zeros_like(weight)
    answers = Answers(heads["label_head.weight"], bias, temperature, nothing, nothing, None, notes)
    base = answers.base(scaled)

    if examples.pairs:
        forms = [(units, ridge) for units in option["answer_hidden"] for ridge in option["answer_ridges"]]
        form, losses = (
            choose_suppose(examples, base, real, forms, steps, parts, seed) if len(forms) > 1 else (forms[0], [])
        )
        asked = edits(examples, base)
        notes["suppose_losses"] = {
            f"{units} units, ridge {ridge:g}": loss for (units, ridge), loss in zip(forms, losses)
        }
        say(f"  suppose: loss on held-out edits {notes['suppose_losses']}")
    else:
        say("  suppose: no edits, so it is fitted from gold concepts and labels alone")
        form, asked = (0, 1.0), adjusted(examples, base, classes, steps)
    notes["suppose"] = {"units": form[0], "ridge": form[1], "from_edits": bool(examples.pairs)}
    say(f"  suppose: {notes['suppose']}")
    answers.suppose, answers.hidden = fit_suppose(asked, real, *form, steps, torch.Generator().manual_seed(seed))

    ridge, curves = choose_correct(
        examples, base, real, option["correct_ridges"], steps, parts, option["answer_draws"], seed
    )
    notes["correct_curves"] = {f"ridge {ridge:g}": curve for ridge, curve in zip(option["correct_ridges"], curves)}
    notes["correct"] = {"ridge": ridge}
    say(f"  correct: label accuracy on held-out reviews {notes['correct_curves']}")
    if ridge is None:
        say("  correct: nothing helps on held-out reviews, so correcting changes no label")
    else:
        say(f"  correct: ridge {ridge:g}")
        asked = told(examples, base, option["answer_draws"], torch.Generator().manual_seed(seed))
        answers.correct = fit_correct(asked, real, ridge, steps)
    return answers
