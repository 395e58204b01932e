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
executor's Python workers loads it once.
"""

import argparse
from collections.abc import Iterator

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
        from sparsecbm import Model

        self.model = Model.from_bytes(file, threads=threads)

    def score(self, texts: list[str], corrections: list[dict | None], suppositions: list[dict | None]) -> pd.DataFrame:
        """One row a text."""
        rows = []
        for prediction, corrected, supposed in zip(self.model.predict(texts), corrections, suppositions):
            corrected, supposed = known(corrected), known(supposed)
            if twice := corrected.keys() & supposed.keys():
                raise ValueError(f"{sorted(twice)}: found a supposition and a correction, expected one of them")
            if corrected:
                prediction = prediction.correct(corrected)
            if supposed:
                prediction = prediction.suppose(supposed)
            rows.append(
                (
                    prediction.label,
                    prediction.label_probabilities[prediction.label_index],
                    prediction.expected_value,
                    {name: concept.class_name for name, concept in prediction.concepts.items()},
                    prediction.dropped_tokens > 0,
                )
            )
        return pd.DataFrame(rows, columns=SCORES.names)


def known(classes: dict | None) -> dict:
    """Without the concepts of which nothing is said."""
    return {name: value for name, value in dict(classes or {}).items() if value is not None}


def of_worker(model: Broadcast, threads: int) -> Scorer:
    """The one scorer of this Python worker, made by its first batch. It is kept on the broadcast, which a worker
    unpickles once, while functions and their globals come again with each task."""
    if not hasattr(model, "scorer"):
        model.scorer = Scorer(model.value, threads)
    return model.scorer


def scoring(model: Broadcast, threads: int):
    """The pandas UDF that scores a column of texts."""

    @f.pandas_udf(SCORES)
    def score(columns: Iterator[tuple[pd.Series, pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        scorer = of_worker(model, threads)
        for texts, corrections, suppositions in columns:
            yield scorer.score(texts.fillna("").tolist(), corrections.tolist(), suppositions.tolist())

    return score


def score(
    frame: DataFrame,
    file: bytes,
    text: str,
    corrections: str | None = None,
    threads: int = 1,
    suppose: str | None = None,
) -> DataFrame:
    """`frame` with the columns of SCORES beside its own."""
    model = frame.sparkSession.sparkContext.broadcast(file)
    none = f.lit(None).cast(t.MapType(t.StringType(), t.StringType()))
    given = [none if column is None else as_map(frame, column) for column in (corrections, suppose)]
    scored = frame.withColumn("_score", scoring(model, threads)(f.col(text), *given))
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
    parser.add_argument("--threads", type=int, default=1, help="threads of each Python worker's model")
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
