"""Trains very shortly on tables as people have them: concepts of different numbers of classes, and the guide's own
commands.

    SPARSECBM=COMMAND PYTHON=INTERPRETER INTERPRETER -m unittest discover -s tests/training
"""

import contextlib
import csv
import io
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile
import unittest

import torch
from tokenizers import Tokenizer

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "training"))

import folders  # noqa: E402
from sparsecbm_training import __main__, batches, checkpoint, options, prepare, train, vocabulary  # noqa: E402
from sparsecbm_training.backbone.hugging_face import HuggingFace  # noqa: E402

GUIDE = REPOSITORY / "docs/guide/your-own-data.md"
TUTORIAL = REPOSITORY / "docs/guide/tutorial-train.md"
CLASSES = {
    "light": ["dark", "bright"],
    "size": ["small", "middle", "huge"],
    "colour": ["red", "blue", "green", "black", "white"],
}
LABELS = {2: ["no", "yes"], 7: "mon tue wed thu fri sat sun".split()}
SHORT = [
    "--threads", "1", "--batch", "16", "--plain-steps", "5", "--dense-steps", "20", "--steps", "20",
    "--average-steps", "10", "--prunings", "2", "--fisher-batches", "2", "--whole-batches", "1",
]  # fmt: skip
LENGTH = 32


def write(path, labels, count=200):
    """A table of made-up texts, some concepts not labelled."""
    draw = random.Random(0)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["words", *CLASSES, "label"])
        for _ in range(count):
            chosen = [draw.randrange(len(classes)) for classes in CLASSES.values()]
            told = [classes[i] for i, classes in zip(chosen, CLASSES.values())]
            text = " ".join(draw.choices("it was there and we saw that they had some more of this".split(), k=8) + told)
            cells = [name if draw.random() < 0.8 else "" for name in told]
            writer.writerow([text, *cells, labels[sum(chosen) % len(labels)]])


def trainings(page):
    """The commands of a page that train."""
    return [shlex.split(line) for line in page.splitlines() if line.startswith("training/train ")]


class Tables(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def command(self, *arguments):
        result = subprocess.run(
            list(map(str, arguments)), cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, encoding="utf-8"
        )
        self.assertEqual(result.returncode, 0, f"{arguments}\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def check_ragged(self, count):
        """That the command predicts what PyTorch does, in as many classes as each concept has."""
        data, out = self.folder / "table.csv", self.folder / "model"
        write(data, LABELS[count])
        columns = [str(data), "--text", "words", "--label", "label", "--max-length", str(LENGTH)]
        given = options.parse([*columns, "--look"])
        validation = prepare.read(given, options.recipe_of(given)).parts.validation
        backbone = self.folder / "bert"
        backbone.mkdir()
        folders.bert(backbone, validation.texts)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            where = ["--out", str(out), "--backbone", str(backbone)]
            code = __main__.main([*columns, *where, "--sparsity", "0.5", *SHORT])
        self.assertEqual(code, 0, said.getvalue())
        model, head = checkpoint.read(out, HuggingFace)
        tokenizer = vocabulary.prepare(Tokenizer.from_file(str(out / "tokenizer.json")), LENGTH)
        logits = train.predict(model, batches.Tokens(tokenizer, validation))
        labels = head(logits)
        self.assertEqual(labels.shape[1], count)

        exported = out / "model.onnx"
        sparsecbm = os.environ["SPARSECBM"]
        lines = self.command(sparsecbm, "predict", "--json", exported, "--input", out / "validation.jsonl").splitlines()
        predicted = [json.loads(line) for line in lines]
        self.assertEqual(len(predicted), len(validation))
        for k, classes in enumerate(CLASSES.values()):
            own = torch.tensor([one["concepts"][k]["logits"] for one in predicted])
            self.assertEqual(own.shape[1], len(classes))
            torch.testing.assert_close(own, logits[:, k, : len(classes)], rtol=0, atol=1e-4)
        own = torch.tensor([one["label"]["logits"] for one in predicted])
        torch.testing.assert_close(own, labels, rtol=0, atol=1e-4)
        measured = json.loads(self.command(sparsecbm, "eval", "--json", exported, out / "validation.jsonl"))
        told = json.loads((out / "sparsecbm.json").read_text(encoding="utf-8"))["training"]
        for key in ("concept_accuracy", "label_accuracy"):
            self.assertAlmostEqual(measured[key], told[key], places=6)

    def test_concepts_of_2_3_and_5_classes_and_a_label_of_2(self):
        self.check_ragged(2)

    def test_concepts_of_2_3_and_5_classes_and_a_label_of_7(self):
        self.check_ragged(7)

    def test_the_guide(self):
        """Its commands as they stand there, but for how long they train and where they write."""
        text = GUIDE.read_text(encoding="utf-8")
        look, training = trainings(text)
        self.assertEqual(trainings(TUTORIAL.read_text(encoding="utf-8")), [look, training])
        said = self.command(*look)
        for name in ("dishes", "room", "staff", "sound", "verdict"):
            self.assertIn(name, said)
        out = self.folder / training[training.index("--out") + 1]
        training[training.index("--out") + 1] = out
        said = self.command(*training, "--layers", 1, *SHORT)
        listed = text[text.index("| in `my-model` |") :]
        for line in listed.splitlines()[2:]:
            if not line.startswith("|"):
                break
            for name in line.split("|")[1].split(","):
                self.assertTrue((out / name.strip().strip("`")).is_file(), name)
        following = said[said.index("Next:") :].splitlines()[1:]
        self.assertEqual(len(following), 3)
        for line in following:
            self.assertTrue(self.command(*shlex.split(line)))


if __name__ == "__main__":
    unittest.main()
