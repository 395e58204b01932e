"""What is trained on: texts with class probabilities of concepts and label, and their division into parts."""

import dataclasses
import hashlib
import itertools
import typing

import torch


@dataclasses.dataclass
class Schema:
    """What the concepts and the label are called, and their classes in order."""

    text: str
    concepts: list[str]
    classes: list[list[str]]  # of each concept
    label: str
    labels: list[str]
    values: list[float] | None  # what each class of the label is worth; None: it has no order
    original: str | None = None  # columns of human edits
    edited: str | None = None

    @property
    def width(self) -> int:
        """The largest number of classes that a concept has."""
        return max(map(len, self.classes))

    @property
    def counts(self) -> list[int]:
        return [len(classes) for classes in self.classes]


@dataclasses.dataclass
class Pair:
    """A human what-if: a text as it was written, and how its label changed when one concept was changed."""

    review: int  # index of the original in its part
    concept: int
    new_class: int
    old_label: int
    new_label: int
    after: int  # index of the edited text


NOT_GIVEN = torch.empty(0)


@dataclasses.dataclass
class Part:
    """Some of the texts. Probabilities are one-hot where people gave a class, and all 0 where nothing is labelled."""

    texts: list[str]
    concepts: torch.Tensor  # [N, K, width]
    labels: torch.Tensor  # [N, L]
    weights: torch.Tensor  # [N]: how much each row counts
    groups: list[str]  # versions of one text share this
    edited: list[int | None]  # the concept that a person was asked to change, None for a text as it was written
    rows: list[int]  # of each in its table
    trust: torch.Tensor = NOT_GIVEN  # [N, K]: how much each label of a concept counts beside the others
    checked: torch.Tensor = NOT_GIVEN  # [N, K]: whether a person said it where others are a model's

    def __post_init__(self) -> None:
        if self.trust is NOT_GIVEN:
            self.trust = torch.ones(self.concepts.shape[:2])
        if self.checked is NOT_GIVEN:
            self.checked = torch.zeros(self.concepts.shape[:2], dtype=torch.bool)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def known(self) -> torch.Tensor:
        """[N, K]: whether the concept is labelled."""
        return self.concepts.sum(-1) > 0

    @property
    def gold(self) -> torch.Tensor:
        """[N, K]: the most probable class, -1 where nothing is labelled."""
        return torch.where(self.known, self.concepts.argmax(-1), -1)

    @property
    def gold_labels(self) -> torch.Tensor:
        return self.labels.argmax(-1)

    def take(self, indices: typing.Iterable[int]) -> "Part":
        chosen = [int(i) for i in indices]
        index = torch.tensor(chosen, dtype=torch.long)

        def of(values: list[typing.Any]) -> list[typing.Any]:
            return [values[i] for i in chosen]

        return Part(
            of(self.texts), self.concepts[index], self.labels[index], self.weights[index],
            of(self.groups), of(self.edited), of(self.rows), self.trust[index], self.checked[index],
        )  # fmt: skip

    def numbered_groups(self) -> torch.Tensor:
        """[N]: the same number for versions of one text."""
        numbers: dict[str, int] = {}
        return torch.tensor([numbers.setdefault(group, len(numbers)) for group in self.groups], dtype=torch.long)


def same_text(text: str) -> str:
    """Equal for texts that differ in spaces and capitals alone."""
    return " ".join(text.split()).lower()


def without_texts(part: Part, others: Part) -> Part:
    """The texts that do not stand among the others: nothing of validation may be trained on."""
    taken = {same_text(text) for text in others.texts}
    return part.take(i for i, text in enumerate(part.texts) if same_text(text) not in taken)


def draw(group: str, salt: int = 0) -> float:
    """A number from 0 to 1 that depends on the group alone, so every seed and every option sees the same split."""
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[4 * salt : 4 * salt + 4], "big") / 2**32


def split(part: Part, share: float, number: int = 0, salt: int = 0) -> tuple[Part, Part]:
    """What stays, and a share that is split off, a text with all of its versions on the same side. Each `number` splits
    off other texts, each `salt` divides independently of the others."""
    off = [int(draw(group, salt) / share) == number for group in part.groups]
    return part.take(i for i, out in enumerate(off) if not out), part.take(i for i, out in enumerate(off) if out)


def fold(group: str, folds: int, salt: int) -> int:
    """A number below `folds`: the same for all versions of a text, another one for each `salt`, and independent of
    the splits above."""
    return hashlib.sha256(b"fold" + group.encode()).digest()[salt] % folds


def folds(part: Part, count: int, salt: int) -> torch.Tensor:
    """That number of each text [N]."""
    return torch.tensor([fold(group, count, salt) for group in part.groups], dtype=torch.long)


def human_edits(part: Part) -> list[Pair]:
    """Pairs of an original and an edit of it whose class of the edited concept differs."""
    originals = {group: i for i, (group, edited) in enumerate(zip(part.groups, part.edited)) if edited is None}
    gold, labels = part.gold.tolist(), part.gold_labels.tolist()
    pairs = []
    for after, k in enumerate(part.edited):
        if k is None or part.groups[after] not in originals:
            continue
        before = originals[part.groups[after]]
        old, new = gold[before][k], gold[after][k]
        if new >= 0 and old != new:
            pairs.append(Pair(before, k, new, labels[before], labels[after], after))
    return pairs


def fitting_pairs(part: Part) -> list[Pair]:
    """What supposing is fitted on: human edits, the same backwards, and pairs of edits of one original's same
    concept."""
    gold, labels = part.gold.tolist(), part.gold_labels.tolist()
    pairs: list[Pair] = []
    edits: dict[tuple[str, int], list[int]] = {}
    for pair in human_edits(part):
        pairs.append(pair)
        if (old := gold[pair.review][pair.concept]) >= 0:
            pairs.append(Pair(pair.after, pair.concept, old, pair.new_label, pair.old_label, pair.review))
    for i, edited in enumerate(part.edited):
        if edited is not None:
            edits.setdefault((part.groups[i], edited), []).append(i)
    for (_, k), same in edits.items():
        pairs += [
            Pair(i, k, gold[j][k], labels[i], labels[j], j)
            for i, j in itertools.permutations(same, 2)
            if gold[j][k] >= 0 and gold[i][k] != gold[j][k]
        ]
    return pairs


def joined(parts: list[Part]) -> Part:
    """One part of all."""

    def of(name: str) -> typing.Any:
        values = [getattr(part, name) for part in parts]
        return (
            torch.cat(values) if isinstance(values[0], torch.Tensor) else [each for value in values for each in value]
        )

    return Part(**{field.name: of(field.name) for field in dataclasses.fields(Part)})
