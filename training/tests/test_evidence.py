"""Checks where concepts are said to stand, that evidence goes there, and what is asked about shortened texts."""

import math
import pathlib
import sys
import types
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import evidence  # noqa: E402
from sparsecbm_training.batches import Texts, shortened  # noqa: E402
from sparsecbm_training.data import Part  # noqa: E402

BEFORE = "The food was very good, but it was loud."
AFTER = "the food was bad, but it was loud and full."


def part(texts, gold, edited):
    count = len(texts)
    concepts = torch.nn.functional.one_hot(torch.tensor(gold), 3).float()
    return Part(texts, concepts, torch.ones(count, 2), torch.ones(count), ["a"] * count, edited, list(range(count)))


class Letters:
    """Takes each character for a token, after one special token."""

    @staticmethod
    def encode(text):
        return types.SimpleNamespace(offsets=[(0, 0)] + [(i, i + 1) for i in range(len(text))])


class Reviews(types.SimpleNamespace):
    """Texts whose characters are their tokens."""

    device = torch.device("cpu")

    def __init__(self, texts, gold, edited):
        own = part(texts, gold, edited)
        super().__init__(part=own, concepts=own.gold, padded=torch.zeros(len(texts), 1 + max(map(len, texts))))

    def __len__(self):
        return len(self.part)


SCHEMA = types.SimpleNamespace(concepts=["food", "noise"], classes=[["bad", "good", "unknown"]] * 2)


class Places(unittest.TestCase):
    def marked(self, text, spans):
        return [text[start:end] for start, end in spans]

    def test_words_that_an_edit_replaced_or_took_away(self):
        self.assertEqual(self.marked(BEFORE, evidence.changed(BEFORE, AFTER)), ["very", "good"])
        self.assertEqual(self.marked(AFTER, evidence.changed(AFTER, BEFORE)), ["bad", "and", "full"])
        self.assertEqual(evidence.changed(BEFORE, BEFORE.upper()), [])

    def places(self, gold):
        both = Reviews([BEFORE, AFTER], gold, [None, 0])
        return evidence.Places(both, SCHEMA).of_edits(both, Letters).shares

    def test_both_texts_of_an_edit_say_where_its_concept_stands(self):
        shares = self.places([[1, 0], [0, 0]])
        very_good = BEFORE.index("very")
        self.assertEqual(shares[0, 0].nonzero().flatten().tolist(), [
            1 + very_good + i for i in (0, 1, 2, 3, 5, 6, 7, 8)
        ])  # fmt: skip
        torch.testing.assert_close(shares.sum(-1), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))

    def test_a_text_that_does_not_speak_of_it_has_no_such_place(self):
        self.assertEqual(self.places([[1, 0], [2, 0]]).sum(-1).tolist(), [[1.0, 0.0], [0.0, 0.0]])

    def test_the_loss_falls_as_evidence_goes_there(self):
        both = Reviews([BEFORE, AFTER], [[1, 0], [0, 0]], [None, 0])
        places = evidence.Places(both, SCHEMA).of_edits(both, Letters)
        length = both.padded.shape[1]
        texts, chosen = Texts(both.padded, torch.ones(2, length).long(), True), torch.arange(2)
        real = torch.ones(2, 3, dtype=torch.bool)
        nowhere = torch.zeros(2, 2, length, 3, requires_grad=True)
        before = places.loss(nowhere, texts, chosen, real)
        self.assertAlmostEqual(before.item(), math.log(length), places=5)
        before.backward()
        after = places.loss(nowhere.detach() - 20 * nowhere.grad, texts, chosen, real)
        self.assertLess(after.item(), before.item())
        self.assertEqual(float(nowhere.grad[:, 1].abs().sum()), 0.0)
        # More of the class that the text has, where it stands; less of it elsewhere.
        there = places.shares[0, 0] > 0
        self.assertTrue(bool((nowhere.grad[0, 0, there, 1] < 0).all()))
        self.assertTrue(bool((nowhere.grad[0, 0, ~there, 1] > 0).all()))

    def test_windows_of_a_model_that_reads_one_word_lead_there(self):
        class Dense:
            """Knows food from token 7 alone."""

            real = torch.ones(2, 3, dtype=torch.bool)

            def concept_logits(self, texts, dtype):
                logits = torch.zeros(len(texts.ids), 2, 3)
                logits[:, 0, 1] = 4.0 * (texts.ids == 7).any(1)
                return logits

        ids = torch.ones(1, 40, dtype=torch.long)
        ids[0, 20] = 7
        text = Reviews(["a text"], [[1, 0]], [None])
        text.padded, text.ids = ids, ids.tolist()
        places = evidence.Places(text, SCHEMA).of_windows(
            text, Dense(), torch.float32, torch.Generator().manual_seed(0)
        )
        self.assertEqual(int(places.shares[0, 0].argmax()), 20)
        self.assertAlmostEqual(float(places.shares[0, 0].sum()), 1.0, places=5)
        self.assertLess(int((places.shares[0, 0] > 0).sum()), 10)
        self.assertEqual(float(places.shares[0, 1].sum()), 0.0)


class Measured(unittest.TestCase):
    def test_ranks(self):
        right = torch.tensor([False, True, True, False])
        self.assertEqual(evidence.average_precision(torch.tensor([1.0, 4.0, 3.0, 2.0]), right), 1.0)
        self.assertAlmostEqual(
            evidence.average_precision(torch.tensor([4.0, 1.0, 3.0, 2.0]), right), (1 / 2 + 2 / 4) / 2
        )
        self.assertEqual(evidence.roc_area(torch.tensor([4.0, 1.0, 3.0, 2.0]), right), 0.25)
        self.assertEqual(evidence.roc_area(torch.zeros(4), right), 0.5)

    def test_a_model_that_reads_the_words_that_people_changed(self):
        class Reader:
            """Evidence for the class in the fourth word alone."""

            real = torch.ones(2, 3, dtype=torch.bool)

            def logits_and_evidence(self, texts):
                found = torch.zeros(1, 2, texts.ids.shape[1], 3)
                start = 1 + BEFORE.index("good")
                found[0, 0, start : start + 4, 1] = 1.0
                return None, found

        class Ids(Letters):
            @staticmethod
            def encode(text):
                return types.SimpleNamespace(offsets=Letters.encode(text).offsets, ids=[0] * (1 + len(text)))

        both = Reviews([BEFORE, AFTER], [[1, 0], [0, 0]], [None, 0])
        found = evidence.measured(Reader(), both, Ids, SCHEMA)
        self.assertEqual(found["edits"], 1)
        # "good" comes first; "very" shares the second place with the other words.
        self.assertGreater(found["average_precision"], 0.6)
        self.assertAlmostEqual(found["chance_precision"], 2 / 11)
        self.assertIsNone(evidence.measured(Reader(), Reviews([BEFORE], [[1, 0]], [None]), Ids, SCHEMA))


class Shortened(unittest.TestCase):
    def test_tokens_go_and_the_order_of_the_others_stays(self):
        ids = torch.arange(1, 13).repeat(50, 1)
        attention = torch.ones(50, 12).long()
        attention[25:, 8:] = 0
        found = shortened(Texts(ids, attention, False), 0.5, torch.Generator().manual_seed(0), 4)
        gone = 0
        for before, own, kept in zip(attention, found.ids, found.attention):
            left = own[: int(kept.sum())].tolist()
            self.assertEqual(kept.tolist(), sorted(kept.tolist(), reverse=True))
            self.assertEqual(left, sorted(set(left)))
            self.assertEqual((left[0], left[-1]), (1, int(before.sum())))
            gone += int(before.sum()) - len(left)
        self.assertGreater(gone, 50)
        self.assertLess(gone, 200)
        self.assertEqual(found.ids.shape[1] % 4, 0)


if __name__ == "__main__":
    unittest.main()
