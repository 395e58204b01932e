"""Looks at the data before anything is trained: says what there is, warns of what is doubtful, refuses what cannot
work."""

import collections
import dataclasses
import typing

import torch

from .columns import number
from .data import Part, Schema, same_text
from .table import DataError, Table, listed

FEWEST_ROWS = 40
FEW_EXAMPLES = 10  # of a class, below which it is hardly learned
RARE = 20  # how many times rarer than the commonest class makes one rare


@dataclasses.dataclass
class Parts:
    """Who sees what."""

    fitting: Part  # what weights and masks are trained on
    calibration: Part  # stops training early, and fits what comes after it
    validation: Part  # only measured on

    def named(self) -> dict[str, Part]:
        return {"fitting": self.fitting, "calibration": self.calibration, "validation": self.validation}


def counted(probabilities: torch.Tensor, names: list[str]) -> str:
    counts = probabilities.sum(0).tolist()
    return ", ".join(f"{name} {round(count):,}" for name, count in zip(names, counts))


def places(table: Table, rows: typing.Sequence[int], most: int = 5) -> str:
    shown = ", ".join(str(table.rows[i]) for i in rows[:most])
    return f"rows {shown}" + (f" and {len(rows) - most:,} more" if len(rows) > most else "")


def describe(schema: Schema, parts: Parts, left_out: dict[str, str]) -> list[str]:
    """What will be trained on, line by line."""
    sizes = {name: len(part) for name, part in parts.named().items()}
    everything = [part for part in parts.named().values()]
    rows = sum(sizes.values())
    lines = [f"{rows:,} texts: " + ", ".join(f"{count:,} for {name}" for name, count in sizes.items())]
    kind = "words" if schema.values is None else "ordered"
    lines.append(
        f"label {schema.label!r} ({kind}): {counted(torch.cat([part.labels for part in everything]), schema.labels)}"
    )
    for k, (name, classes) in enumerate(zip(schema.concepts, schema.classes)):
        concepts = torch.cat([part.concepts[:, k] for part in everything])
        known = int((concepts.sum(-1) > 0).sum())
        of = "" if known == rows else f"; labelled in {known:,} of {rows:,}"
        lines.append(f"concept {name!r}: {counted(concepts, classes)}{of}")
    lines += [f"not used: column {name!r} {reason}" for name, reason in left_out.items()]
    return lines


def refuse(schema: Schema, parts: Parts, table: Table) -> None:
    """Raises where training cannot work."""
    everything = [part for part in parts.named().values()]
    rows = sum(map(len, everything))
    file = table.files[0]
    if rows < FEWEST_ROWS:
        raise DataError(f"{file}: found {rows} rows with a text and a label; expected at least {FEWEST_ROWS}")
    texts = parts.fitting.texts
    if all(number(text) is not None for text in texts):
        raise DataError(f"{file}, column {schema.text!r}: found numbers, such as {texts[0]!r}; expected texts")
    for name, part in parts.named().items():
        if len(part) < 5:
            raise DataError(
                f"{file}: found {len(part)} texts for {name}; expected 5 at least. More rows, a larger share, or "
                "a --group "
                "column with more groups gives more"
            )
    for c, label in enumerate(schema.labels):
        if not parts.fitting.labels[:, c].any():
            raise DataError(
                f"{file}, column {schema.label!r}: no row to train on has the class {label!r}; "
                f"expected {FEW_EXAMPLES} at "
                "least. Leave those rows out, or name the class in --missing"
            )
    for k, concept in enumerate(schema.concepts):
        for c, name in enumerate(schema.classes[k]):
            if not parts.fitting.concepts[:, k, c].any():
                raise DataError(
                    f"{file}, column {concept!r}: no row to train on has the class {name!r}; "
                    f"expected {FEW_EXAMPLES} at "
                    f"least. Name it in --missing, or the column in --ignore"
                )


def warnings(schema: Schema, parts: Parts, unusable: dict[str, list[int]], table: Table) -> list[str]:
    """What is doubtful and does not stop training."""
    result = [f"{len(rows):,} rows with {why} are left out: {places(table, rows)}" for why, rows in unusable.items()]
    fitting = parts.fitting
    columns = [(f"label {schema.label!r}", schema.labels, fitting.labels)]
    columns += [
        (f"concept {name!r}", classes, fitting.concepts[:, k, : len(classes)])
        for k, (name, classes) in enumerate(zip(schema.concepts, schema.classes))
    ]
    for what, classes, probabilities in columns:
        counts = probabilities.sum(0)
        for name, count in zip(classes, counts.tolist()):
            if count < FEW_EXAMPLES:
                result.append(f"{what}: {name!r} has {round(count)} examples to train on, fewer than {FEW_EXAMPLES}")
            elif count * RARE < float(counts.max()):
                result.append(
                    f"{what}: {name!r} is rare ({round(count)} of {round(float(counts.sum()))}); "
                    "--rare 0.5 makes such count for more"
                )
        result += alike(what, classes)
    return result + contradictions(schema, parts, table)


def alike(what: str, classes: list[str]) -> list[str]:
    """Classes that are likely one, written in two ways."""
    spelled = collections.defaultdict(list)
    for name in classes:
        spelled[name.casefold()].append(name)
    return [f"{what}: {listed(names)} differ in capitals alone" for names in spelled.values() if len(names) > 1]


def contradictions(schema: Schema, parts: Parts, table: Table) -> list[str]:
    """Equal texts: with different labels, and in what is trained on and what is measured on."""
    seen: dict[str, tuple[str, int, int]] = {}
    differ, twice, both = [], 0, []
    for name, part in parts.named().items():
        for i, (text, label) in enumerate(zip(part.texts, part.gold_labels.tolist())):
            key = same_text(text)
            if key not in seen:
                seen[key] = name, label, part.rows[i]
                continue
            twice += 1
            if seen[key][1] != label:
                differ.append(f"{text[:40]!r}: {schema.labels[seen[key][1]]!r} and {schema.labels[label]!r}")
            if seen[key][0] != name:
                both.append(text[:40])
    result = []
    if twice:
        result.append(f"{twice:,} texts stand there more than once")
    if differ:
        result.append(f"{len(differ):,} equal texts have different labels, such as {differ[0]}")
    if both:
        result.append(f"{len(both):,} texts stand in two of the parts, such as {both[0]!r}: figures on them flatter")
    return result


def cut_texts(lengths: torch.Tensor, most: int) -> list[str]:
    """A warning of texts that are cut; `lengths` in tokens, before."""
    cut = int((lengths > most).sum())
    if not cut:
        return []
    longest = int(lengths.max())
    return [
        f"{cut:,} of {len(lengths):,} texts are longer than {most} tokens and are cut (the longest has {longest:,}); "
        "--max-length reads more, and takes longer"
    ]
