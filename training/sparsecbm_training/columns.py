"""Says what the columns of a table are: text, label, concepts, human edits; and what their cells mean."""

import dataclasses
import difflib
import json
import math
import typing

import torch

from . import provenance
from .data import Part, Schema, same_text
from .table import DataError, Table, listed, short

MOST_CLASSES = 12  # of a column that is taken for a concept where none are named
MOST_LABELS = 100

Cell = str | dict[str, float] | None  # a class, the probabilities of several, or not labelled


@dataclasses.dataclass
class Columns:
    """What somebody said of their table."""

    text: str
    label: str
    concepts: list[str] | None = None  # None: every other column that has few classes
    ignore: typing.Sequence[str] = ()
    missing: typing.Sequence[str] = ()  # besides empty cells
    label_order: typing.Sequence[str] | None = None
    pairs: tuple[str, str] | None = None  # which original a text is a version of; the concept that was edited in it
    group: str | None = None
    weight: str | None = None
    person_weight: float = 5.0  # of a label that a person checked, beside one of a model


@dataclasses.dataclass
class Found:
    """What a table turned out to hold."""

    schema: Schema
    left_out: dict[str, str]  # columns that are used for nothing, and why


def expect(table: Table, name: str, option: str) -> None:
    """That there is a column, or a group of columns NAME=CLASS."""
    names = sources(table)
    if name not in names:
        close = difflib.get_close_matches(name, names, 1, 0.6)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise DataError(f"{option}: {table.files[0]} has no column {name!r}{hint} Its columns are {listed(names)}")


def sources(table: Table) -> dict[str, list[str]]:
    """Each column under its name, and columns NAME=CLASS of probabilities together under NAME. A column NAME of classes
    may stand beside those; one that says where labels come from is none."""
    groups: dict[str, list[str]] = {}
    for name in table.columns:
        if "=" in name:
            groups.setdefault(name.split("=")[0].strip(), []).append(name)
    grouped = {name: parts for name, parts in groups.items() if len(parts) > 1}
    inside = {part for parts in grouped.values() for part in parts}
    others = {*table.columns, *grouped}
    inside |= {name for name in table.columns if provenance.is_source(name, table.cells[name], others)}
    return {name: [name] for name in table.columns if name not in inside} | grouped


def plain(cell: typing.Any, missing: typing.Container[str]) -> str | None:
    """A cell as the name of a class; None where it counts as not labelled."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    name = " ".join(str(cell).split())
    return None if not name or name in missing else name


def number(name: str) -> float | None:
    """A number that people may have meant; no infinities."""
    try:
        value = float(name)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def distribution(given: dict[typing.Any, typing.Any], place: str, name: str) -> dict[str, float] | None:
    """Probabilities from shares or counts of annotators."""
    weights: dict[str, float] = {}
    for key, value in given.items():
        share = 0.0 if value is None or value == "" else number(str(value))
        if share is None or share < 0 or isinstance(value, bool):
            raise DataError(f"{place}, column {name!r}: found {short(value)} for {key!r}; expected a share, 0 or more")
        weights[" ".join(str(key).split())] = share
    total = sum(weights.values())
    if total == 0:
        return None
    return {key: share / total for key, share in weights.items()}


def cells_of(table: Table, name: str, missing: typing.Container[str]) -> list[Cell]:
    """What each row says of a concept or of the label."""
    parts = sources(table)[name]
    if len(parts) > 1:
        classes = [part.split("=", 1)[1].strip() for part in parts]
        rows = zip(*(table.cells[part] for part in parts))
        shares: list[Cell] = [distribution(dict(zip(classes, row)), table.place(i), name) for i, row in enumerate(rows)]
        return shares if name not in table.columns else changed(table, name, shares, missing)
    result: list[Cell] = []
    for i, cell in enumerate(table.cells[parts[0]]):
        if isinstance(cell, str) and cell.lstrip().startswith("{"):
            try:
                cell = json.loads(cell)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{table.place(i)}, column {name!r}: found {short(cell)}, which is no JSON; "
                    'expected a class, or probabilities like {"good": 0.8, "bad": 0.2}'
                ) from error
        if isinstance(cell, dict):
            result.append(distribution(cell, table.place(i), name))
        elif isinstance(cell, (list, tuple, bytes)):
            raise DataError(f"{table.place(i)}, column {name!r}: found {short(cell)}; expected a class")
        else:
            result.append(plain(cell, missing))
    return result


def changed(table: Table, name: str, shares: list[Cell], missing: typing.Container[str]) -> list[Cell]:
    """Probabilities, or the class beside them: where a person said it, where it is another than the most probable, for
    somebody changed it, and where it was taken away."""
    said = origins(table, name)
    result: list[Cell] = []
    for cell, given, origin in zip(table.cells[name], shares, said):
        chosen = plain(cell, missing)
        likely = max(given, key=given.__getitem__) if isinstance(given, dict) else None
        result.append(given if chosen is not None and chosen == likely and origin != provenance.PERSON else chosen)
    return result


def origins(table: Table, name: str) -> list[str | None]:
    """Where each label of a concept comes from, where a column says it."""
    column = name + provenance.SUFFIX
    if column not in table.columns or not provenance.is_source(column, table.cells[column], sources(table)):
        return [None] * len(table)
    return [provenance.origin(cell) for cell in table.cells[column]]


def ordered(cells: typing.Iterable[Cell]) -> tuple[list[str], dict[str, str]]:
    """The classes in order, numbers by their size and words by the alphabet; and the class that each spelling means,
    for 4 and 4.0 are one."""
    names: dict[str, None] = {}
    for cell in cells:
        names.update(dict.fromkeys(cell if isinstance(cell, dict) else [] if cell is None else [cell]))
    numbers = {name: number(name) for name in names}
    if any(value is None for value in numbers.values()):
        return sorted(names), {name: name for name in names}
    by_value: dict[float, str] = {}
    for name, value in numbers.items():
        assert value is not None
        by_value.setdefault(value, f"{value:g}" if float(f"{value:g}") == value else name)
    meant = {name: by_value[typing.cast(float, value)] for name, value in numbers.items()}
    return [by_value[value] for value in sorted(by_value)], meant


def find(tables: list[Table], said: Columns) -> Found:
    """The schema of all tables together, the first of which is trained on."""
    table = tables[0]
    expect(table, said.text, "--text")
    expect(table, said.label, "--label")
    if said.text == said.label:
        raise DataError(f"--text and --label both name {said.text!r}; expected two columns")
    given = {"--group": said.group, "--weight": said.weight}
    for option, name in [("--concepts", name) for name in said.concepts or ()] + [
        ("--ignore", name) for name in said.ignore
    ]:
        expect(table, name, option)
    for option, column in [*given.items(), *(("--pairs", name) for name in said.pairs or ())]:
        if column is not None:
            expect(table, column, option)
    taken = {said.text, said.label, said.group, said.weight, *(said.pairs or ()), *said.ignore}
    if clash := [name for name in said.concepts or () if name in taken]:
        raise DataError(f"--concepts: {clash[0]!r} has another use already; expected columns that have none")
    names = [name for name in sources(table) if name not in taken] if said.concepts is None else said.concepts
    used = [said.text, *(name for name in taken - set(said.ignore) if name), *names]
    for other in tables[1:]:
        for name in dict.fromkeys(used):
            if said.concepts is not None or name in taken:
                expect(other, name, "--validation")
    left_out: dict[str, str] = {}
    concepts: list[str] = []
    classes: list[list[str]] = []
    for name in names:
        found, reason = concept_classes(tables, name, said)
        if reason is None:
            concepts.append(name)
            classes.append(found)
        elif said.concepts is None:
            left_out[name] = reason
        else:
            raise DataError(f"--concepts: column {name!r} of {table.files[0]} {reason}")
    if not concepts:
        reasons = "; ".join(f"{name!r} {reason}" for name, reason in left_out.items()) or "there is no other column"
        raise DataError(
            f"{table.files[0]}: found no column for a concept: {reasons}. Expected at least one with "
            f"2 to {MOST_CLASSES} classes; "
            "--concepts names columns that may have more"
        )
    labels, values = label_classes(tables, said)
    pairs = said.pairs or (None, None)
    return Found(Schema(said.text, concepts, classes, said.label, labels, values, *pairs), left_out)


def concept_classes(tables: list[Table], name: str, said: Columns) -> tuple[list[str], str | None]:
    """The classes of a column, and why it cannot be a concept, or None."""
    present = [table for table in tables if name in sources(table)]
    if len(present) < len(tables):
        return [], "is not in every file"
    try:
        cells = [cell for table in present for cell in cells_of(table, name, said.missing)]
    except DataError as error:
        if said.concepts is not None:
            raise
        return [], f"cannot be read as classes ({error})"
    found, _ = ordered(cells)
    labelled = sum(cell is not None for cell in cells)
    most = MOST_CLASSES if said.concepts is None else MOST_LABELS
    if not found:
        return found, "is empty"
    if len(found) == 1:
        return found, f"is {found[0]!r} in every row"
    if len(found) > most or (said.concepts is None and len(found) > labelled / 3):
        return found, f"has {len(found):,} different values in {labelled:,} rows, too many for classes"
    return found, None


def label_classes(tables: list[Table], said: Columns) -> tuple[list[str], list[float] | None]:
    name = said.label
    cells = [cell for table in tables for cell in cells_of(table, name, said.missing)]
    found, meant = ordered(cells)
    place = f"{tables[0].files[0]}, column {name!r}"
    if len(found) < 2:
        has = f"found {found[0]!r} in every row" if found else "it is empty in every row"
        raise DataError(f"{place}: {has}; expected a label of two classes at least")
    if len(found) > MOST_LABELS:
        kind = "round the numbers to fewer steps" if number(found[0]) is not None else "is this a column of texts?"
        raise DataError(f"{place}: found {len(found):,} different classes; expected at most {MOST_LABELS}: {kind}")
    if said.label_order:
        order = [meant.get(each, each) for each in said.label_order]
        if sorted(order) != sorted(found):
            raise DataError(f"--label-order: named {listed(order)}; expected each of {listed(found)} once")
        return order, [float(i) for i in range(1, len(order) + 1)]
    numbers = [number(each) for each in found]
    return found, None if None in numbers else typing.cast(list[float], numbers)


def one_hot(cells: list[Cell], classes: list[str]) -> torch.Tensor:
    """[N, classes], all 0 where nothing is labelled."""
    index = {name: i for i, name in enumerate(classes)}
    by_number = {number(name): i for i, name in enumerate(classes)}
    result = torch.zeros(len(cells), len(classes))
    for row, cell in zip(result, cells):
        for name, share in (cell if isinstance(cell, dict) else {} if cell is None else {cell: 1.0}).items():
            row[index[name] if name in index else by_number[number(name)]] += share
    return result


def examples(table: Table, said: Columns, schema: Schema) -> tuple[Part, dict[str, list[int]]]:
    """The rows that can be used, and which cannot: why, and their indices in the table."""
    texts = [text_of(table, i, said.text) for i in range(len(table))]
    unusable: dict[str, list[int]] = {"no text": [i for i, text in enumerate(texts) if not text]}
    label_cells = cells_of(table, schema.label, said.missing)
    labels = one_hot(label_cells, schema.labels)
    unusable["no label"] = [i for i, cell in enumerate(label_cells) if cell is None and texts[i]]
    concepts = torch.zeros(len(table), len(schema.concepts), schema.width)
    checked = torch.zeros(len(table), len(schema.concepts), dtype=torch.bool)
    for k, (name, classes) in enumerate(zip(schema.concepts, schema.classes)):
        cells = cells_of(table, name, said.missing)
        concepts[:, k, : len(classes)] = one_hot(cells, classes)
        checked[:, k] = torch.tensor([origin == provenance.PERSON for origin in origins(table, name)])
    groups = [same_text(text) for text in texts]
    if column := (said.pairs[0] if said.pairs else said.group):
        found = [plain(cell, ()) for cell in table.cells[column]]
        groups = [own if name is None else name for own, name in zip(groups, found)]
    part = Part(
        texts, concepts, labels, weights_of(table, said.weight), groups, edits_of(table, said, schema),
        list(range(len(table))), 1 + (said.person_weight - 1) * checked, checked,
    )  # fmt: skip
    gone = {i for indices in unusable.values() for i in indices}
    return part.take(i for i in range(len(part)) if i not in gone), {
        why: rows for why, rows in unusable.items() if rows
    }


def text_of(table: Table, i: int, name: str) -> str:
    cell = table.cells[name][i]
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, str):
        raise DataError(f"{table.place(i)}, column {name!r}: found {short(cell)}; expected text")
    return cell.strip()


def weights_of(table: Table, name: str | None) -> torch.Tensor:
    if name is None:
        return torch.ones(len(table))
    result = []
    for i, cell in enumerate(table.cells[name]):
        value = number(str(cell))
        if value is None or value < 0 or isinstance(cell, bool):
            raise DataError(
                f"{table.place(i)}, column {name!r}: found {short(cell)}; expected a weight, a number of 0 or more"
            )
        result.append(value)
    weights = torch.tensor(result)
    if not weights.any():
        raise DataError(f"{table.files[0]}, column {name!r}: found 0 in every row; expected some weight above 0")
    return weights / weights.mean()


def edits_of(table: Table, said: Columns, schema: Schema) -> list[int | None]:
    if said.pairs is None:
        return [None] * len(table)
    result: list[int | None] = []
    for i, cell in enumerate(table.cells[said.pairs[1]]):
        name = plain(cell, said.missing)
        if name is not None and name not in schema.concepts:
            raise DataError(
                f"{table.place(i)}, column {said.pairs[1]!r}: found {name!r}; "
                "expected the name of the concept that was "
                f"edited, one of {listed(schema.concepts)}, or nothing for a text as it was written"
            )
        result.append(None if name is None else schema.concepts.index(name))
    return result
