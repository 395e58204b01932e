"""Writes a table of longer texts with more concepts, as people have them, from the reviews in examples/data/cebab:

    python tests/training/two_visits.py FOLDER

Each text tells of two visits, so it has eight concepts of three classes; its label is `positive` or `negative`. A
third of the concept labels is taken away at random, and nothing says which texts are edits. `train.csv` and
`validation.csv` have no review in common, nor versions of one.
"""

import csv
import json
import pathlib
import random
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CONCEPTS = ("food", "ambiance", "service", "noise")
ROWS = {"train": 1_830, "validation": 320}
MISSING = 1 / 3


def reviews(name):
    """The longest of a file, a fifth."""
    lines = (REPOSITORY / f"examples/data/cebab/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    found = sorted(map(json.loads, lines), key=lambda review: len(review["text"].split()))
    return found[-len(found) // 5 :]


def rows(name, count, draw):
    found = reviews(name)
    while count:
        first, second = draw.sample(found, 2)
        stars = first["rating"] + second["rating"]
        if stars == 6 or first["original_id"] == second["original_id"]:
            continue
        row = {"text": f"First visit: {first['text']} Second visit: {second['text']}"}
        for when, review in (("first", first), ("second", second)):
            for concept in CONCEPTS:
                missing = draw.random() < MISSING
                row[f"{when} {concept}"] = "" if missing else review[concept]
        yield row | {"sentiment": "positive" if stars > 6 else "negative"}
        count -= 1


def main(folder):
    draw = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in ROWS.items():
        name = "train_inclusive" if part == "train" else part
        table = list(rows(name, count, draw))
        with open(folder / f"{part}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
