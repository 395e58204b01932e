"""Checks what overrides answer: the formulas, and that the fit bears any data."""

import argparse
import pathlib
import sys
import unittest

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import answers, crossfit, data, metrics  # noqa: E402
from sparsecbm_training.answers import PADDING, Answers, Examples, Hidden  # noqa: E402
from sparsecbm_training.data import Pair  # noqa: E402

FEW = argparse.Namespace(
    answer_hidden=(0, 3), answer_ridges=(1.0,), correct_ridges=(1.0, 10.0), answer_draws=1, answer_steps=15
)


def some_answers(concepts=3, classes=3, labels=4, units=5):
    random = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    size = concepts * classes
    hidden = Hidden(draw(units, size), draw(units, size), draw(units), draw(labels, units))
    return Answers(draw(labels, size), draw(labels), 1.7, draw(labels, size), draw(labels, size), hidden)


def some_examples(count, classes, labels=4, pairs=True, seed=2):
    """Reviews whose label follows their concepts, in groups of two that differ in concept 0."""
    random = torch.Generator().manual_seed(seed)
    width, concepts = max(classes), len(classes)
    gold = torch.stack([torch.randint(0, n, (count,), generator=random) for n in classes], 1)
    real = answers.real_classes(classes, width)
    logits = torch.randn(count, concepts, width, generator=random) + 2 * F.one_hot(gold, width)
    label = gold.sum(1).clamp_max(labels - 1)
    found = []
    for i in range(0, count - 1, 2):
        if gold[i, 0] != gold[i + 1, 0]:
            found.append(Pair(i, 0, int(gold[i + 1, 0]), int(label[i]), int(label[i + 1]), i + 1))
    return Examples(
        torch.where(real, logits, PADDING),
        F.one_hot(gold, width).float(),
        torch.ones(count, concepts, dtype=torch.bool),
        F.one_hot(label, labels).float(),
        torch.ones(count),
        found if pairs else [],
        torch.arange(count) // 2,
    )


def some_heads(classes, labels=4, hidden=6):
    random = torch.Generator().manual_seed(3)
    width, real = max(classes), answers.real_classes(classes, max(classes))
    return {
        "concept_head.weight": torch.randn(len(classes), width, hidden, generator=random) * real[..., None],
        "concept_head.bias": torch.where(real, 0.0, PADDING),
        "label_head.weight": torch.randn(labels, real.numel(), generator=random) * real.flatten(),
        "label_head.bias": torch.zeros(labels),
    }


def fitted(examples, classes, options=FEW):
    heads = some_heads(classes)
    said = []
    found = answers.fit(heads, examples, classes, None, options, torch.Generator().manual_seed(0), said.append)
    return heads, found, " ".join(said)


class Formulas(unittest.TestCase):
    def setUp(self):
        random = torch.Generator().manual_seed(4)
        self.answers = some_answers()
        self.logits = torch.randn(2, 3, 3, generator=random)
        self.asserted = torch.rand(2, 3, 3, generator=random).softmax(-1)

    def by_hand(self, row, supposed, corrected):
        a, h = self.answers, self.answers.hidden
        c, p = self.logits[row].flatten(), self.logits[row].softmax(-1)
        result = (a.weight @ c + a.bias) / a.temperature
        for k in supposed:
            columns, q = slice(3 * k, 3 * k + 3), self.asserted[row, k]
            read, u = h.read @ c + h.bias, h.asserted[:, columns]
            result = result + a.suppose[:, columns] @ (q - p[k])
            result = result + h.output @ ((read + u @ q).relu() - (read + u @ p[k]).relu())
        for k in corrected:
            columns = slice(3 * k, 3 * k + 3)
            result = result + a.correct[:, columns] @ (self.asserted[row, k] - p[k])
        return result

    def test_they_are_those_of_the_format(self):
        supposed = torch.tensor([[True, False, True], [False, True, False]])
        corrected = torch.tensor([[False, True, False], [True, False, False]])
        predicted = self.answers(self.logits, (supposed, self.asserted), (corrected, self.asserted))
        for row, overrides in enumerate((([0, 2], [1]), ([1], [0]))):
            torch.testing.assert_close(predicted[row], self.by_hand(row, *overrides))

    def test_without_overrides_it_is_the_label_head_alone(self):
        nothing = torch.zeros(2, 3, dtype=torch.bool), self.asserted
        torch.testing.assert_close(self.answers(self.logits, nothing, nothing), self.answers.base(self.logits))

    def test_answers_add_up_so_order_does_not_matter(self):
        base = self.answers(self.logits)

        def one(k):
            return F.one_hot(torch.tensor([k, k]), 3).bool(), self.asserted

        both = one(0)[0] | one(2)[0], self.asserted
        apart = (self.answers(self.logits, one(0)) - base) + (self.answers(self.logits, one(2)) - base)
        torch.testing.assert_close(self.answers(self.logits, both) - base, apart)

    def test_asserting_what_the_model_says_changes_nothing(self):
        every = torch.ones(2, 3, dtype=torch.bool), self.logits.softmax(-1)
        torch.testing.assert_close(self.answers(self.logits, every), self.answers.base(self.logits))


class Fit(unittest.TestCase):
    def check(self, found, heads):
        for name, tensor in (found.tensors() | heads).items():
            self.assertTrue(tensor.isfinite().all(), name)

    def test_supposing_follows_edits(self):
        classes = [3, 3]
        examples = some_examples(400, classes)
        _, found, _ = fitted(examples, classes)
        temperatures = torch.tensor(found.notes["concept_temperatures"])[:, None]
        effect = metrics.suppose_effect(found, examples.logits / temperatures, examples.pairs, [1.0, 2.0, 3.0, 4.0])
        self.assertGreater(effect["pearson"], 0.7)
        self.assertGreater(effect["label_right"], effect["no_change"]["label_right"] + 0.1)

    def test_without_edits_supposing_follows_gold_concepts(self):
        classes = [3, 3]
        examples = some_examples(400, classes)
        without = some_examples(400, classes, pairs=False)
        _, found, said = fitted(without, classes)
        self.assertIn("no edits", said)
        self.assertIsNone(found.hidden)
        temperatures = torch.tensor(found.notes["concept_temperatures"])[:, None]
        effect = metrics.suppose_effect(found, examples.logits / temperatures, examples.pairs, [1.0, 2.0, 3.0, 4.0])
        self.assertGreater(effect["pearson"], 0.7)

    def test_padding_stays_padding(self):
        classes = [2, 3, 5]
        heads, found, _ = fitted(
            some_examples(120, classes), classes, argparse.Namespace(**vars(FEW) | {"answer_hidden": (3,)})
        )
        self.check(found, heads)
        padding = ~answers.real_classes(classes, 5)
        self.assertTrue((heads["concept_head.bias"][padding] == PADDING).all())
        self.assertTrue((heads["concept_head.weight"][padding] == 0).all())
        matrices = heads["label_head.weight"], found.suppose, found.correct, found.hidden.read, found.hidden.asserted
        for matrix in matrices:
            self.assertTrue((matrix[:, padding.flatten()] == 0).all())

    def test_missing_and_uncertain_gold(self):
        classes = [3, 3]
        examples = some_examples(60, classes)
        examples.known[::2, 0] = False
        examples.concepts = 0.8 * examples.concepts + 0.2 / 3
        examples.labels = 0.9 * examples.labels + 0.1 / 4
        examples.weights = torch.linspace(0.1, 2, 60)
        found = [fitted(examples, classes)]
        examples.concepts = torch.where(examples.known[..., None], examples.concepts, 1 / 3)
        found.append(fitted(examples, classes))
        self.check(found[0][1], found[0][0])
        for one, other in zip(*(each[1].tensors().values() for each in found)):
            torch.testing.assert_close(one, other)  # what stands where nobody said counts for nothing

    def test_hardly_any_data_says_hardly_anything(self):
        classes = [2, 3]
        for count in (0, 1, 2, 3):
            for pairs in (True, False):
                heads, found, said = fitted(some_examples(count, classes, pairs=pairs), classes)
                self.check(found, heads)
                self.assertIn("correcting changes no label", said)
        self.assertEqual(float(found.correct.abs().sum()), 0.0)

    def test_logits_that_say_nothing(self):
        classes = [3, 3]
        examples = some_examples(40, classes)
        examples.logits = torch.zeros_like(examples.logits)
        heads, found, _ = fitted(examples, classes)
        self.check(found, heads)
        examples.labels = F.one_hot(torch.zeros(40, dtype=torch.long), 4).float()
        heads, found, _ = fitted(examples, classes)
        self.check(found, heads)


class Figures(unittest.TestCase):
    def test_calibration_error_is_the_gap_in_each_bin(self):
        probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.5, 0.5]])
        gold = torch.tensor([0, 1, 1, -1])
        figures = metrics.confidence(probabilities, gold)
        self.assertAlmostEqual(figures["ece"], (abs(2 * 0.9 - 1) + abs(0.6 - 1)) / 3, places=6)
        self.assertAlmostEqual(figures["nll"], -float(torch.tensor([0.9, 0.1, 0.6]).log().mean()), places=6)

    def test_supposing_is_measured_by_its_definitions(self):
        pairs = [Pair(0, 0, 1, 0, 2, 1), Pair(0, 1, 1, 0, 0, 2)]
        before, after = torch.tensor([[9.0, 0, 0], [9.0, 0, 0]]), torch.tensor([[0, 0, 9.0], [0, 9.0, 0]])
        figures = metrics.what_if(before, after, pairs, [1.0, 2.0, 3.0])
        expected = [logits.double().softmax(-1) @ torch.tensor([1.0, 2.0, 3.0]).double() for logits in (before, after)]
        change = expected[1] - expected[0]
        self.assertAlmostEqual(figures["size"], float(2 * change[0]) / 4)
        self.assertAlmostEqual(figures["mean_error"], float((expected[1] - torch.tensor([3.0, 1.0])).abs().mean()))
        self.assertEqual((figures["label_moved"], figures["label_right"], figures["sign_accuracy"]), (1.0, 0.5, 1.0))


class Pairs(unittest.TestCase):
    def test_edits_count_both_ways_and_among_each_other(self):
        concepts = F.one_hot(torch.tensor([[0, 0], [1, 0], [2, 0], [0, 0]]), 3).float()
        labels = F.one_hot(torch.tensor([0, 1, 2, 0]), 3).float()
        rows = list(range(4))
        reviews = data.Part(["text"] * 4, concepts, labels, torch.ones(4), ["one"] * 4, [None, 0, 0, 1], rows)
        found = {(pair.review, pair.after, pair.concept, pair.new_class) for pair in data.fitting_pairs(reviews)}
        self.assertEqual(found, {(0, 1, 0, 1), (1, 0, 0, 0), (0, 2, 0, 2), (2, 0, 0, 0), (1, 2, 0, 2), (2, 1, 0, 1)})


class Alignment(unittest.TestCase):
    def test_it_finds_an_affine_map(self):
        logits = torch.randn(50, 2, 3, generator=torch.Generator().manual_seed(5))
        own = 2 * logits.flip(-1) + 1
        torch.testing.assert_close(crossfit.alignment(logits, own)(logits), own, atol=1e-4, rtol=1e-4)


if __name__ == "__main__":
    unittest.main()
