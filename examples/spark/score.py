"""Score a file of texts on Apache Spark with an exported model.

    python score.py model.onnx reviews.jsonl scored --text description [--corrections COLUMN] [--suppose COLUMN]

Reads JSON lines (or Parquet) and writes Parquet (or JSON lines, --json): every column there was, and

    label             the label's class
    label_probability its probability
    expected_value    mean of the classes where they are numbers (stars), else null
    concepts          map from each concept to its class
    tokens_dropped    whether the text was longer than the model reads

A corrections column is a map from concepts to classes (in JSON an object, or null): what the model misread, put in
place of what it believes, and the label follows. A column for --suppose is such a map too: what is to be supposed,
whatever the text says. Models of one answer give both the same.

The file holds everything: graph, tokenizer and class names. It is broadcast once to each executor, and each of the
executor's Python workers makes one session of it.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
from pyspark.broadcast import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

SCORES = t.StructType(
    [
        t.StructField("label", t.StringType()),
        t.StructField("label_probability", t.FloatType()),
        t.StructField("expected_value", t.FloatType()),
        t.StructField("concepts", t.MapType(t.StringType(), t.StringType())),
        t.StructField("tokens_dropped", t.BooleanType()),
    ]
)

class Scorer:
    """An exported file, ready to score texts."""

    def __init__(self, file: bytes, threads: int):
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        metadata = self.session.get_modelmeta().custom_metadata_map
        if metadata.get("sparsecbm.version", "").split(".")[0] != "1":
            raise ValueError(f"sparsecbm.version: found {metadata.get('sparsecbm.version')!r}, expected 1.x")
        self.schema = json.loads(metadata["sparsecbm.schema"])
        self.tokenizer = Tokenizer.from_str(metadata["sparsecbm.tokenizer"])
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.schema["max_length"])
        padding = self.tokenizer.token_to_id("[PAD]") or 0
        padded = self.schema["pooling"] == "padded-mean"
        # A model whose mean goes over padding needs all of it; others only what the batch needs.
        self.tokenizer.enable_padding(pad_id=padding, length=self.schema["max_length"] if padded else None)
        self.concepts = [concept["name"] for concept in self.schema["concepts"]]
        self.classes = [concept["classes"] for concept in self.schema["concepts"]]
        self.labels = self.schema["label"]["classes"]

    def score(
        self, texts: list[str], corrections: list[dict | None], suppositions: list[dict | None]
    ) -> pd.DataFrame:
        """One row a text."""
        encodings = self.tokenizer.encode_batch(texts)
        override, mask = self.overrides(corrections, suppositions)
        values, logits = self.session.run(
            ["concept_values", "label_logits"],
            {
                "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
                "attention_mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
                "concept_override": override,
                "concept_override_mask": mask,
            },
        )
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = exponentials / exponentials.sum(1, keepdims=True)
        best = probabilities.argmax(1)
        try:
            expected = probabilities @ np.array([float(label) for label in self.labels], np.float32)
        except ValueError:
            expected = [None] * len(texts)
        named = [
            {name: classes[i] for name, classes, i in zip(self.concepts, self.classes, row)}
            for row in values.argmax(2)
        ]
        return pd.DataFrame(
            {
                "label": [self.labels[i] for i in best],
                "label_probability": probabilities[np.arange(len(texts)), best],
                "expected_value": expected,
                "concepts": named,
                "tokens_dropped": [bool(encoding.overflowing) for encoding in encodings],
            }
        )

    def overrides(
        self, corrections: list[dict | None], suppositions: list[dict | None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The graph's `concept_override` and `concept_override_mask`: 1 where a concept is supposed, 2 where it is
        corrected."""
        mask = np.zeros((len(corrections), len(self.concepts)), np.float32)
        override = np.zeros((*mask.shape, max(map(len, self.classes))), np.float32)
        for question, what, given in ((1, "supposition", suppositions), (2, "correction", corrections)):
            for row, classes in enumerate(given):
                for name, value in dict(classes or {}).items():
                    if value is None:
                        continue
                    if name not in self.concepts:
                        raise ValueError(f"{what}: found concept {name!r}, expected one of {self.concepts}")
                    k = self.concepts.index(name)
                    if value not in self.classes[k]:
                        raise ValueError(f"{what} of {name!r}: found {value!r}, expected one of {self.classes[k]}")
                    if mask[row, k]:
                        raise ValueError(f"{name!r}: found a supposition and a correction, expected one of them")
                    mask[row, k] = question
                    override[row, k, self.classes[k].index(value)] = 1
        return override, mask


def of_worker(model: Broadcast, threads: int) -> Scorer:
    """The one scorer of this Python worker, made by its first batch. It is kept on the broadcast, which a worker
    unpickles once, while functions and their globals come again with each task."""
    if not hasattr(model, "scorer"):
        model.scorer = Scorer(model.value, threads)
    return model.scorer


def scoring(model: Broadcast, threads: int, run: int):
    """The pandas UDF that scores a column of texts; `run` texts go through the model at a time."""

    @f.pandas_udf(SCORES)
    def score(columns: Iterator[tuple[pd.Series, pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        scorer = of_worker(model, threads)
        for texts, corrections, suppositions in columns:
            # Texts of like length share a run, so that little of it is padding.
            order = texts.fillna("").str.len().argsort().to_numpy()
            parts = []
            for start in range(0, len(order), run):
                rows = order[start : start + run]
                part = scorer.score(
                    texts.iloc[rows].fillna("").tolist(),
                    corrections.iloc[rows].tolist(),
                    suppositions.iloc[rows].tolist(),
                )
                parts.append(part.set_index(rows))
            yield pd.concat(parts).sort_index() if parts else pd.DataFrame(columns=SCORES.names)

    return score


def score(
    frame: DataFrame,
    file: bytes,
    text: str,
    corrections: str | None = None,
    threads: int = 1,
    run: int = 32,
    suppose: str | None = None,
) -> DataFrame:
    """`frame` with the columns of SCORES beside its own."""
    model = frame.sparkSession.sparkContext.broadcast(file)
    none = f.lit(None).cast(t.MapType(t.StringType(), t.StringType()))
    given = [none if column is None else as_map(frame, column) for column in (corrections, suppose)]
    scored = frame.withColumn("_score", scoring(model, threads, run)(f.col(text), *given))
    return scored.select(*[f.col(name) for name in frame.columns], "_score.*")


def as_map(frame: DataFrame, column: str):
    """A column of objects or maps as a map from strings to strings."""
    kind = frame.schema[column].dataType
    if isinstance(kind, t.MapType):
        return f.col(column)
    # Spark reads objects of JSON as structs.
    return f.from_json(f.to_json(f.col(column)), t.MapType(t.StringType(), t.StringType()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("input", help="JSON lines, or Parquet by its suffix")
    parser.add_argument("output", help="a folder")
    parser.add_argument("--text", default="text", help="the column of texts")
    parser.add_argument("--corrections", help="the column of corrections")
    parser.add_argument("--suppose", help="the column of what is to be supposed")
    parser.add_argument("--json", action="store_true", help="write JSON lines")
    parser.add_argument("--threads", type=int, default=1, help="threads of each Python worker's session")
    parser.add_argument("--partitions", type=int, help="in how many parts the input is divided")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("sparsecbm").getOrCreate()
    reader = spark.read.parquet if arguments.input.endswith(".parquet") else spark.read.json
    frame = reader(arguments.input)
    if arguments.partitions:
        frame = frame.repartition(arguments.partitions)
    with open(arguments.model, "rb") as file:
        scored = score(
            frame,
            file.read(),
            arguments.text,
            arguments.corrections,
            arguments.threads,
            suppose=arguments.suppose,
        )
    writer = scored.write.mode("overwrite")
    (writer.json if arguments.json else writer.parquet)(arguments.output)
    spark.stop()


if __name__ == "__main__":
    main()
