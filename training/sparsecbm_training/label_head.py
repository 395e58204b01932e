"""A linear label head fitted apart from a model, cross-fitted, and what gold concepts add to it."""

import torch
import torch.nn.functional as F

from . import metrics

RIDGE = 1e-3


def cross_fitted(inputs, labels, parts, classes):
    """Label logits [N, L] from inputs [N, ...]: a linear head is fitted on all parts but one and predicts that one."""
    inputs = inputs.flatten(1)
    result = torch.empty(len(labels), classes)
    for held in parts.unique():
        weight = torch.zeros(classes, inputs.shape[1], requires_grad=True)
        bias = torch.zeros(classes, requires_grad=True)
        optimize = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")
        fitted = parts != held

        def loss():
            optimize.zero_grad()
            value = F.cross_entropy(inputs[fitted] @ weight.T + bias, labels[fitted]) + RIDGE * weight.square().sum()
            value.backward()
            return value

        optimize.step(loss)
        result[parts == held] = (inputs[parts == held] @ weight.T + bias).detach()
    return result


def what_gold_adds(concept_logits, gold, labels, parts, classes):
    """Label accuracy of cross-fitted heads on the concept logits, and on the logits and all gold concepts together:
    about what correcting concepts can gain at most, where the logits already say what they can."""
    known = F.one_hot(gold.clamp_min(0), concept_logits.shape[-1]) * (gold >= 0)[..., None]
    both = torch.cat([concept_logits, known.to(concept_logits.dtype)], -1)
    return {
        "logits": metrics.accuracy(cross_fitted(concept_logits, labels, parts, classes), labels),
        "logits_and_gold": metrics.accuracy(cross_fitted(both, labels, parts, classes), labels),
    }
