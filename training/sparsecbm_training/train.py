"""The training loop, for the dense CBM and for the sparse one."""

import math
import time

import torch
import torch.nn.functional as F

from . import masks, metrics, structure
from .backbone.dropout import Dropout


def fast(options):
    """What training computes in."""
    return torch.bfloat16 if options.bf16 else torch.float32


class Targets:
    """What a model is trained towards: class probabilities of the concepts [N, K, C] and of the label [N, L]."""

    def __init__(self, tokens, model):
        """The gold classes, one-hot."""
        classes, labels = model.heads["concept_head.bias"].shape[1], len(model.heads["label_head.bias"])
        self.concepts = F.one_hot(tokens.concepts, classes).float().to(tokens.device)
        self.labels = F.one_hot(tokens.labels, labels).float().to(tokens.device)

    def mix(self, concepts, labels, share):
        """Gives `share` of each target to a teacher's probabilities: distillation (Hinton et al. 2015, arXiv
        1503.02531). A teacher grades its answers, which says more about a review than one class does."""
        self.concepts = (1 - share) * self.concepts + share * concepts.to(self.concepts.device)
        self.labels = (1 - share) * self.labels + share * labels.to(self.labels.device)


def joint_loss(model, concept_logits, targets, chosen, options):
    """CE(label) + lambda * mean CE(concepts), the paper's joint objective."""
    label = F.cross_entropy(model.label_logits(concept_logits), targets.labels[chosen])
    concept = F.cross_entropy(concept_logits.flatten(0, 1), targets.concepts[chosen].flatten(0, 1))
    return label + options.concept_weight * concept


class Corrections:
    """CE(label) after corrections, so that the model learns to profit from them (after Zarlenga et al. 2023, "Learning
    to Receive Help", arXiv 2309.16928). In each review every wrong concept, and some right ones, are overridden with
    their gold class, through an effect E (p' - p) that is learned alongside."""

    RIGHT_TOO = 0.25  # chance of a right concept to be overridden as well

    def __init__(self, tokens, model, random):
        head = model.heads["label_head.weight"]
        self.gold, self.random = tokens.concepts.to(head.device), random
        self.effect = torch.zeros_like(head, requires_grad=True)

    def loss(self, model, concept_logits, targets, chosen):
        gold = self.gold[chosen]
        p = concept_logits.softmax(-1)
        right_too = torch.rand(gold.shape, generator=self.random) < self.RIGHT_TOO
        overridden = (p.argmax(-1) != gold) | right_too.to(gold.device, non_blocking=True)
        change = overridden[..., None] * (F.one_hot(gold, p.shape[-1]) - p)
        label_logits = model.label_logits(concept_logits) + change.flatten(1) @ self.effect.T
        return F.cross_entropy(label_logits, targets.labels[chosen])


def predict(model, tokens, dtype=torch.float32, size=64):
    """Concept logits of all reviews, in their order, on the CPU; computed where the tokens are."""
    model = model.to(tokens.device)
    result = torch.empty(len(tokens), *model.heads["concept_head.bias"].shape, device=tokens.device)
    with torch.no_grad():
        for batch in tokens.batches(size):
            result[batch.indices] = model.concept_logits(tokens.pad(batch), dtype)
    return result.cpu()


def report(model, tokens, options):
    """Concept and label accuracy, quickly."""
    logits = predict(model, tokens, fast(options))
    with torch.no_grad():
        label = model.label_logits(logits)
    return metrics.accuracy(logits, tokens.concepts), metrics.accuracy(label, tokens.labels)


def optimizer(model, rate, options):
    trained = [value for key, value in model.weights.items() if model.backbone.is_trained(key)]
    matrices = [value for value in trained if value.dim() == 2]
    vectors = [value for value in trained if value.dim() == 1]
    heads = list(model.heads.values())
    for value in trained + heads:
        value.requires_grad_()
    return torch.optim.AdamW(
        [
            {"params": matrices, "lr": rate, "weight_decay": options.weight_decay},
            {"params": vectors, "lr": rate, "weight_decay": 0.0},
            {"params": heads, "lr": 10 * rate, "weight_decay": options.weight_decay},
        ],
        fused=True,
    )


class Learner:
    """One optimizer at work on a model: a batch at a time."""

    def __init__(self, model, fitting, targets, rate, drop, options, random, corrections=None):
        self.model, self.fitting, self.targets, self.options = model, fitting, targets, options
        self.corrections = corrections
        self.dropout = Dropout(drop, random, fast(options), fitting.device)
        self.optimizer = optimizer(model, rate, options)
        if corrections:
            self.optimizer.add_param_group({"params": [corrections.effect], "lr": 10 * rate, "weight_decay": 0.0})
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]

    def step(self, batch):
        """Learns from a batch; returns its loss, a tensor that nothing has waited for yet."""
        logits = self.model.concept_logits(self.fitting.pad(batch), fast(self.options), self.dropout)
        loss = joint_loss(self.model, logits, self.targets, batch.indices, self.options)
        if self.corrections:
            corrected = self.corrections.loss(self.model, logits, self.targets, batch.indices)
            loss = loss + self.options.corrected_weight * corrected
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return loss.detach()


def fit(model, fitting, targets, calibration, plan, options, random, say, before_step=None):
    """Trains by a plan (epochs, learning rate, dropout); `before_step(step)` may change the masks.

    Returns the state after the epoch that was best on the calibration part; the model is left as the last one left it.
    """
    epochs, rate, drop = plan
    learner = Learner(model, fitting, targets, rate, drop, options, random)
    steps = epochs * steps_of(fitting, options)
    warm = 0.06 * steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        learner.optimizer, lambda step: min((step + 1) / warm, (steps - step) / (steps - warm))
    )
    best, kept, step = -1.0, None, 0
    for epoch in range(epochs):
        started, total = time.monotonic(), 0.0
        for batch in fitting.batches(options.batch, random):
            if before_step:
                before_step(step)
            total += learner.step(batch).double() * len(batch)
            schedule.step()
            step += 1
        concept, label = report(model, calibration, options)
        say(
            f"  epoch {epoch + 1}/{epochs}: loss {total / len(fitting):.3f}, calibration concepts "
            f"{concept:.3f} label {label:.3f}, {time.monotonic() - started:.0f} s"
        )
        if concept + label > best:
            best, kept = concept + label, model.state()
    return kept


def average(model, fitting, targets, calibration, plan, options, random, say, corrections=None):
    """Trains on at a constant rate and leaves the model at the mean of the weights that it passed through (Izmailov
    et al. 2018, arXiv 1803.05407). After pruning this takes the place of early stopping: the calibration part is too small
    to tell which of the last epochs is the best, and the mean of their weights needs no choice."""
    epochs, rate, drop = plan
    learner = Learner(model, fitting, targets, rate, drop, options, random, corrections)
    mean, count, step = model.state(), 0, 0
    for _ in range(epochs):
        for batch in fitting.batches(options.batch, random):
            learner.step(batch)
            step += 1
            if step % 10 == 0:
                count += 1
                for kept, new in zip(mean, model.state()):
                    for key, value in kept.items():
                        value += (new[key] - value) / count
    model.restore(mean)
    concept, label = report(model, calibration, options)
    say(f"  mean weights of {epochs} more epochs: calibration concepts {concept:.3f} label {label:.3f}")


def steps_of(tokens, options):
    """Optimizer steps in an epoch."""
    return math.ceil(len(tokens) / options.batch)


def fit_dense(model, fitting, calibration, options, random, say):
    """The dense CBM: what pruning starts from, and the baseline."""
    targets = Targets(fitting, model)
    plan = options.dense_epochs, options.dense_rate, options.dense_dropout
    model.restore(fit(model, fitting, targets, calibration, plan, options, random, say))


def own_predictions(model, tokens, options):
    """What the model says now: probabilities of concepts and label."""
    logits = predict(model, tokens, fast(options))
    with torch.no_grad():
        return logits.softmax(-1), model.label_logits(logits).softmax(-1)


def fit_sparse(model, fitting, calibration, options, random, say):
    """Gradual pruning from the dense model, then tuning with the masks frozen, then averaging."""
    targets = Targets(fitting, model)
    targets.mix(*own_predictions(model, fitting, options), options.distill)
    model.masks = masks.full(model, fast(options))
    span = int(options.prune_share * options.epochs * steps_of(fitting, options))
    events = {round(i * span / options.prunings): i + 1 for i in range(options.prunings)}

    def before_step(step):
        if step in events:
            sparsity = masks.sparsity_at(events[step], options.prunings, options.sparsity)
            masks.prune(model, fitting, sparsity, options, random, fast(options))
            overlap = masks.mean_overlap(masks.overlap(model.masks))
            say(f"  step {step}: pruned to {sparsity:.1%}, mean overlap of two masks {overlap:.2f}")

    plan = options.epochs, options.rate, options.dropout
    fit(model, fitting, targets, calibration, plan, options, random, say, before_step)
    plan = options.average_epochs, options.average_rate, options.dropout
    average(model, fitting, targets, calibration, plan, options, random, say)


def settle(model, fitting, calibration, teacher, options, random, say):
    """Tunes the pruned model towards a cross-fitted teacher's probabilities, and to profit from corrections. Leaves it
    between where it was and where that led: such mixtures are often better than both ends (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models", arXiv 2109.01903). Here tuning gains on concepts and loses on the label."""
    targets = Targets(fitting, model)
    targets.mix(*teacher, options.settle_distill)
    corrections = Corrections(fitting, model, random)
    started = model.state()
    plan = options.settle_epochs, options.settle_rate, options.dropout
    average(model, fitting, targets, calibration, plan, options, random, say, corrections)
    settled = model.state()
    for before, after in zip(started, settled):
        for key, value in after.items():
            value += options.settle_keep * (before[key] - value)
    model.restore(settled)
    concept, label = report(model, calibration, options)
    say(f"  mixed with the weights before: calibration concepts {concept:.3f} label {label:.3f}")


def take_wholes(model, fitting, calibration, options, random, say):
    """Takes away whole heads and neurons (`structure.py`), then tunes the model to answer as it did before."""
    dtype = fast(options)
    targets = Targets(fitting, model)
    targets.mix(*own_predictions(model, fitting, options), 1.0)
    for k in range(model.concepts):
        if options.whole_heads:
            heads = structure.live_heads(model, k)
            moved = structure.tried(model, heads, k, fitting, options, random, dtype)
            left = structure.take_least(model, heads, moved, options.whole_heads, k)
            say(f"  concept {k}: {left} of {len(heads)} heads left")
        if options.whole_neurons:
            neurons = structure.live_neurons(model, k, options.block)
            salient = structure.saliencies(model, neurons, k, fitting, options, random, dtype)
            left = structure.take_least(model, neurons, salient, options.whole_neurons, k)
            say(f"  concept {k}: {left} of {len(neurons)} groups of neurons left")
    concept, label = report(model, calibration, options)
    sparsity = masks.sparsity(model.masks)
    say(f"  sparsity {sparsity:.1%}; without tuning: calibration concepts {concept:.3f} label {label:.3f}")
    plan = options.mend_epochs, options.mend_rate, options.dropout
    average(model, fitting, targets, calibration, plan, options, random, say)
