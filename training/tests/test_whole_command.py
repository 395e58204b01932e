"""The whole command on a small table and a small backbone: concepts of 2, 3 and 5 classes, a label of 7 words, some
concept labels missing; and the same killed at five places and taken up again."""

import contextlib
import csv
import io
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import torch
from safetensors.torch import load_file

TRAINING = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TRAINING))

from sparsecbm_training import __main__, output  # noqa: E402

# Kills itself with the signal that no program can catch, at the given saving of its state.
KILLED = """
import os, signal, sys
from sparsecbm_training import __main__, run
run.EVERY = 0.0
saved, save = [0], run.Run.save
def counting(self, inside):
    save(self, inside)
    saved[0] += 1
    if saved[0] == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
run.Run.save = counting
sys.exit(__main__.main(sys.argv[2:]))
"""
OPTIONS = [
    "--text", "words", "--label", "day", "--backbone", "bilstm", "--threads", "1", "--sparsity", "0.5",
    "--plain-steps", "4",
    "--dense-steps", "12", "--steps", "12", "--prunings", "3", "--fisher-batches", "2", "--average-steps", "20",
    "--settle-steps", "10", "--teacher-steps", "4", "--teacher-folds", "2", "--teacher-layers", "1",
]  # fmt: skip


def table(path, count=160):
    draw = random.Random(0)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["words", "two", "three", "five", "day"])
        for i in range(count):
            two, three, five = draw.randrange(2), draw.randrange(3), draw.randrange(5)
            told = [
                ["dull", "bright"][two],
                ["small", "middle", "huge"][three],
                ["red", "blue", "green", "black", "white"][five],
            ]
            text = " ".join(draw.choices("it was there and we saw that they had some more of this".split(), k=8) + told)
            missing = draw.random() < 0.3
            day = "mon tue wed thu fri sat sun".split()[(two + three + five) % 7]
            writer.writerow([text, ["no", "yes"][two], "sml"[three], "" if missing else five + 1, day])


class WholeCommand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        table(cls.folder / "table.csv")
        cls.out = cls.folder / "whole"
        cls.said = io.StringIO()
        # tests/training exports models; building the command is not for here.
        cls.enterClassContext(mock.patch.object(output, "find_command", lambda: None))
        with contextlib.redirect_stdout(cls.said), contextlib.redirect_stderr(cls.said):
            cls.code = __main__.main([str(cls.folder / "table.csv"), *OPTIONS, "--out", str(cls.out)])

    def test_writes_what_it_says(self):
        self.assertEqual(self.code, 0, self.said.getvalue())
        for name in (
            "config.json",
            "sparsecbm.json",
            "model.safetensors",
            "tokenizer.json",
            "card.md",
            "card.html",
            "validation.jsonl",
        ):
            self.assertTrue((self.out / name).is_file(), name)
        self.assertFalse((self.out / ".training").exists())
        schema = json.loads((self.out / "sparsecbm.json").read_text(encoding="utf-8"))
        self.assertEqual([len(concept["classes"]) for concept in schema["concepts"]], [2, 3, 5])
        self.assertEqual(len(schema["label"]["classes"]), 7)
        self.assertNotIn("values", schema["label"])
        card = (self.out / "card.md").read_text(encoding="utf-8")
        for part in ("dense CBM", "plain classifier", "### concept five", "What each concept is worth"):
            self.assertIn(part, card)
        rows = [json.loads(line) for line in (self.out / "validation.jsonl").read_text(encoding="utf-8").splitlines()]
        self.assertTrue(any(row["five"] is None for row in rows))
        said = self.said.getvalue()
        self.assertIn("labelled in", said)
        self.assertIn("Next:", said)

    def test_classes_that_a_concept_does_not_have_are_padding(self):
        tensors = load_file(self.out / "model.safetensors")
        for k, count in enumerate((2, 3, 5)):
            self.assertTrue((tensors["concept_head.bias"][k, count:] == -10000).all())
            self.assertTrue((tensors["concept_head.weight"][k, count:] == 0).all())
            for head in ("label_head.weight", "suppose_head.weight", "correct_head.weight"):
                columns = tensors[head].unflatten(1, (3, 5))[:, k]
                self.assertTrue((columns[:, count:] == 0).all(), head)
            self.assertTrue(tensors["label_head.weight"].unflatten(1, (3, 5))[:, k, :count].any())

    def test_killed_at_five_places_it_gives_the_same(self):
        out = self.folder / "killed"
        environment = os.environ | {"PYTHONPATH": str(TRAINING)}
        resumed = []
        for savings in (3, 9, 14, 20, 25):
            command = [
                sys.executable,
                "-c",
                KILLED,
                str(savings),
                str(self.folder / "table.csv"),
                *OPTIONS,
                *resumed,
                "--out",
                str(out),
            ]
            result = subprocess.run(command, env=environment, capture_output=True, text=True)
            self.assertEqual(result.returncode, -signal.SIGKILL, result.stdout + result.stderr)
            self.assertEqual([path.name for path in out.iterdir()], [".training"])
            resumed = ["--resume"]
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(__main__.main([str(self.folder / "table.csv"), *OPTIONS, "--out", str(out)]), 2)
            self.assertIn("--resume", errors.getvalue())
            other = [*OPTIONS, "--seed", "7", "--resume", "--out", str(out)]
            self.assertEqual(__main__.main([str(self.folder / "table.csv"), *other]), 2)
            self.assertIn("seed", errors.getvalue())
            again = [*OPTIONS, "--resume", "--out", str(out)]
            self.assertEqual(__main__.main([str(self.folder / "table.csv"), *again]), 0)
        once, twice = (load_file(folder / "model.safetensors") for folder in (self.out, out))
        self.assertEqual(once.keys(), twice.keys())
        for name, value in once.items():
            self.assertTrue(torch.equal(value, twice[name]), name)


if __name__ == "__main__":
    unittest.main()
