"""Score as many rows as wanted, made by repeating real texts, on this machine, and check them.

    python scale.py model.onnx reviews.jsonl --text description --rows 1000000

The rows are written to a Parquet file, scored from it into another (score.py), and read again: no row may be lost,
and rows of one text must agree, whichever batch each was in.
"""

import argparse
import tempfile
import time
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from score import score

# Float sums depend on the padding of a batch.
TOLERANCE = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("input", help="JSON lines")
    parser.add_argument("--text", default="text", help="the column of texts")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cores", type=int, help="tasks at one time; all cores by default")
    arguments = parser.parse_args()

    builder = SparkSession.builder.master(f"local[{arguments.cores or '*'}]").appName("sparsecbm")
    spark = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false").getOrCreate()
    # The executors' Python processes import it too.
    spark.sparkContext.addPyFile(str(Path(__file__).with_name("score.py")))
    texts = [row[0] for row in spark.read.json(arguments.input).select(arguments.text).distinct().collect()]
    named = spark.createDataFrame(list(enumerate(texts)), "n long, text string")
    with open(arguments.model, "rb") as file:
        model = file.read()
    with tempfile.TemporaryDirectory() as folder:
        rows = spark.range(arguments.rows).withColumn("n", f.col("id") % len(texts))
        rows.join(f.broadcast(named), "n").write.parquet(f"{folder}/rows")
        start = time.monotonic()
        score(spark.read.parquet(f"{folder}/rows"), model, "text", None).write.parquet(f"{folder}/scored")
        seconds = time.monotonic() - start
        scored = spark.read.parquet(f"{folder}/scored")
        count, distinct = scored.count(), scored.select("id").distinct().count()
        spread = f.max("label_probability") - f.min("label_probability")
        of_text = scored.groupBy("n").agg(spread.alias("spread"), f.countDistinct("label").alias("labels"))
        apart = of_text.filter((f.col("spread") > TOLERANCE) | (f.col("labels") > 1)).count()
    spark.stop()
    print(f"{count} rows of {len(texts)} texts in {seconds:.0f} s: {count / seconds:.0f} rows/s")
    if (count, distinct) != (arguments.rows, arguments.rows) or apart:
        raise SystemExit(f"{distinct} different rows came out, and {apart} texts have several answers")


if __name__ == "__main__":
    main()
