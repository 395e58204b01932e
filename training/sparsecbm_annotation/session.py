"""Which text a person sees next, what they say of it, and how it is saved."""

import hashlib
import math
import os

from sparsecbm_training.table import DataError

from . import agreement
from .agreement import Agreement
from .labelled import Labelled

RANDOM, UNSURE = "random", "unsure"


class Session:
    """Texts are numbered by their first row; rows of equal texts get equal labels.

    Some texts are drawn at random: agreement on them holds for all. The others are those of which the model was least
    sure: there a person's word helps most.
    """

    def __init__(self, labelled: Labelled, random_share: float = 0.5, seed: int = 0) -> None:
        self.labelled, self.random_share = labelled, random_share
        self.rows: dict[int, list[int]] = {}
        first: dict[str, int] = {}
        for i in range(len(labelled)):
            if words := labelled.words(i):
                self.rows.setdefault(first.setdefault(words, i), []).append(i)
        if not self.rows:
            raise DataError(f"{labelled.path}, column {labelled.text!r}: is empty in every row; expected texts")

        def drawn(i: int) -> str:
            return hashlib.sha256(f"{seed} {labelled.words(i)}".encode()).hexdigest()

        self.shuffled = sorted(self.rows, key=drawn)
        self.unsure = sorted(self.rows, key=lambda i: -self.doubt(i))
        self.later: set[int] = set()  # texts that were passed over
        self.written = self.stamp()

    def stamp(self) -> int:
        return os.stat(self.labelled.path).st_mtime_ns

    def doubt(self, i: int) -> float:
        """0 where the model was sure of every concept, 1 where it knew nothing."""
        each = []
        for name in self.labelled.concepts:
            shares = self.labelled.shares(name, i)
            if shares is None:
                each.append(1.0)
            else:
                each.append(-sum(p * math.log(p) for p in shares.values() if p > 0) / math.log(max(2, len(shares))))
        return sum(each) / len(each)

    def drawn(self, i: int) -> list[str | None]:
        """How the text was drawn for each concept that a person labelled; None where nobody did."""
        return [self.labelled.checked(name, i) for name in self.labelled.concepts]

    def done(self, i: int) -> bool:
        return None not in self.drawn(i)

    @property
    def counts(self) -> tuple[int, int]:
        """Texts that are checked, and how many of them were drawn at random."""
        every = [self.drawn(i) for i in self.rows]
        return sum(None not in each for each in every), sum(all(one == RANDOM for one in each) for each in every)

    def next(self) -> tuple[int, str] | None:
        """A text and how it was drawn; None where all are checked."""
        checked, at_random = self.counts
        if at_random < self.random_share * (checked + 1):
            for i in self.shuffled:
                if self.done(i):
                    self.counted_as_random(i)
                elif i not in self.later:
                    return i, RANDOM
        for i in self.unsure:
            if not self.done(i) and i not in self.later:
                return i, UNSURE
        if self.later:
            self.later.clear()
            return self.next()
        return None

    def counted_as_random(self, i: int) -> None:
        """A text whose turn in the random order comes when it is checked already belongs to the random ones: without it
        they would lack what is hard."""
        for name in self.labelled.concepts:
            chosen = self.labelled.label(name, i)
            if chosen is not None and self.labelled.checked(name, i) != RANDOM:
                self.put(i, name, chosen, RANDOM)

    def put(self, i: int, name: str, chosen: str, drawn: str) -> None:
        for row in self.rows[i]:
            self.labelled.set(name, row, chosen, drawn)

    def say(self, i: int, name: str, chosen: str, drawn: str) -> None:
        """What a person says of a concept, saved at once."""
        if i not in self.rows or name not in self.labelled.concepts or chosen not in self.labelled.concepts[name]:
            raise DataError(f"there is no text {i} with a concept {name!r} and a class {chosen!r}")
        if self.stamp() != self.written:
            raise DataError(
                f"{self.labelled.path} was changed by another program; start again, so that nothing of it is lost"
            )
        before = self.labelled.checked(name, i)
        self.put(i, name, chosen, RANDOM if RANDOM in (before, drawn) else UNSURE)
        self.labelled.save()
        self.written = self.stamp()

    def report(self) -> list[Agreement]:
        """Agreement on the texts that were drawn at random."""
        result = []
        for name, classes in self.labelled.concepts.items():
            pairs = []
            for i in self.rows:
                said, chosen = self.labelled.said(name, i), self.labelled.label(name, i)
                if self.labelled.checked(name, i) == RANDOM and said is not None and chosen is not None:
                    pairs.append((said, chosen))
            result.append(agreement.measure(name, classes, pairs))
        return result
