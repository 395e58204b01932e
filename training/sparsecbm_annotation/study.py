"""What labels of a language model are worth: trains on them, on the same with some corrected, and on gold labels.

    python -m sparsecbm_annotation.study DATA OUT --endpoint URL --model NAME --concepts FILE

DATA is a folder with CEBaB's train_inclusive.jsonl and validation.jsonl (examples/data/cebab). The corrections go
through what training/check does, with the gold label in a person's place.
"""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import typing

from sparsecbm_training import table

from . import __main__, agreement, concepts
from .labelled import Labelled
from .session import Session

TRAINING = pathlib.Path(__file__).resolve().parents[1]
TEXT, LABEL = "text", "rating"
Rows = list[dict[str, typing.Any]]


def rows_of(path: pathlib.Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: pathlib.Path, rows: Rows, fields: list[str]) -> pathlib.Path:
    lines = [json.dumps({name: row[name] for name in fields}, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def correct(path: pathlib.Path, gold: dict[str, dict[str, str]], texts: int) -> Session:
    """As a person would who knows the gold labels: the texts that training/check shows, in its order."""
    session = Session(Labelled.read(path, TEXT))
    for _ in range(texts):
        if (found := session.next()) is None:
            break
        i, drawn = found
        for name in session.labelled.concepts:
            session.say(i, name, gold[session.labelled.words(i)][name], drawn)
    return session


def train(
    out: pathlib.Path, data: pathlib.Path, validation: pathlib.Path, names: list[str], options: list[str]
) -> None:
    if (out / "sparsecbm.json").exists():
        return
    command = [
        str(TRAINING / "train"), str(data), "--text", TEXT, "--label", LABEL, "--concepts", *names,
        "--validation", str(validation), "--out", str(out), *options,
    ]  # fmt: skip
    subprocess.run(command, check=True)


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m sparsecbm_annotation.study", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = reader.add_argument
    add("data", type=pathlib.Path)
    add("out", type=pathlib.Path)
    add("--endpoint", required=True)
    add("--model", required=True)
    add("--concepts", type=pathlib.Path, required=True)
    add("--texts", type=int, default=1000)
    add("--checked", type=int, default=100)
    add("--label-only", action="store_true", help="train nothing yet")
    add("--train", nargs=argparse.REMAINDER, default=[], help="options of training/train; the last of all")
    given = reader.parse_args()
    names = list(concepts.read(given.concepts).concepts)
    given.out.mkdir(parents=True, exist_ok=True)
    written = [row for row in rows_of(given.data / "train_inclusive.jsonl") if row["edited"] is None]
    random.Random(0).shuffle(written)
    rows = written[: given.texts]  # fewer texts are some of the more, so that none is asked about twice
    gold = {row[TEXT].strip(): row for row in rows}
    texts = write(given.out / "texts.jsonl", rows, [TEXT, LABEL])
    files = {
        "gold": write(given.out / "gold.jsonl", rows, [TEXT, LABEL, *names]),
        "corrected": given.out / "corrected.jsonl",
        "uncorrected": given.out / "uncorrected.jsonl",
    }
    code = __main__.main([
        "annotate", str(texts), "--text", TEXT, "--concepts", str(given.concepts), "--endpoint", given.endpoint,
        "--model", given.model, "--out", str(files["uncorrected"]),
    ])  # fmt: skip
    if code:
        return code
    shutil.copy(files["uncorrected"], files["corrected"])
    session = correct(files["corrected"], gold, given.checked)
    print("what training/check reports:")
    for each in session.report():
        print("  " + agreement.told(each))
    found = table.read([files["uncorrected"]])
    print("with all gold labels:")
    for name in names:
        pairs = [(said, row[name]) for said, row in zip(found.cells[name], rows) if said is not None]
        print("  " + agreement.told(agreement.measure(name, session.labelled.concepts[name], pairs)))
    if given.label_only:
        return 0
    validation = write(given.out / "validation.jsonl", rows_of(given.data / "validation.jsonl"), [TEXT, LABEL, *names])
    for name, data in files.items():
        train(given.out / name, data, validation, names, given.train)
    print("| trained on | concepts, dense | label, dense | concepts, sparse | label, sparse |")
    print("| --- | --- | --- | --- | --- |")
    for name in files:
        figures = json.loads((given.out / name / "sparsecbm.json").read_text(encoding="utf-8"))["training"]
        dense = figures["dense_baseline"]
        shares = [
            dense["concept_accuracy"],
            dense["label_accuracy"],
            figures["concept_accuracy"],
            figures["label_accuracy"],
        ]
        print(f"| {name} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
