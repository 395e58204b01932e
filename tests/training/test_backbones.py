"""Trains a SparseCBM on every backbone, in seconds and so badly, exports it, and compares what the command predicts
with what PyTorch does.

    SPARSECBM=COMMAND PYTHON=INTERPRETER INTERPRETER -m unittest discover -s tests/training

The interpreter has the requirements of training, with those of its backbones.
"""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "training"))

import folders  # noqa: E402
from sparsecbm_training import (  # noqa: E402
    __main__, backbone, batches, checkpoint, options, prepare, structure, train, vocabulary,
)  # fmt: skip
from sparsecbm_training.backbone import minilm  # noqa: E402
from sparsecbm_training.backbone.bilstm import BiLstm  # noqa: E402
from sparsecbm_training.backbone.hugging_face import HuggingFace  # noqa: E402
from sparsecbm_training.model import Model, new_heads  # noqa: E402

torch.set_num_threads(1)
SPARSITY = 0.5
LENGTH = 48


def run(*command, **environment):
    result = subprocess.run(
        list(map(str, command)), env=os.environ | environment, capture_output=True, text=True, encoding="utf-8"
    )
    if result.returncode:
        raise AssertionError(f"{command} gave {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result.stdout


class Backbones(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.data = cls.folder / "data"
        cls.data.mkdir()
        for name, count in (("train_inclusive", 160), ("validation", 40)):
            with open(REPOSITORY / f"examples/data/cebab/{name}.jsonl", encoding="utf-8") as lines:
                kept = [next(lines) for _ in range(count)]
            (cls.data / f"{name}.jsonl").write_text("".join(kept), encoding="utf-8")
        files = [str(cls.data / "train_inclusive.jsonl"), "--validation", str(cls.data / "validation.jsonl")]
        cls.columns = [*files, "--text", "text", "--label", "rating", "--pairs", "original_id", "edited"]
        given = options.parse([*cls.columns, "--look"])
        parts = prepare.read(given, options.recipe_of(given)).parts
        cls.validation = parts.validation
        cls.texts = parts.fitting.texts + parts.calibration.texts

    def pretrained(self, name):
        """A folder with a tiny backbone."""
        folder = self.folder / "pretrained" / name
        folder.mkdir(parents=True)
        getattr(folders, name)(folder, self.texts)
        return folder

    def trained(self, name, *options, **environment):
        """The checkpoint of a very short training; with variables of the environment, by the command itself."""
        out = self.folder / f"{self.id().rpartition('.')[2]}.checkpoint"
        command = [*self.columns, "--out", out, "--backbone", name, "--threads", 1, "--batch", 16, "--plain-steps", 0]
        command += ["--dense-steps", 10, "--steps", 10, "--average-steps", 10, "--settle-steps", 0]
        command += ["--prunings", 2, "--fisher-batches", 4, "--whole-batches", 2, "--mend-steps", 10]
        command += ["--sparsity", SPARSITY, "--max-length", LENGTH, *options]
        if environment:
            run(REPOSITORY / "training/train", *command, **environment)
        else:
            with contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(__main__.main(list(map(str, command))), 0)
        return out

    def check(self, out, kind, layers, block=4):
        """That masks keep what they should, and that the command predicts and measures what PyTorch does."""
        model, head = checkpoint.read(out, kind)
        tokenizer = vocabulary.prepare(Tokenizer.from_file(str(out / "tokenizer.json")), LENGTH)
        concepts = train.predict(model, batches.Tokens(tokenizer, self.validation))
        labels = head(concepts)
        self.assertEqual(len(model.masks), layers)
        divided = self.check_parts(model, block) if model.backbone.parts else []
        for name, mask in model.masks.items():
            weight = model.weights[f"{name}.weight"]
            self.assertEqual(mask.shape[1:], weight.shape)
            for own in mask.float().mean((1, 2)):
                if name in divided:
                    self.assertLess(float(own), 1 - SPARSITY + 0.02)
                else:
                    self.assertAlmostEqual(float(own), 1 - SPARSITY, delta=0.02)
            self.assertFalse(bool(weight[~mask.any(0)].any()), "what no mask keeps is 0")

        exported = out.with_suffix(".onnx")
        command = os.environ["SPARSECBM"]
        run(command, "export", out, "-o", exported)  # compares the file with the checkpoint itself
        # Where heads and neurons were taken away for the sparse kernels, they must know the backbone.
        engine = ["--engine", "sparse"] if divided else []
        predict = ["predict", "--json", *engine, exported, "--input", self.data / "validation.jsonl"]
        lines = run(command, *predict).splitlines()
        predicted = [json.loads(line) for line in lines]
        self.assertEqual(len(predicted), len(self.validation))
        own = torch.tensor([[concept["logits"] for concept in one["concepts"]] for one in predicted])
        self.check_logits(own, concepts)
        self.check_logits(torch.tensor([one["label"]["logits"] for one in predicted]), labels)

        measured = json.loads(run(command, "eval", "--json", exported, self.data / "validation.jsonl"))
        said = json.loads((out / "sparsecbm.json").read_text(encoding="utf-8"))["training"]
        for key in ("concept_accuracy", "label_accuracy"):
            self.assertAlmostEqual(measured[key], said[key], places=6)
        return model

    def check_parts(self, model, block):
        """That half of a concept's heads, and of its groups of neurons, are gone. Returns the layers they are of."""
        heads, neurons = list(model.backbone.parts.heads()), list(model.backbone.parts.neurons(block))
        for k in range(model.concepts):
            # A few may have had no weights before.
            for left, parts in (
                (structure.live_heads(model, k), heads),
                (structure.live_neurons(model, k, block), neurons),
            ):
                # Of neurons half of each layer's go, rounded.
                most = len(parts) // 2 + (model.backbone.parts.layers // 2 if parts is neurons else 0)
                self.assertIn(len(left), range(len(parts) // 4 + 1, most + 1))
        return {piece.layer for part in heads + neurons for piece in (part.decisive, part.others)}

    def check_logits(self, own, expected):
        """Within 1e-4; and, as such models hardly tell reviews apart, within a hundredth of what they differ by."""
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-4)
        self.assertLess(float(((own - expected).abs().amax(0) / expected.std(0)).max()), 0.01)

    def check_weights(self, model, pretrained, prefix):
        """That all but embeddings was trained, from the weights of the folder."""
        stored = {key.removeprefix(prefix): value for key, value in load_file(pretrained / "model.safetensors").items()}
        for key, value in model.weights.items():
            before = model.backbone.turned(key, stored[key])
            if key == model.backbone.word_table and len(value) < len(before):
                continue
            if model.backbone.is_trained(key):
                self.assertFalse(torch.equal(value, before.half().float()), key)
                used = value != 0
                torch.testing.assert_close(value[used], before[used], rtol=0, atol=0.1)
            else:
                self.assertTrue(torch.equal(value, before.half().float()), key)

    def test_bert(self):
        """With masks of single weights, the first layer alone, in float32."""
        pretrained = self.pretrained("bert")
        model = self.check(self.trained(pretrained, "--block", 1, "--layers", 1, "--float32"), HuggingFace, 6, block=1)
        self.check_weights(model, pretrained, "bert.")

    def test_distilbert(self):
        """With teachers and settling."""
        pretrained = self.pretrained("distilbert")
        teachers = ["--teacher-folds", 2, "--teacher-steps", 5, "--teacher-layers", 1]
        out = self.trained(pretrained, "--settle-steps", 10, *teachers)
        self.check_weights(self.check(out, HuggingFace, 12), pretrained, "distilbert.")

    def test_roberta(self):
        pretrained = self.pretrained("roberta")
        self.check_weights(self.check(self.trained(pretrained), HuggingFace, 12), pretrained, "roberta.")

    def test_xlm_roberta(self):
        """Its tokenizer's normalizer and pieces go on into the file."""
        pretrained = self.pretrained("xlm_roberta")
        out = self.trained(pretrained)
        self.check_weights(self.check(out, HuggingFace, 12), pretrained, "roberta.")
        files = [folder / "tokenizer.json" for folder in (pretrained, out)]
        whole, cut = (json.loads(file.read_text(encoding="utf-8")) for file in files)
        self.assertEqual(cut["normalizer"], whole["normalizer"])
        self.assertEqual(cut["model"]["type"], "Unigram")

    def test_opt(self):
        pretrained = self.pretrained("opt")
        self.check_weights(self.check(self.trained(pretrained), HuggingFace, 12), pretrained, "model.")

    def test_opt_narrow_by_name(self):
        """From where transformers keeps what it has fetched."""
        repository = self.folder / "hub/models--facebook--opt-350m"
        snapshot = repository / "snapshots/0"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs/main").write_text("0")
        snapshot.parent.mkdir()
        pretrained = self.pretrained("opt_narrow").rename(snapshot)
        out = self.trained("facebook/opt-350m", HF_HUB_CACHE=str(repository.parent), HF_HUB_OFFLINE="1")
        self.check_weights(self.check(out, HuggingFace, 14), pretrained, "model.")

    def test_gpt2(self):
        pretrained = self.pretrained("gpt2")
        self.check_weights(self.check(self.trained(pretrained), HuggingFace, 8), pretrained, "transformer.")

    def test_modernbert(self):
        pretrained = self.pretrained("modernbert")
        self.check_weights(self.check(self.trained(pretrained), HuggingFace, 16), pretrained, "model.")

    def test_what_cannot_be_used_is_an_error(self):
        folder = self.folder / "pretrained/refused"
        folder.mkdir(parents=True)
        folders.roberta(folder, self.texts)
        pretrained = backbone.source(str(folder))
        pretrained.load(1, None, 64)
        with self.assertRaisesRegex(ValueError, "has 2 layers, 3 cannot be used"):
            pretrained.load(3, None, LENGTH)
        with self.assertRaisesRegex(ValueError, "reads 64 tokens, a --max-length of 65 is too long"):
            pretrained.load(2, None, 65)
        tensors = load_file(folder / "model.safetensors")
        del tensors["roberta.encoder.layer.1.output.dense.weight"]
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        with self.assertRaisesRegex(ValueError, "no weights for encoder.layer.1.output.dense.weight"):
            pretrained.load(2, None, LENGTH)
        (folder / "config.json").write_text('{"model_type": "albert"}')
        with self.assertRaisesRegex(ValueError, "'albert', which is none of bert, distilbert"):
            backbone.source(str(folder))

    def test_minilm_by_hand_is_that_of_transformers(self):
        by_hand, by_transformers = minilm.Source(), backbone.source(str(minilm.Source().folder))
        tokenizer = vocabulary.prepare(by_transformers.tokenizer(), LENGTH)
        tokenizer, pieces = vocabulary.cut(tokenizer, self.texts)
        reviews = batches.Tokens(tokenizer, self.validation)
        logits = []
        for source in (by_hand, by_transformers):
            body, weights = source.load(2, pieces, LENGTH)
            random = torch.Generator().manual_seed(0)
            masks = {
                name: torch.rand(1, *weights[f"{name}.weight"].shape, generator=random) < 0.5
                for name in sorted(body.linear_layers)
            }
            heads = new_heads([3], 5, body.width, random)
            logits.append(train.predict(Model(body, weights, heads, masks), reviews))
        self.assertGreater(float(logits[0].std(0).min()), 1e-3)
        torch.testing.assert_close(*logits, rtol=0, atol=1e-5)

    def test_branches_of_the_bilstm_together_are_those_one_by_one(self):
        pretrained = backbone.source(str(REPOSITORY / "tests/models/bilstm"))
        tokenizer = vocabulary.prepare(pretrained.tokenizer(), LENGTH)
        body, weights = pretrained.load(None, None, LENGTH)
        random = torch.Generator().manual_seed(0)
        masks = {"classifier.0": torch.rand(3, *weights["classifier.0.weight"].shape, generator=random) < 0.5}
        model = Model(body, weights, new_heads([3] * 3, 5, body.width, random), masks)
        reviews = batches.Tokens(tokenizer, self.validation)
        alone = train.predict(model, reviews)
        with mock.patch.object(Model, "together", lambda self, texts: True):
            together = train.predict(model, reviews)
        self.assertGreater(float(alone.std(0).min()), 1e-3)
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)

    def test_bilstm(self):
        self.check(self.trained("bilstm"), BiLstm, 1)

    def test_bilstm_of_a_folder(self):
        self.check(self.trained(REPOSITORY / "tests/models/bilstm"), BiLstm, 1)


if __name__ == "__main__":
    unittest.main()
