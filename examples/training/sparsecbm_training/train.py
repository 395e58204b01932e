"""The training loop, for the dense CBM and for the sparse one."""

import math
import time

import torch
import torch.nn.functional as F

from . import backbone, masks, metrics


def fast(options):
    """What training computes in."""
    return torch.bfloat16 if options.bf16 else torch.float32


class Targets:
    """What a model is trained towards: class probabilities of the concepts [N, K, C] and of the label [N, L]."""

    def __init__(self, tokens, model):
        """The gold classes, one-hot."""
        classes, labels = model.heads["concept_head.bias"].shape[1], len(model.heads["label_head.bias"])
        self.concepts = F.one_hot(tokens.concepts, classes).float()
        self.labels = F.one_hot(tokens.labels, labels).float()

    def mix(self, teacher, tokens, share, dtype):
        """Gives `share` of each target to what the teacher predicts: distillation (Hinton et al. 2015, arXiv
        1503.02531). The dense CBM grades its answers, which says more about a review than one class does."""
        concepts = predict(teacher, tokens, dtype)
        with torch.no_grad():
            labels = teacher.label_logits(concepts)
        self.concepts = (1 - share) * self.concepts + share * concepts.softmax(-1)
        self.labels = (1 - share) * self.labels + share * labels.softmax(-1)


def joint_loss(model, concept_logits, targets, chosen, options):
    """CE(label) + lambda * mean CE(concepts), the paper's joint objective."""
    label = F.cross_entropy(model.label_logits(concept_logits), targets.labels[chosen])
    concept = F.cross_entropy(concept_logits.flatten(0, 1), targets.concepts[chosen].flatten(0, 1))
    return label + options.concept_weight * concept


def predict(model, tokens, dtype=torch.float32, size=64):
    """Concept logits of all reviews, in their order."""
    result = torch.empty(len(tokens), *model.heads["concept_head.bias"].shape)
    with torch.no_grad():
        for chosen in tokens.batches(size):
            result[chosen] = model.concept_logits(*tokens.pad(chosen), dtype)
    return result


def report(model, tokens, options):
    """Concept and label accuracy, quickly."""
    logits = predict(model, tokens, fast(options))
    with torch.no_grad():
        label = model.label_logits(logits)
    return metrics.accuracy(logits, tokens.concepts), metrics.accuracy(label, tokens.labels)


def optimizer(model, rate, options):
    trained = [value for key, value in model.weights.items() if backbone.is_trained(key)]
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

    def __init__(self, model, fitting, targets, rate, drop, options, random):
        self.model, self.fitting, self.targets, self.options = model, fitting, targets, options
        self.dropout = backbone.Dropout(drop, random, fast(options))
        self.optimizer = optimizer(model, rate, options)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]

    def step(self, chosen):
        """Learns from the reviews `chosen`; returns their loss."""
        ids, attention = self.fitting.pad(chosen)
        logits = self.model.concept_logits(ids, attention, fast(self.options), self.dropout)
        loss = joint_loss(self.model, logits, self.targets, chosen, self.options)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return float(loss.detach())


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
        for chosen in fitting.batches(options.batch, random):
            if before_step:
                before_step(step)
            total += learner.step(chosen) * len(chosen)
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


def average(model, fitting, targets, calibration, options, random, say):
    """Trains on at a constant rate and leaves the model at the mean of the weights that it passed through (Izmailov
    et al. 2018, arXiv 1803.05407). After pruning this takes the place of early stopping: the calibration part is too small
    to tell which of the last epochs is the best, and the mean of their weights needs no choice."""
    learner = Learner(model, fitting, targets, options.average_rate, options.dropout, options, random)
    mean, count, step = model.state(), 0, 0
    for _ in range(options.average_epochs):
        for chosen in fitting.batches(options.batch, random):
            learner.step(chosen)
            step += 1
            if step % 10 == 0:
                count += 1
                for kept, new in zip(mean, model.state()):
                    for key, value in kept.items():
                        value += (new[key] - value) / count
    model.restore(mean)
    concept, label = report(model, calibration, options)
    say(f"  mean weights of {options.average_epochs} more epochs: calibration concepts {concept:.3f} label {label:.3f}")


def steps_of(tokens, options):
    """Optimizer steps in an epoch."""
    return math.ceil(len(tokens) / options.batch)


def fit_dense(model, fitting, calibration, options, random, say):
    """The dense CBM: what pruning starts from, and the baseline."""
    targets = Targets(fitting, model)
    plan = options.dense_epochs, options.dense_rate, options.dense_dropout
    model.restore(fit(model, fitting, targets, calibration, plan, options, random, say))


def fit_sparse(model, fitting, calibration, options, random, say):
    """Gradual pruning from the dense model, then tuning with the masks frozen, then averaging."""
    targets = Targets(fitting, model)
    targets.mix(model, fitting, options.distill, fast(options))
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
    average(model, fitting, targets, calibration, options, random, say)
