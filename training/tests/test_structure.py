"""Checks that heads and neurons are measured and taken away as a whole."""

import pathlib
import sys
import types
import unittest

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import masks, structure  # noqa: E402
from sparsecbm_training.backbone.minilm import MiniLm  # noqa: E402
from sparsecbm_training.batches import Texts  # noqa: E402
from sparsecbm_training.model import Model, new_heads  # noqa: E402

CONFIG = {
    "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "layer_norm_eps": 1e-12,
}  # fmt: skip
OPTIONS = types.SimpleNamespace(whole_batches=3, batch=4)


class Reviews:
    """Random texts in three batches, always the same, and random gold classes."""

    device = torch.device("cpu")

    def __init__(self, random):
        self.ids = torch.randint(0, 20, (12, 6), generator=random)
        self.concepts = torch.randint(0, 3, (12, 2), generator=random)

    def batches(self, size, random):
        return [types.SimpleNamespace(indices=chosen) for chosen in torch.arange(12).split(size)]

    def pad(self, batch):
        ids = self.ids[batch.indices]
        return Texts(ids, torch.ones_like(ids), True)


class Wholes(unittest.TestCase):
    def setUp(self):
        random = torch.Generator().manual_seed(0)
        backbone = MiniLm(CONFIG)
        sizes = {"intermediate.dense": (16, 8), "output.dense": (8, 16)}
        weights = {"embeddings.word_embeddings.weight": (20, 8), "embeddings.position_embeddings.weight": (6, 8)}
        weights |= {"embeddings.token_type_embeddings.weight": (2, 8)}
        weights |= {f"embeddings.LayerNorm.{part}": (8,) for part in ("weight", "bias")}
        for name in backbone.linear_layers:
            end = name.split(".", 3)[-1]
            weights[f"{name}.weight"] = sizes.get(end, (8, 8))
            weights[f"{name}.bias"] = weights[f"{name}.weight"][:1]
        for i in range(2):
            for norm in ("attention.output", "output"):
                weights |= {f"encoder.layer.{i}.{norm}.LayerNorm.{part}": (8,) for part in ("weight", "bias")}
        weights = {key: torch.randn(size, generator=random) for key, size in weights.items()}
        kept = {
            name: (torch.rand(2, *weights[f"{name}.weight"].shape, generator=random) < 0.7).float()
            for name in backbone.linear_layers
        }
        self.model = Model(backbone, weights, new_heads([3, 3], 5, 8, random), kept)
        self.model.heads["concept_head.weight"] *= 100
        self.reviews = Reviews(random)

    def logits(self, k):
        with torch.no_grad():
            batch = types.SimpleNamespace(indices=torch.arange(12))
            return self.model.concept_logits(self.reviews.pad(batch), only=k)[:, 0]

    def masks_now(self):
        return {name: mask.clone() for name, mask in self.model.masks.items()}

    def saliencies(self, parts, k):
        return structure.saliencies(self.model, parts, k, self.reviews, OPTIONS, None, torch.float32)

    def tried(self, parts, k):
        return structure.tried(self.model, parts, k, self.reviews, OPTIONS, None, torch.float32)

    def test_parts_cover_every_head_and_neuron_once(self):
        heads, neurons = structure.live_heads(self.model, 0), structure.live_neurons(self.model, 0, 4)
        self.assertEqual((len(heads), len(neurons)), (4, 8))
        for parts in (heads, neurons):
            self.assertEqual(structure.take_least(self.model, parts, [0.0] * len(parts), 1.0, 0), 0)
        for name, mask in self.model.masks.items():
            gone = name.endswith((".query", ".key", "intermediate.dense")) or name.split(".", 3)[-1] == "output.dense"
            self.assertEqual(bool(mask[0].any()), not gone, name)
            self.assertTrue(mask[1].any(), name)

    def test_the_saliency_is_that_of_the_group(self):
        """½ E (Σ g w)², with the derivative taken by one factor on all the weights that go."""
        part = structure.live_neurons(self.model, 1, 4)[5]
        mask = self.model.masks[part.decisive.layer]
        expected = 0.0
        for batch in self.reviews.batches(4, None):
            factor = torch.ones((), requires_grad=True)
            scaled = mask.clone()
            scaled[1][part.decisive.index] *= factor
            masked = self.model.masks | {part.decisive.layer: scaled}
            model = Model(self.model.backbone, self.model.weights, self.model.heads, masked)
            logits = model.concept_logits(self.reviews.pad(batch), only=1)[:, 0]
            loss = F.cross_entropy(logits, self.reviews.concepts[batch.indices, 1])
            expected += 0.5 * float(torch.autograd.grad(loss, factor)[0]) ** 2 / 3
        (measured,) = self.saliencies([part], 1)
        self.assertAlmostEqual(measured / expected, 1.0, places=4)

    def test_a_head_is_worth_how_far_predictions_move_without_it(self):
        heads, before = structure.live_heads(self.model, 1), self.masks_now()
        moved = self.tried(heads, 1)
        for name, mask in self.model.masks.items():
            self.assertTrue(torch.equal(mask, before[name]), name)
        was = self.logits(1).softmax(-1)
        self.model.masks[heads[0].decisive.layer][1][heads[0].decisive.index] = 0
        divergence = (was * (was.log() - self.logits(1).log_softmax(-1))).sum(-1).mean()
        self.assertGreater(float(divergence), 1e-4)
        self.assertAlmostEqual(moved[0] / float(divergence), 1.0, places=2)

    def test_what_scores_least_goes_and_no_other(self):
        neurons, before = structure.live_neurons(self.model, 0, 4), self.masks_now()
        scores = self.saliencies(neurons, 0)
        self.assertEqual(structure.take_least(self.model, neurons, scores, 0.25, 0), 6)
        least = sorted(range(8), key=scores.__getitem__)[:2]
        left = structure.live_neurons(self.model, 0, 4)
        self.assertEqual(left, [part for i, part in enumerate(neurons) if i not in least])
        for part in left:
            for piece in (part.decisive, part.others):
                now = self.model.masks[piece.layer][0][piece.index]
                self.assertTrue(torch.equal(now, before[piece.layer][0][piece.index]))

    def test_what_costs_nothing_is_not_counted(self):
        head, neurons = structure.live_heads(self.model, 0)[1], structure.live_neurons(self.model, 0, 4)[3]
        for piece in (head.others, neurons.others):
            self.model.masks[piece.layer][0][piece.index] = 0
        self.assertIn(head, structure.live_heads(self.model, 0))  # its query still has a bias
        self.assertNotIn(neurons, structure.live_neurons(self.model, 0, 4))
        self.model.masks[head.decisive.layer][0][head.decisive.index] = 0
        self.assertNotIn(head, structure.live_heads(self.model, 0))

    def test_sparsity_counts_what_is_gone(self):
        before = self.masks_now()
        for k in range(2):
            neurons = structure.live_neurons(self.model, k, 4)
            structure.take_least(self.model, neurons, [0.0] * len(neurons), 1.0, k)
        rest = sum(float(mask.sum()) for name, mask in before.items() if ".attention." in name)
        total = sum(mask.numel() for mask in before.values())
        self.assertAlmostEqual(masks.sparsity(self.model.masks), 1 - rest / total, places=6)

    def test_without_the_key_the_query_changes_nothing(self):
        """What trying heads by their key alone relies on."""
        head = structure.live_heads(self.model, 0)[0]
        self.model.masks[head.decisive.layer][0][head.decisive.index] = 0
        only_key = self.logits(0)
        self.model.masks[head.others.layer][0][head.others.index] = 0
        self.assertTrue(torch.allclose(self.logits(0), only_key, atol=1e-6))

    def with_gradients(self, narrows):
        """Logits of both concepts and the gradients of their squares, with and without computing what is gone."""
        self.model.backbone.narrows = narrows
        weights = [self.model.weights[f"{name}.weight"].requires_grad_() for name in self.model.layers]
        texts = self.reviews.pad(types.SimpleNamespace(indices=torch.arange(12)))
        texts.attention[::2, 4:] = 0
        logits = self.model.concept_logits(Texts(texts.ids, texts.attention, False))
        return logits.detach(), torch.autograd.grad(logits.square().sum(), weights)

    def test_what_is_gone_need_not_be_computed(self):
        heads, neurons = structure.live_heads(self.model, 0), structure.live_neurons(self.model, 0, 4)
        structure.take_least(self.model, heads, [0.0, 3.0, 1.0, 2.0], 0.75, 0)  # one stays
        structure.take_least(self.model, neurons, [0.0] * 8, 0.5, 0)  # none in the first layer
        self.with_gradients(True)
        structure.take_least(self.model, heads, [0.0, 3.0, 1.0, 2.0], 1.0, 0)  # and now it is seen that these went too
        for narrow, whole in zip(self.with_gradients(True), self.with_gradients(False)):
            for one, other in zip(narrow, whole):
                self.assertTrue(torch.allclose(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max())))

    def test_trying_heads_of_all_concepts_at_once_is_trying_them_one_by_one(self):
        self.model.masks = None
        heads = list(self.model.backbone.parts.heads())
        before = {name: value.clone() for name, value in self.model.weights.items()}
        moved = structure.tried_by_all(self.model, heads, self.reviews, OPTIONS, None, torch.float32)
        for name, value in self.model.weights.items():
            self.assertTrue(torch.equal(value, before[name]), name)
        self.model.masks = masks.full(self.model, torch.float32)
        for k in range(2):
            for one, other in zip(self.tried(heads, k), moved):
                self.assertAlmostEqual(one, other[k], delta=1e-3 + 1e-3 * one)


if __name__ == "__main__":
    unittest.main()
