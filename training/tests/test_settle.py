"""Checks what the last stage of training adds: cross-fitting and the label loss after corrections."""

import pathlib
import sys
import types
import unittest

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import data, label_head, targets  # noqa: E402
from sparsecbm_training.model import Model, new_heads  # noqa: E402


class CrossFitting(unittest.TestCase):
    def test_every_fold_is_used(self):
        names = [f"review {i}" for i in range(200)]
        folds = [data.fold(name, 3, 0) for name in names]
        for fold in range(3):
            self.assertGreater(folds.count(fold), 40)


    def test_labels_are_predicted_from_the_other_half(self):
        random = torch.Generator().manual_seed(0)
        halves = torch.arange(200) % 2
        labels = torch.randint(0, 2, (200,), generator=random)
        logits = 4.0 * F.one_hot(labels, 2).float()[:, None]
        logits[halves == 1] *= -1  # what one half teaches is wrong for the other
        predicted = label_head.cross_fitted(logits, labels, halves, 2).argmax(-1)
        self.assertFalse((predicted == labels).any())


    def test_gold_concepts_add_what_the_logits_leave_out(self):
        random = torch.Generator().manual_seed(0)
        gold = torch.randint(0, 2, (400, 1), generator=random)
        logits = torch.randn(400, 1, 2, generator=random)
        added = label_head.what_gold_adds(logits, gold, gold[:, 0], torch.arange(400) % 5, 2)
        self.assertLess(added["logits"], 0.65)
        self.assertEqual(added["logits_and_gold"], 1.0)


class LabelLossAfterCorrections(unittest.TestCase):
    def setUp(self):
        random = torch.Generator().manual_seed(1)
        self.logits = torch.randn(6, 2, 3, generator=random)
        self.model = Model({}, {}, new_heads([3, 3], 5, 4, random))
        self.tokens = types.SimpleNamespace(concepts=torch.randint(0, 3, (6, 2), generator=random))
        labels = F.one_hot(torch.randint(0, 5, (6,), generator=random), 5).float()
        self.targets = types.SimpleNamespace(labels=labels, label_weights=torch.ones(6))
        self.corrections = targets.Corrections(self.tokens, self.model, random)
        self.chosen = list(range(6))

    def loss(self):
        return self.corrections.loss(self.model, self.logits, self.targets, self.chosen)

    def test_without_an_effect_it_is_the_plain_loss(self):
        plain = F.cross_entropy(self.model.label_logits(self.logits), self.targets.labels)
        self.assertAlmostEqual(float(self.loss()), float(plain), places=6)

    def test_wrong_concepts_and_only_they_are_put_right_when_no_right_one_is_chosen(self):
        self.corrections.RIGHT_TOO = 0.0
        self.corrections.effect = torch.arange(30.0).view(5, 6).sin()
        p = self.logits.softmax(-1)
        right = p.argmax(-1) == self.tokens.concepts
        self.assertTrue(right.any() and not right.all())
        changed = torch.where(right[..., None], p, F.one_hot(self.tokens.concepts, 3).float())
        label = self.model.label_logits(self.logits) + (changed - p).flatten(1) @ self.corrections.effect.T
        self.assertAlmostEqual(float(self.loss()), float(F.cross_entropy(label, self.targets.labels)), places=5)


class WhatCounts(unittest.TestCase):
    def test_what_nobody_labelled_counts_for_nothing(self):
        logits = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(0))
        gold = F.one_hot(torch.tensor([[0, 1], [2, 2], [1, 0]]), 3).float()
        gold[1, 0] = 0
        weights = gold.sum(-1)
        known = weights.bool()
        expected = F.cross_entropy(logits[known], gold[known])
        self.assertAlmostEqual(float(targets.weighted(logits, gold, weights)), float(expected), places=6)

    def test_rare_classes_count_for_more_and_all_together_the_same(self):
        gold = F.one_hot(torch.tensor([0] * 9 + [1]), 2).float()
        weights = targets.balanced(gold, 1.0)
        self.assertAlmostEqual(float(weights.mean()), 1.0, places=5)
        self.assertAlmostEqual(float(weights[9] / weights[0]), 9.0, places=4)
        self.assertTrue(torch.equal(targets.balanced(gold, 0.0), torch.ones(10)))


if __name__ == "__main__":
    unittest.main()
