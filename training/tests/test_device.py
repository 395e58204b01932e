"""Checks what training on a GPU relies on, without one: that branches computed together are those computed one by one,
and, on tensors that only say where they are, that CPU and GPU never meet in an operation."""

import argparse
import contextlib
import pathlib
import sys
import types
import unittest
from unittest import mock

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import batches, masks, options, targets, train  # noqa: E402
from sparsecbm_training.backbone.dropout import Dropout  # noqa: E402
from sparsecbm_training.backbone.minilm import MiniLm  # noqa: E402
from sparsecbm_training.data import Part  # noqa: E402
from sparsecbm_training.model import Model, new_heads  # noqa: E402

BACKBONE = MiniLm({
    "num_hidden_layers": 2, "num_attention_heads": 2, "layer_norm_eps": 1e-12, "hidden_size": 8,
    "intermediate_size": 16,
})  # fmt: skip
OPTIONS = argparse.Namespace(
    batch=3, bf16=True, weight_decay=0.01, concept_weight=5.0, corrected_weight=2.0, block=4, damping=1e-10,
    fisher_batches=2, distinct=0.3,
)  # fmt: skip


class Words:
    """A tokenizer whose ids are the lengths of words."""

    def encode_batch(self, texts):
        return [argparse.Namespace(ids=[len(word) for word in text.split()]) for text in texts]

    def token_to_id(self, _):
        return 0


def tokens(device="cpu"):
    texts = ["a bb ccc", "dddd a", "a bb ccc dddd a bb", "ccc", "a a", "bb bb bb a"]
    count = torch.arange(len(texts))
    concepts = F.one_hot(torch.stack([count % 3, torch.ones_like(count)], 1), 3).float()
    labels = F.one_hot(count % 5, 5).float()
    part = Part(texts, concepts, labels, torch.ones(len(texts)), texts, [None] * len(texts), list(range(len(texts))))
    return batches.Tokens(Words(), part, device)


def model(masked=True):
    random = torch.Generator().manual_seed(0)
    shapes = {"embeddings.word_embeddings": (6, 8), "embeddings.position_embeddings": (16, 8)}
    shapes |= {"embeddings.token_type_embeddings": (2, 8)}
    for name in BACKBONE.linear_layers:
        wider = {"intermediate.dense": (16, 8), "output.dense": (8, 16)}
        shapes[name] = wider.get(name.split(".", 3)[3], (8, 8))
    weights = {f"{name}.weight": 0.3 * torch.randn(shape, generator=random) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": torch.zeros(shapes[name][0]) for name in BACKBONE.linear_layers}
    norms = [f"encoder.layer.{i}.{part}output" for i in range(2) for part in ("attention.", "")] + ["embeddings"]
    for name in norms:
        weights |= {f"{name}.LayerNorm.weight": torch.ones(8), f"{name}.LayerNorm.bias": torch.zeros(8)}
    result = Model(BACKBONE, weights, new_heads([3, 3], 5, 8, random))
    if masked:
        result.masks = {
            name: (torch.rand(2, *result.weights[f"{name}.weight"].shape, generator=random) < 0.5).bfloat16()
            for name in result.layers
        }
    return result


class Batches(unittest.TestCase):
    def test_each_review_is_padded_behind_and_said_to_be(self):
        reviews = tokens()
        seen = []
        for batch in reviews.batches(2):
            texts = reviews.pad(batch)
            seen += batch.indices.tolist()
            for i, ids, attention in zip(batch.indices, texts.ids.tolist(), texts.attention.tolist()):
                own = reviews.ids[i]
                self.assertEqual(ids, own + [0] * (batch.length - len(own)))
                self.assertEqual(attention, [1] * len(own) + [0] * (batch.length - len(own)))
            self.assertEqual(texts.full, bool(texts.attention.all()))
        self.assertEqual(sorted(seen), list(range(len(reviews))))


class BranchesTogether(unittest.TestCase):
    def test_they_are_those_computed_one_by_one(self):
        reviews, sparse = tokens(), model()
        for batch in reviews.batches(3):
            texts = reviews.pad(batch)
            alone = sparse.concept_logits(texts)
            with mock.patch.object(Model, "together", lambda self, x: True):
                together = sparse.concept_logits(texts)
            self.assertGreater(float(alone.std()), 1e-3)
            torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


class Indexing(TorchDispatchMode):
    """Refuses what fake tensors let pass: a CPU tensor indexed by one on a GPU."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default):
            where = {index.device for index in args[1] if index is not None}
            if where - {args[0].device, torch.device("cpu")}:
                raise AssertionError(f"indices on {where} into a tensor on {args[0].device}")
        return function(*args, **(kwargs or {}))


def drop(dropout, x):
    return x * dropout.pool[: x.numel()].view_as(x)


class Devices(unittest.TestCase):
    """Under PyTorch's fake tensors, which have a shape and a device and no content, and refuse operations across
    devices."""

    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        whole = [batches.Batch(None, 8, False)]
        stack.enter_context(FakeTensorMode())
        stack.enter_context(Indexing())
        # Whatever looks into a tensor cannot run: the order of batches, and where dropout takes its noise from.
        whole[0].indices = torch.arange(6).to("cuda")
        stack.enter_context(mock.patch.object(batches.Tokens, "batches", lambda *_: whole))
        stack.enter_context(mock.patch.object(Dropout, "__call__", drop))
        # Nor can the backward pass, which asks the GPU itself; it goes where the forward one went.
        stack.enter_context(mock.patch.object(torch.Tensor, "backward", lambda _: None))
        stack.enter_context(
            mock.patch.object(torch.autograd, "grad", lambda _, inputs: list(map(torch.zeros_like, inputs)))
        )
        self.random = torch.Generator()
        self.batch = whole[0]
        self.reviews = tokens("cuda")
        self.assertEqual(self.reviews.padded.shape[1] % 8, 0)

    def learner(self, trained, corrections=None):
        wanted = targets.Targets(self.reviews)
        wanted.mix(torch.zeros(6, 2, 3), torch.zeros(6, 5), 0.5)
        run = types.SimpleNamespace(taken_up=lambda: None)
        settings = train.Settings(OPTIONS, torch.bfloat16, run, self.random)
        lessons = train.Lessons(wanted, corrections=corrections)
        return train.Loop(trained, self.reviews, lessons, train.Plan(1, 1e-3, 0.1), settings)

    def test_the_dense_cbm_learns_and_predicts(self):
        trained = model(masked=False).to("cuda")
        self.assertEqual(self.learner(trained).learn(self.batch, 1.0).device.type, "cuda")
        logits = train.predict(trained, self.reviews)
        self.assertEqual((logits.device.type, trained.label_logits(logits).device.type), ("cpu", "cpu"))

    def test_the_sparse_one_is_pruned_and_learns_from_corrections(self):
        trained = model(masked=False).to("cuda")
        trained.masks = masks.full(trained, torch.bfloat16)
        for block in (4, 1):
            chosen = argparse.Namespace(**vars(OPTIONS) | {"block": block})
            for matrix in trained.weights.values():
                matrix.requires_grad_()
            masks.prune(trained, self.reviews, 0.5, chosen, self.random, torch.bfloat16)
        self.assertEqual({mask.device.type for mask in trained.masks.values()}, {"cuda"})
        corrections = targets.Corrections(self.reviews, trained, self.random)
        learner = self.learner(trained, corrections)
        for parameter in learner.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self.assertEqual(learner.learn(self.batch, 1.0).device.type, "cuda")
        before = trained.state()
        trained.restore(before)
        self.assertEqual(train.predict(trained.to("cpu"), self.reviews, torch.bfloat16).shape, (6, 2, 3))


class Arguments(unittest.TestCase):
    def test_a_gpu_that_is_not_here_is_an_error(self):
        self.assertEqual(options.device("cpu").type, "cpu")
        with mock.patch.object(torch.cuda, "device_count", lambda: 1):
            self.assertEqual(options.device("cuda").type, "cuda")
            for name in ("cuda:1", "mps", "cuda:x"):
                with self.assertRaises(argparse.ArgumentTypeError):
                    options.device(name)


if __name__ == "__main__":
    unittest.main()
