"""Spark in local mode against the command line, on real reviews: python check.py SPARSECBM MODEL REVIEWS"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from pyspark.errors import PythonException
from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "examples/spark"))
# The executors' Python processes import it too.
os.environ["PYTHONPATH"] = str(REPOSITORY / "examples/spark")
os.environ["PYSPARK_PYTHON"] = sys.executable

import score  # noqa: E402

SPARSECBM, MODEL, REVIEWS = sys.argv[1:4]
COMPARED = 200


class SparkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        builder = SparkSession.builder.master("local[2]").config("spark.ui.showConsoleProgress", "false")
        cls.spark = builder.config("spark.ui.enabled", "false").getOrCreate()
        cls.model = Path(MODEL).read_bytes()
        schema = json.loads(subprocess.check_output([SPARSECBM, "inspect", MODEL, "--json"]))["schema"]
        cls.field = schema["data_fields"]["text"]
        cls.concept = schema["concepts"][-1]

    @classmethod
    def tearDownClass(cls):
        cls.spark.stop()

    def said(self, texts: list[str], *more: str) -> list[dict]:
        """What the command line says of the texts, on another engine."""
        lines = "\n".join(json.dumps({self.field: text}) for text in texts)
        command = [SPARSECBM, "predict", MODEL, "--json", "--engine", "tract", "--input", "-", *more]
        answers = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout
        return [json.loads(line) for line in answers.splitlines()]

    def compare(self, row, said: dict):
        self.assertEqual(row["label"], said["label"]["class"])
        best = said["label"]["probabilities"][said["label"]["class_index"]]
        self.assertAlmostEqual(row["label_probability"], best, delta=1e-4)
        if said["label"]["expected_value"] is not None:
            self.assertAlmostEqual(row["expected_value"], said["label"]["expected_value"], delta=1e-3)
        self.assertEqual(row["concepts"], {c["name"]: c["class"] for c in said["concepts"]})
        self.assertEqual(row["tokens_dropped"], said["dropped_tokens"] > 0)

    def test_columns_are_what_the_command_line_says(self):
        frame = self.spark.read.json(REVIEWS).repartition(4)
        scored = score.score(frame, self.model, self.field, None).cache()
        self.assertEqual(scored.count(), frame.count())
        self.assertEqual(scored.columns[: len(frame.columns)], frame.columns)
        rows = scored.limit(COMPARED).collect()
        for row, said in zip(rows, self.said([row[self.field] for row in rows]), strict=True):
            self.compare(row, said)

    def test_corrections_and_suppositions_are_followed(self):
        lines = Path(REVIEWS).read_text().splitlines()[:COMPARED]
        name, value = self.concept["name"], self.concept["classes"][0]
        rows = [
            {"i": i, "text": json.loads(line)[self.field], "fix": {name: value} if i % 2 else None}
            for i, line in enumerate(lines)
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "reviews.jsonl"
            path.write_text("\n".join(map(json.dumps, rows)))
            frame = self.spark.read.json(str(path))
            for option, column in (("--correct", "corrections"), ("--set", "suppose")):
                with self.subTest(column):
                    scored = score.score(frame, self.model, "text", **{column: "fix"}).collect()
                    self.assertEqual(len(scored), len(rows))
                    said = self.said([row["text"] for row in scored], option, f"{name}={value}")
                    for row, said in zip(scored, said, strict=True):
                        self.compare(row, said["corrected"] if row["i"] % 2 else said)

    def test_empty_and_missing_texts_have_a_score(self):
        frame = self.spark.createDataFrame([("",), (None,)], "text string")
        rows = score.score(frame, self.model, "text", None).collect()
        for row in rows:
            self.compare(row, self.said([""])[0])

    def test_a_wrong_correction_is_an_error(self):
        frame = self.spark.createDataFrame([("Fine.", {"nothing": "x"})], "text string, fix map<string,string>")
        with self.assertRaisesRegex(PythonException, "concept: found 'nothing'"):
            score.score(frame, self.model, "text", "fix").collect()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
