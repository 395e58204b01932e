"""Reads reviews with concept labels and splits them."""

import dataclasses
import hashlib
import itertools
import json
import pathlib

NOT_CONCEPTS = ("id", "original_id", "edited", "text", "rating")
CLASS_ORDER = ("negative", "positive", "unknown")


@dataclasses.dataclass
class Review:
    text: str
    concepts: list[int]  # class index of each concept
    label: int  # class index
    edited: int | None  # the concept that a person was asked to change, None for a review as it was written
    original: str  # a review and its edits share this


@dataclasses.dataclass
class Schema:
    concepts: list[str]
    classes: list[str]
    labels: list[str]

    @property
    def stars(self):
        """What each label class is worth, for expected values."""
        return [float(name) for name in self.labels]


@dataclasses.dataclass
class Pair:
    """A human what-if: a review as it was written, and how its label changed when one concept was changed."""

    review: int  # index of the original in its list
    concept: int
    new_class: int
    old_label: int
    new_label: int
    after: int  # index of the edited review


def paths(arguments):
    """The training and the validation file that `--data` names: a folder that holds both, or the two files."""
    if len(arguments) == 1:
        folder = pathlib.Path(arguments[0])
        return folder / "train_inclusive.jsonl", folder / "validation.jsonl"
    train, validation = arguments
    return pathlib.Path(train), pathlib.Path(validation)


def read(train_path, validation_path):
    """The schema, and the reviews of both files. Every field that is not a known one is a concept."""
    rows = {}
    for path in (train_path, validation_path):
        with open(path, encoding="utf-8") as lines:
            rows[path] = [json.loads(line) for line in lines if line.strip()]
    both = rows[train_path] + rows[validation_path]
    names = [name for name in both[0] if name not in NOT_CONCEPTS]
    found = {row[name] for row in both for name in names}
    classes = [c for c in CLASS_ORDER if c in found] + sorted(found - set(CLASS_ORDER))
    schema = Schema(names, classes, [str(label) for label in sorted({row["rating"] for row in both})])

    def review(row):
        edited = row["edited"]
        return Review(
            text=row["text"],
            concepts=[classes.index(row[name]) for name in names],
            label=schema.labels.index(str(row["rating"])),
            edited=None if edited is None else names.index(edited),
            original=row["original_id"],
        )

    return schema, *([review(row) for row in rows[path]] for path in (train_path, validation_path))


def without_texts(reviews, others):
    """The reviews whose text does not stand among the others: nothing of validation may be trained on."""
    taken = {other.text.strip() for other in others}
    return [review for review in reviews if review.text.strip() not in taken]


def split(reviews, share, part=0):
    """Splits into a fitting and a calibration part, an original and all of its edits on the same side. Each `part`
    calibrates on other reviews.

    The side depends on the original's identifier only, so every seed and every option sees the same split.
    """

    def draw(review):
        digest = hashlib.sha256(review.original.encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32

    sides = [], []
    for review in reviews:
        sides[int(draw(review) / share) == part].append(review)
    return sides


def human_edits(reviews):
    """Pairs of an original and an edit of it whose class of the edited concept differs."""
    originals = {review.original: i for i, review in enumerate(reviews) if review.edited is None}
    pairs = []
    for after, edit in enumerate(reviews):
        if edit.edited is None or edit.original not in originals:
            continue
        i = originals[edit.original]
        k = edit.edited
        if reviews[i].concepts[k] != edit.concepts[k]:
            pairs.append(Pair(i, k, edit.concepts[k], reviews[i].label, edit.label, after))
    return pairs


def fitting_pairs(reviews):
    """What supposing is fitted on: human edits, the same backwards, and pairs of edits of one original's same concept."""
    pairs, edits = [], {}
    for pair in human_edits(reviews):
        before, k = reviews[pair.review], pair.concept
        pairs += [pair, Pair(pair.after, k, before.concepts[k], pair.new_label, pair.old_label, pair.review)]
    for i, review in enumerate(reviews):
        if review.edited is not None:
            edits.setdefault((review.original, review.edited), []).append(i)
    for (_, k), same in edits.items():
        pairs += [
            Pair(i, k, reviews[j].concepts[k], reviews[i].label, reviews[j].label, j)
            for i, j in itertools.permutations(same, 2)
            if reviews[i].concepts[k] != reviews[j].concepts[k]
        ]
    return pairs
