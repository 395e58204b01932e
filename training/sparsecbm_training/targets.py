"""What a model is trained towards, and the losses."""

import typing

import torch
import torch.nn.functional as F

from .batches import Texts, Tokens
from .model import Model
from .recipe import Recipe


class Targets:
    """Class probabilities of the concepts [N, K, C] and of the label [N, L], and what each counts for, [N, K] and [N]:
    a concept that nobody labelled counts for nothing."""

    def __init__(self, tokens: Tokens, rare: float = 0.0) -> None:
        """What people said. With `rare` above 0, rare classes count for more than others."""
        part = tokens.part
        self.concepts, self.labels = part.concepts.to(tokens.device), part.labels.to(tokens.device)
        known = part.known.float() * part.weights[:, None] * part.trust
        weights = [known[:, k] * balanced(part.concepts[:, k], rare) for k in range(known.shape[1])]
        self.concept_weights = torch.stack(weights, 1).to(tokens.device)
        self.label_weights = (part.weights * balanced(part.labels, rare)).to(tokens.device)
        self.row_weights = part.weights.to(tokens.device)
        self.followed: torch.Tensor | None = None

    def mix(self, concepts: torch.Tensor, labels: torch.Tensor, share: float) -> None:
        """Gives `share` of each target to a teacher's probabilities: distillation (Hinton et al. 2015, arXiv
        1503.02531). A teacher grades its answers, which says more about a text than one class does; and where nobody
        labelled a concept, its answer is all there is, and counts for that share."""
        concepts, labels = concepts.to(self.concepts.device), labels.to(self.labels.device)
        known = (self.concepts.sum(-1, keepdim=True) > 0).float()
        self.concepts = (1 - share) * self.concepts + (1 - known * (1 - share)) * concepts
        unlabelled = share * (1 - known[..., 0]) * self.row_weights[:, None]
        self.concept_weights = self.concept_weights + unlabelled
        self.labels = (1 - share) * self.labels + share * labels

    def follow(self, logits: torch.Tensor, real: torch.Tensor) -> None:
        """Takes concept logits [N, K, C] of a teacher to come close to. Its probabilities tell little of texts that it
        knows by heart: they are its classes. How sure it is, which the label is read from, stands in its logits."""
        self.real = real.float().to(self.concepts.device)
        self.followed = centred(logits.to(self.concepts.device), self.real)
        counts = self.real.sum(-1) * len(logits)
        self.spread = (self.followed.square().sum((0, 2)) / counts).clamp_min(1e-3)

    def distance(self, logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """How far concept logits [B, K, C] of chosen texts are from those: the mean square beside each concept's
        variance."""
        assert self.followed is not None
        return self.apart(logits, self.followed[chosen])

    def apart(self, logits: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """The same of concept logits and centred ones that they should come close to."""
        squares = (centred(logits, self.real) - others).square().sum(-1) / self.real.sum(-1)
        return (squares / self.spread).mean()


def centred(logits: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """With a mean of 0 over the classes that a concept has; others count for nothing."""
    kept = logits * real
    return (kept - kept.sum(-1, keepdim=True) / real.sum(-1, keepdim=True)) * real


def balanced(probabilities: torch.Tensor, rare: float) -> torch.Tensor:
    """What each row [N] counts for, by how rare its class is: its mean over the labelled rows is 1."""
    counts = probabilities.sum(0)
    weights = (counts.clamp_min(1.0) / counts.sum().clamp_min(1.0)) ** -rare
    each = (probabilities * weights).sum(-1)
    return each * probabilities.sum() / each.sum().clamp_min(1e-9)


def weighted(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of what counts."""
    each = -(targets * logits.log_softmax(-1)).sum(-1)
    return (weights * each).sum() / weights.sum().clamp_min(1e-6)


def joint_loss(
    model: Model, concept_logits: torch.Tensor, targets: Targets, chosen: torch.Tensor, recipe: Recipe
) -> torch.Tensor:
    """CE(label) + lambda * mean CE(concepts), the paper's joint objective; and the distance to a teacher's logits."""
    label = weighted(model.label_logits(concept_logits), targets.labels[chosen], targets.label_weights[chosen])
    concept = weighted(concept_logits, targets.concepts[chosen], targets.concept_weights[chosen])
    loss = label + recipe.concept_weight * concept
    if targets.followed is not None:
        loss = loss + recipe.match * targets.distance(concept_logits, chosen)
    return loss


class Teacher:
    """The dense CBM, asked about texts that nobody has labelled: those of a batch, with tokens left out. What it says
    of texts that it knows by heart is little more than their labels; of others it shows what it has learned (after Jiao
    et al. 2020, "TinyBERT", arXiv 1909.10351, which replaces words)."""

    MOST = 0.5  # of a text's tokens

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        self.model, self.dtype = model, dtype

    def loss(self, model: Model, texts: Texts, logits: torch.Tensor, targets: Targets, recipe: Recipe) -> torch.Tensor:
        """The joint loss with all targets from the dense CBM, of concept logits [B, K, C]."""
        with torch.no_grad():
            said = self.model.concept_logits(texts, self.dtype)
            label_said = self.model.label_logits(said).softmax(-1)
        label = -(label_said * model.label_logits(logits).log_softmax(-1)).sum(-1).mean()
        concept = -(said.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()
        apart = targets.apart(logits, centred(said, targets.real))
        return label + recipe.concept_weight * concept + recipe.match * apart


class Corrections:
    """CE(label) after corrections, so that the model learns to profit from them (after Zarlenga et al. 2023, "Learning
    to Receive Help", arXiv 2309.16928). In each text every wrong concept, and some right ones, are overridden with
    their gold class, through an effect E (p' - p) that is learned alongside."""

    RIGHT_TOO = 0.25  # chance of a right concept to be overridden as well

    def __init__(self, tokens: Tokens, model: Model, random: torch.Generator) -> None:
        head = model.heads["label_head.weight"]
        self.gold, self.random = tokens.concepts.to(head.device), random
        self.effect = torch.zeros_like(head, requires_grad=True)

    def loss(self, model: Model, concept_logits: torch.Tensor, targets: Targets, chosen: typing.Any) -> torch.Tensor:
        gold = self.gold[chosen]
        p = concept_logits.softmax(-1)
        right_too = torch.rand(gold.shape, generator=self.random) < self.RIGHT_TOO
        overridden = (p.argmax(-1) != gold) | right_too.to(gold.device, non_blocking=True)
        overridden &= gold >= 0
        change = overridden[..., None] * (F.one_hot(gold.clamp_min(0), p.shape[-1]) - p)
        label_logits = model.label_logits(concept_logits) + change.flatten(1) @ self.effect.T
        return weighted(label_logits, targets.labels[chosen], targets.label_weights[chosen])
