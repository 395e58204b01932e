"""The training loop, for the dense CBM and for the sparse one. A loop can be left at any step and taken up again."""

import time
import typing

import torch

from . import masks, metrics, structure
from .backbone.dropout import Dropout
from .batches import Batch, Tokens, shortened
from .evidence import Places
from .model import Model, State
from .recipe import Recipe
from .run import Run
from .targets import Corrections, Targets, Teacher, joint_loss

WARM = 4  # steps after which it is known what one takes: the first compile their products
LOOKS = 12  # at the calibration part, at most, in a stage


Loader = typing.Callable[[], tuple[typing.Any, dict[str, torch.Tensor]]]  # of a backbone and its weights


class Plan(typing.NamedTuple):
    steps: int
    rate: float
    dropout: float


class Lessons(typing.NamedTuple):
    """What a model learns from."""

    targets: Targets
    teacher: Teacher | None = None
    places: Places | None = None
    corrections: Corrections | None = None


class Settings(typing.NamedTuple):
    """What every stage needs."""

    recipe: Recipe
    dtype: torch.dtype
    run: Run
    random: torch.Generator


def predict(model: Model, tokens: Tokens, dtype: torch.dtype = torch.float32, size: int = 64) -> torch.Tensor:
    """Concept logits of all texts, in their order, on the CPU; computed where the tokens are."""
    model = model.to(tokens.device)
    result = torch.empty(len(tokens), *model.heads["concept_head.bias"].shape, device=tokens.device)
    with torch.no_grad():
        for batch in tokens.batches(size):
            result[batch.indices] = model.concept_logits(tokens.pad(batch), dtype)
    return result.cpu()


def report(model: Model, tokens: Tokens, dtype: torch.dtype) -> tuple[float, float]:
    """Concept and label accuracy, quickly."""
    logits = predict(model, tokens, dtype)
    with torch.no_grad():
        label = model.label_logits(logits)
    return metrics.accuracy(logits, tokens.concepts), metrics.accuracy(label, tokens.labels)


def told(model: Model, concept: float, label: float) -> str:
    """Accuracies in words. A plain classifier has its label in the place of the concepts."""
    plain = len(model.heads["label_head.bias"]) == 1
    return f"label {concept:.1%}" if plain else f"concepts {concept:.1%}, label {label:.1%}"


class Said(typing.NamedTuple):
    """What a model says: probabilities of concepts and label, and the concepts' logits."""

    concepts: torch.Tensor
    labels: torch.Tensor
    logits: torch.Tensor


def own_predictions(model: Model, tokens: Tokens, dtype: torch.dtype) -> Said:
    logits = predict(model, tokens, dtype)
    with torch.no_grad():
        return Said(logits.softmax(-1), model.label_logits(logits).softmax(-1), logits)


def optimizer(model: Model, rate: float, recipe: Recipe) -> torch.optim.AdamW:
    trained = [value for key, value in model.weights.items() if model.backbone.is_trained(key)]
    matrices = [value for value in trained if value.dim() == 2]
    vectors = [value for value in trained if value.dim() == 1]
    heads = [value for key, value in model.heads.items() if key.endswith("weight")]
    biases = [value for key, value in model.heads.items() if key.endswith("bias")]
    for value in trained + heads + biases:
        value.requires_grad_()
    return torch.optim.AdamW(
        [
            {"params": matrices, "lr": rate, "weight_decay": recipe.weight_decay},
            {"params": vectors, "lr": rate, "weight_decay": 0.0},
            {"params": heads, "lr": 10 * rate, "weight_decay": recipe.weight_decay},
            {"params": biases, "lr": 10 * rate, "weight_decay": 0.0},
        ],
        fused=True,
    )


class Loop:
    """One optimizer at work on a model, a batch at a time."""

    def __init__(self, model: Model, tokens: Tokens, lessons: Lessons, plan: Plan, settings: Settings) -> None:
        self.model, self.tokens, self.settings = model, tokens, settings
        self.targets, self.teacher, self.places, self.corrections = lessons
        self.steps, self.rate = plan.steps, plan.rate
        self.planned = plan.steps
        self.step = self.position = 0
        self.queue: list[Batch] = []
        self.extra: dict[str, typing.Any] = {}  # what the stage keeps between steps
        self.dropout = Dropout(plan.dropout, settings.random, settings.dtype, tokens.device)
        self.make_optimizer()
        self.seconds = 0.0  # of a step, in this stretch of work
        if saved := settings.run.taken_up():
            self.take_up(saved)

    def make_optimizer(self) -> None:
        self.optimizer = optimizer(self.model, self.rate, self.settings.recipe)
        if self.corrections:
            group = {"params": [self.corrections.effect], "lr": 10 * self.rate, "weight_decay": 0.0}
            self.optimizer.add_param_group(group)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        # Columns of classes that a concept does not have read logits of -10000: they stay 0.
        head, real = self.model.heads["label_head.weight"], self.model.real.flatten()
        head.register_hook(lambda gradient: gradient * real)

    def batches(self) -> typing.Iterator[Batch]:
        """The batches of all steps, in a new order each time round."""
        random, run = self.settings.random, self.settings.run
        started, first = time.monotonic(), self.step
        while self.step < self.steps:
            if self.position == len(self.queue):
                self.random_before = random.get_state()
                self.queue, self.position = self.tokens.batches(self.settings.recipe.batch or 32, random), 0
            if run.due():
                run.save(self.state())
            yield self.queue[self.position]
            self.position += 1
            self.step += 1
            run.advance(self.cost)
            if self.step == first + WARM:
                started = time.monotonic()
            if self.step >= first + 2 * WARM:
                self.seconds = (time.monotonic() - started) / (self.step - first - WARM)
                left = run.steps_left(self.seconds, self.cost)
                if left is not None and self.step < self.steps:
                    # Pruning makes the first steps long: what they predict may turn out too few.
                    self.steps = min(self.planned, self.step + left)

    @property
    def cost(self) -> float:
        """Of a step, in steps of the dense model."""
        return 1.0 if self.model.masks is None else float(self.model.concepts)

    def learn(self, batch: Batch, scale: float) -> torch.Tensor:
        """Learns from a batch, at `scale` of the highest rate; returns its loss, that nothing has waited for yet."""
        recipe = self.settings.recipe
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = scale * rate
        texts, random = self.tokens.pad(batch), self.settings.random
        shorten = self.teacher and float(torch.rand(1, generator=random)) < recipe.shorten
        if shorten:
            texts = shortened(texts, Teacher.MOST, random, self.tokens.multiple)
        if self.places and not shorten:
            logits, evidence = self.model.logits_and_evidence(texts, self.settings.dtype, self.dropout)
        else:
            logits, evidence = self.model.concept_logits(texts, self.settings.dtype, self.dropout), None
        if self.teacher and shorten:
            loss = self.teacher.loss(self.model, texts, logits, self.targets, recipe)
        else:
            loss = joint_loss(self.model, logits, self.targets, batch.indices, recipe)
        if self.places and evidence is not None:
            loss = loss + recipe.evidence * self.places.loss(evidence, texts, batch.indices, self.model.real)
        if self.corrections:
            corrected = self.corrections.loss(self.model, logits, self.targets, batch.indices)
            loss = loss + recipe.corrected_weight * corrected
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, typing.Any]:
        """All that is needed to go on as if nothing had happened."""
        packed = self.model.masks and {name: masks.pack(mask.cpu(), 1) for name, mask in self.model.masks.items()}
        return {
            "stage": self.settings.run.name,
            "step": self.step, "steps": self.steps, "position": self.position, "extra": self.extra,
            "model": self.model.state(), "masks": packed, "optimizer": self.optimizer.state_dict(),
            "effect": self.corrections and self.corrections.effect.detach(),
            "random_before": self.random_before, "random": self.settings.random.get_state(),
        }  # fmt: skip

    def take_up(self, saved: dict[str, typing.Any]) -> None:
        random = self.settings.random
        random.set_state(saved["random_before"])
        self.random_before = saved["random_before"]
        self.queue = self.tokens.batches(self.settings.recipe.batch or 32, random)
        random.set_state(saved["random"])
        self.step, self.steps, self.position = saved["step"], saved["steps"], saved["position"]
        self.extra = saved["extra"]
        self.model.restore(saved["model"])
        if saved["masks"] is not None:
            self.model.masks = unpacked(saved["masks"], self.model, self.settings.dtype)
        if self.corrections:
            self.corrections.effect = saved["effect"].requires_grad_()
        self.make_optimizer()
        self.optimizer.load_state_dict(saved["optimizer"])
        self.settings.run.advance(self.step * self.cost)


def unpacked(packed: dict[str, torch.Tensor], model: Model, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Masks of single weights, as training multiplies with them."""
    weights = {name: model.weights[f"{name}.weight"] for name in packed}
    return {
        name: masks.unpack(bits, *weights[name].shape).to(dtype).to(weights[name].device)
        for name, bits in packed.items()
    }


def fit(
    model: Model, fitting: Tokens, lessons: Lessons, calibration: Tokens, plan: Plan, settings: Settings,
    before_step: typing.Callable[[Loop], None] | None = None,
) -> State:  # fmt: skip
    """Trains by a plan; `before_step` may change the masks. The rate rises for 6 % of the steps, then falls to 0.

    Returns the state that was best on the calibration part; the model is left as the last step left it. Where that part
    is too small to tell, it neither stops nor chooses: the mean of the weights over the last quarter of the steps is
    returned.
    """
    loop = Loop(model, fitting, lessons, plan, settings)
    loop.extra = loop.extra or {"best": -1.0, "kept": model.state(), "waited": 0, "total": 0.0}
    extra, patience = loop.extra, settings.recipe.patience
    telling = len(calibration) >= settings.recipe.telling
    every = max(1, len(fitting) // (settings.recipe.batch or 32), plan.steps // LOOKS)
    for batch in loop.batches():
        if before_step:
            before_step(loop)
        warm = max(1.0, 0.06 * loop.steps)
        falling = (loop.steps - loop.step) / max(1.0, loop.steps - warm)
        extra["total"] += float(loop.learn(batch, min((loop.step + 1) / warm, falling)))
        if not telling and loop.step + 1 > 0.75 * loop.steps and (loop.step % 5 == 0 or loop.step + 1 == loop.steps):
            extra["count"] = 1 + extra.get("count", 0)
            extra["kept"] = (
                model.state() if extra["count"] == 1 else drawn(extra["kept"], model.state(), 1 / extra["count"])
            )
        if (loop.step + 1) % every and loop.step + 1 < loop.steps:
            continue
        concept, label = report(model, calibration, settings.dtype)
        settings.run.say(
            f"  step {loop.step + 1:,} of {loop.steps:,}: loss {extra['total'] / every:.3f}; calibration part: "
            f"{told(model, concept, label)}; all will be done about {settings.run.until}"
        )
        extra["total"] = 0.0
        if not telling:
            continue
        if concept + label > extra["best"]:
            extra |= {"best": concept + label, "kept": model.state(), "waited": 0}
        else:
            extra["waited"] += 1
        if patience and extra["waited"] >= patience and loop.step > loop.steps / 2:
            settings.run.say(f"  no gain in {patience} looks: stopped")
            break
    return typing.cast(State, extra["kept"])


def drawn(state: State, towards: State, share: float) -> State:
    """The state, moved by that share of the way to the other."""
    for kept, new in zip(state, towards):
        for key, value in kept.items():
            value += share * (new[key] - value)
    return state


def average(
    model: Model, fitting: Tokens, lessons: Lessons, calibration: Tokens, plan: Plan, settings: Settings
) -> None:  # fmt: skip
    """Trains on at a constant rate and leaves the model at the mean of the weights that it passed through (Izmailov
    et al. 2018, arXiv 1803.05407). After pruning this takes the place of early stopping: the calibration part is too
    small to tell which of the last states is the best, and the mean of their weights needs no choice."""
    if not plan.steps:
        return
    loop = Loop(model, fitting, lessons, plan, settings)
    loop.extra = loop.extra or {"mean": model.state(), "count": 0}
    extra = loop.extra
    for batch in loop.batches():
        loop.learn(batch, 1.0)
        if (loop.step + 1) % 10 == 0:
            extra["count"] += 1
            drawn(extra["mean"], model.state(), 1 / extra["count"])
    model.restore(extra["mean"])
    concept, label = report(model, calibration, settings.dtype)
    settings.run.say(f"  mean weights: calibration part: concepts {concept:.1%}, label {label:.1%}")


def fit_dense(model: Model, fitting: Tokens, calibration: Tokens, settings: Settings) -> None:
    """The dense CBM: what pruning starts from, and the baseline."""
    recipe = settings.recipe
    plan = Plan(recipe.dense_steps or 1, recipe.dense_rate or 0.0, recipe.dense_dropout)
    model.restore(fit(model, fitting, Lessons(Targets(fitting, recipe.rare)), calibration, plan, settings))


def towards(dense: Said, model: Model, fitting: Tokens, settings: Settings, share: float) -> Targets:
    """What people said, mixed with what the dense CBM says."""
    targets = Targets(fitting, settings.recipe.rare)
    targets.mix(dense.concepts, dense.labels, share)
    targets.follow(dense.logits, model.real)
    return targets


def fit_sparse(model: Model, fitting: Tokens, lessons: Lessons, calibration: Tokens, settings: Settings) -> None:
    """Gradual pruning from the dense model, then tuning with the masks frozen."""
    recipe = settings.recipe
    model.masks = model.masks or masks.full(model, settings.dtype)
    prunings = recipe.prunings or 1

    def prune(loop: Loop) -> None:
        """In even distances over the first steps, however many there turn out to be."""
        span = max(1, int(recipe.prune_share * loop.steps))
        due = min(prunings, 1 + loop.step * prunings // span)
        done = loop.extra.setdefault("pruned", 0)
        if done >= due:
            return
        sparsity = masks.sparsity_at(due, prunings, recipe.sparsity)
        masks.prune(model, fitting, sparsity, recipe, settings.random, settings.dtype)
        overlap = masks.mean_overlap(masks.overlap(model.masks))
        settings.run.say(f"  step {loop.step}: pruned to {sparsity:.1%}, mean overlap of two masks {overlap:.2f}")
        loop.extra["pruned"] = due

    plan = Plan(recipe.steps or 1, recipe.rate, recipe.dropout)
    fit(model, fitting, lessons, calibration, plan, settings, prune)


def fit_average(model: Model, fitting: Tokens, lessons: Lessons, calibration: Tokens, settings: Settings) -> None:
    """Some more steps whose weights are averaged."""
    recipe = settings.recipe
    plan = Plan(recipe.average_steps or 0, recipe.average_rate, recipe.dropout)
    average(model, fitting, lessons, calibration, plan, settings)


def settle(
    model: Model, fitting: Tokens, calibration: Tokens, teacher: tuple[torch.Tensor, torch.Tensor],
    places: Places | None, settings: Settings,
) -> None:  # fmt: skip
    """Tunes the pruned model towards a cross-fitted teacher's probabilities, and to profit from corrections. Leaves it
    between where it was and where that led: such mixtures are often better than both ends (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models", arXiv 2109.01903). Here tuning gains on concepts and loses on the
    label."""
    recipe = settings.recipe
    targets = Targets(fitting, recipe.rare)
    targets.mix(*teacher, recipe.settle_distill)
    corrections = Corrections(fitting, model, settings.random)
    started = model.state()
    plan = Plan(recipe.settle_steps or 1, recipe.settle_rate, recipe.dropout)
    average(model, fitting, Lessons(targets, None, places, corrections), calibration, plan, settings)
    settled = model.state()
    drawn(settled, started, recipe.settle_keep)
    model.restore(settled)
    concept, label = report(model, calibration, settings.dtype)
    settings.run.say(f"  mixed with the weights before: calibration part: concepts {concept:.1%}, label {label:.1%}")


def take_wholes_first(model: Model, fitting: Tokens, settings: Settings) -> None:
    """Takes whole heads and neurons away from the dense model, before it is pruned: all steps after that are faster. Of
    each layer the same share of neurons goes, so that all subnetworks need the same few sizes of products."""
    recipe, dtype = settings.recipe, settings.dtype
    parts = model.backbone.parts
    heads, neurons = list(parts.heads()), list(parts.neurons(recipe.block))
    moved = structure.tried_by_all(model, heads, fitting, recipe, settings.random, dtype) if recipe.whole_heads else []
    model.masks = masks.full(model, dtype)
    each = len(neurons) // parts.layers
    for k in range(model.concepts):
        if recipe.whole_heads:
            structure.take_least(model, heads, [of_head[k] for of_head in moved], recipe.whole_heads, k)
        if recipe.whole_neurons:
            salient = structure.saliencies(model, neurons, k, fitting, recipe, settings.random, dtype)
            for start in range(0, len(neurons), each):
                chosen = slice(start, start + each)
                structure.take_least(model, neurons[chosen], salient[chosen], recipe.whole_neurons, k)


def take_wholes(model: Model, fitting: Tokens, settings: Settings) -> None:
    """Takes away whole heads and neurons (`structure.py`) of a pruned model."""
    recipe, dtype = settings.recipe, settings.dtype
    heads_left = neurons_left = 0
    for k in range(model.concepts):
        if recipe.whole_heads:
            heads = structure.live_heads(model, k)
            moved = structure.tried(model, heads, k, fitting, recipe, settings.random, dtype)
            heads_left += structure.take_least(model, heads, moved, recipe.whole_heads, k)
        if recipe.whole_neurons:
            neurons = structure.live_neurons(model, k, recipe.block)
            salient = structure.saliencies(model, neurons, k, fitting, recipe, settings.random, dtype)
            neurons_left += structure.take_least(model, neurons, salient, recipe.whole_neurons, k)
    assert model.masks
    settings.run.say(
        f"  left to a concept: {heads_left / model.concepts:.0f} heads, "
        f"{neurons_left / model.concepts:.0f} groups of neurons; "
        f"sparsity {masks.sparsity(model.masks):.1%}"
    )


def mend(
    model: Model, before: Said, fitting: Tokens, calibration: Tokens, places: Places | None, settings: Settings
) -> None:
    """Tunes the model to answer as it did before."""
    recipe = settings.recipe
    targets = towards(before, model, fitting, settings, 1.0)
    plan = Plan(recipe.mend_steps or 0, recipe.mend_rate, recipe.dropout)
    average(model, fitting, Lessons(targets, None, places), calibration, plan, settings)
