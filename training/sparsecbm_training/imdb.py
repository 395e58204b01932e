"""Turns CSV files of IMDB-C into the JSON lines that training and `sparsecbm eval` read.

    python -m sparsecbm_training.imdb train.csv train.jsonl        # in training

A row has a review, its sentiment, and a class for each of eight concepts. Labels typed by hand are normalised: spaces
around them and capitals go, and known misspellings are corrected. Every spelling that was changed is printed with how
often it occurred; one that is not known is an error that names its row.
"""

import argparse
import collections
import csv
import json
import pathlib
import sys

CONCEPTS = (
    "acting", "storyline", "emotional arousal", "cinematography", "soundtrack", "directing", "background setting",
    "editing",
)  # fmt: skip
CLASSES = ("negative", "positive", "unknown")
LABELS = ("negative", "positive")
# What people typed, in lower case and without spaces around, and what they meant.
MEANT = {"": "unknown", "no majority": "unknown", "unkown": "unknown", "unknow": "unknown", "unknwon": "unknown"}


def normalized(value, classes):
    """The class that a spelling means, or None."""
    plain = " ".join((value or "").split()).lower()
    plain = MEANT.get(plain, plain)
    return plain if plain in classes else None


def rows(lines, place, text="review", label="sentiment", concepts=CONCEPTS):
    """The rows as our fields, and how often each other spelling of a class occurred: (column, spelling) -> count."""
    reader = csv.DictReader(lines)
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    missing = [name for name in (text, label, *concepts) if name not in columns]
    if missing:
        raise ValueError(f"{place}: no column {missing}; found {reader.fieldnames}")
    changed = collections.Counter()

    def read(row, number, name, classes):
        found = row[columns[name]]
        meant = normalized(found, classes)
        if meant is None:
            raise ValueError(f"{place}: row {number}: {name}: found {found!r}, expected one of {', '.join(classes)}")
        if found != meant:
            changed[name, found] += 1
        return meant

    result = []
    for number, row in enumerate(reader, 1):
        review = {"id": f"{number:06}", "original_id": f"{number:06}", "edited": None, "text": row[columns[text]]}
        review["rating"] = read(row, number, label, LABELS)
        review |= {name: read(row, number, name, CLASSES) for name in concepts}
        result.append(review)
    return result, changed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("csv", type=pathlib.Path)
    parser.add_argument("jsonl", type=pathlib.Path)
    parser.add_argument("--text", default="review", help="the column of the text")
    parser.add_argument("--label", default="sentiment", help="the column of the label")
    options = parser.parse_args()
    try:
        with open(options.csv, encoding="utf-8-sig", newline="") as lines:
            reviews, changed = rows(lines, options.csv, options.text, options.label)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        sys.exit(f"imdb: {error}")
    with open(options.jsonl, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(review, ensure_ascii=False) + "\n" for review in reviews)
    print(f"{len(reviews)} reviews; {sum(changed.values())} labels normalised")
    for (column, found), count in sorted(changed.items()):
        print(f"{count:7}  {column}: {found!r}")


if __name__ == "__main__":
    main()
