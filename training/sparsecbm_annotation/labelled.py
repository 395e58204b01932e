"""The table of labels: for each concept its class, the probability of each class, and where they come from.

    review, food, food=positive, food=negative, food=unknown, food source

`training/train` reads it as it is. A person's label replaces the class and the source; the probabilities stay what the
model said.
"""

import csv
import dataclasses
import io
import json
import math
import os
import pathlib
import typing

import pyarrow
import pyarrow.parquet

from sparsecbm_training import provenance, table
from sparsecbm_training.table import DataError, Table, listed, short

from . import program

Shares = dict[str, float]


def columns_of(concepts: typing.Mapping[str, typing.Iterable[str]]) -> list[str]:
    """The columns that are added to the texts'."""
    result = []
    for name, classes in concepts.items():
        result += [name, *(f"{name}={each}" for each in classes), name + provenance.SUFFIX]
    return result


def expect_room(texts: Table, concepts: typing.Mapping[str, typing.Iterable[str]]) -> None:
    if taken := [name for name in columns_of(concepts) if name in texts.columns]:
        raise DataError(
            f"{texts.files[0]}: has a column {taken[0]!r} already; expected none of the names in --concepts. "
            "Rename the concept or the column"
        )


def add(texts: Table, concepts: dict[str, list[str]], said: list[dict[str, Shares]], source: str) -> Table:
    """The table with the labels of each row; empty where there is none."""
    cells = dict(texts.cells)
    for name, classes in concepts.items():
        shares = [row.get(name) for row in said]
        cells[name] = [None if each is None else max(each, key=each.__getitem__) for each in shares]
        for one in classes:
            cells[f"{name}={one}"] = [None if each is None else round(each[one], 4) for each in shares]
        cells[name + provenance.SUFFIX] = [None if each is None else source for each in shares]
    return Table(list(cells), cells, texts.files, texts.rows)


def write(path: pathlib.Path, found: Table) -> None:
    """Replaces the file as a whole, so that whatever stops the program, one of the two is there."""
    kind = path.suffix.lower()
    if kind in table.COMMAS:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=table.COMMAS[kind], lineterminator="\n")
        writer.writerow(found.columns)
        writer.writerows(zip(*([flat(cell) for cell in found.cells[name]] for name in found.columns)))
        content = text.getvalue().encode()
    elif kind in table.LINES:
        rows = zip(*(found.cells[name] for name in found.columns))
        lines = [json.dumps(dict(zip(found.columns, row)), ensure_ascii=False) + "\n" for row in rows]
        content = "".join(lines).encode()
    elif kind == ".parquet":
        sink = io.BytesIO()
        try:
            pyarrow.parquet.write_table(pyarrow.table({name: found.cells[name] for name in found.columns}), sink)
        except (pyarrow.ArrowException, TypeError) as error:
            raise DataError(
                f"{path}: a column has values of several kinds ({error}); a .jsonl file holds such"
            ) from error
        content = sink.getvalue()
    else:
        raise DataError(
            f"{path}: files that end in {kind or 'nothing'!r} are not written; expected .csv, .tsv, .jsonl or .parquet"
        )
    new = path.with_name(path.name + ".new")
    try:
        with open(new, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def flat(cell: typing.Any) -> typing.Any:
    """A cell as one field of a line."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, (dict, list)) else cell


@dataclasses.dataclass
class Labelled:
    """A labelled table that is being checked."""

    path: pathlib.Path
    table: Table
    text: str
    concepts: dict[str, list[str]]

    @classmethod
    def read(cls, path: pathlib.Path, text: str | None, encoding: str = "utf-8") -> "Labelled":
        found = table.read([path], encoding)
        concepts: dict[str, list[str]] = {}
        for name in found.columns:
            classes = [each.split("=", 1)[1] for each in found.columns if each.startswith(f"{name}=")]
            if classes and name + provenance.SUFFIX in found.columns:
                concepts[name] = classes
        if not concepts:
            raise DataError(
                f"{path}: has no labels of {program('annotate')}; "
                "expected columns like 'food', 'food=good', 'food source'. "
                f"Its columns are {listed(found.columns)}"
            )
        own = set(columns_of(concepts))
        others = [name for name in found.columns if name not in own]
        if text is None:
            strings = [name for name in others if all(isinstance(cell, str) for cell in found.cells[name])]
            if not strings:
                raise DataError(f"{path}: has no column of texts; expected --text COLUMN")
            text = max(strings, key=lambda name: sum(map(len, found.cells[name])))
        elif text not in others:
            raise DataError(f"--text: {path} has no column {text!r}; its columns are {listed(others)}")
        result = cls(path, found, text, concepts)
        for name in concepts:
            for i in range(len(found)):
                result.expect_sound(name, i)
        return result

    def expect_sound(self, name: str, i: int) -> None:
        """That a cell holds one of the classes, and its probabilities are numbers."""
        cell = self.table.cells[name][i]
        if cell not in (None, "") and cell not in self.concepts[name]:
            raise DataError(
                f"{self.table.place(i)}, column {name!r}: found {short(cell)}; "
                f"expected one of {listed(self.concepts[name])}"
            )
        self.shares(name, i)

    def __len__(self) -> int:
        return len(self.table)

    def words(self, i: int) -> str:
        cell = self.table.cells[self.text][i]
        return cell.strip() if isinstance(cell, str) else ""

    def label(self, name: str, i: int) -> str | None:
        return self.table.cells[name][i] or None

    def shares(self, name: str, i: int) -> Shares | None:
        """What the model said; None where it said nothing."""
        result: Shares = {}
        for one in self.concepts[name]:
            cell = self.table.cells[f"{name}={one}"][i]
            if cell is None or cell == "":
                return None
            try:
                result[one] = float(cell)
            except (TypeError, ValueError):
                result[one] = -1.0
            if not 0 <= result[one] <= 1:
                raise DataError(
                    f"{self.table.place(i)}, column '{name}={one}': found {short(cell)}; expected a probability, 0 to 1"
                )
        return result if sum(result.values()) else None

    def said(self, name: str, i: int) -> str | None:
        """The class that the model held for the most probable."""
        shares = self.shares(name, i)
        return None if shares is None else max(shares, key=shares.__getitem__)

    def checked(self, name: str, i: int) -> str | None:
        """How the text was drawn when a person labelled it, or None where nobody did."""
        cell = self.table.cells[name + provenance.SUFFIX][i]
        if provenance.origin(cell) != provenance.PERSON:
            return None
        return " ".join(cell.split()[1:]) or "unsure"

    def set(self, name: str, i: int, chosen: str, drawn: str) -> None:
        """What a person says."""
        self.table.cells[name][i] = chosen
        self.table.cells[name + provenance.SUFFIX][i] = f"{provenance.PERSON} {drawn}"

    def save(self) -> None:
        write(self.path, self.table)
