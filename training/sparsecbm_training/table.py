"""Reads tables of texts as people have them: CSV, TSV, JSON lines and Parquet.

pandas and pyarrow read; what is here says in words what is wrong with a file, with the row and what was expected,
because their own messages are for programmers. Cells stay as they were written: what a cell means is for `columns.py`
to say.
"""

import csv
import dataclasses
import io
import json
import pathlib
import sys
import typing

import pandas
import pyarrow
import pyarrow.parquet

COMMAS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
LINES = (".jsonl", ".ndjson")
KINDS = "a .csv, .tsv, .jsonl, .json or .parquet file"


class DataError(Exception):
    """What is wrong with somebody's data or options, told in words that need no knowledge of this program."""


@dataclasses.dataclass
class Table:
    """The rows of one file or of several. A cell is a string, a number, a boolean, a list, a dictionary or None."""

    columns: list[str]
    cells: dict[str, list[typing.Any]]  # of each column
    files: list[str]  # of each row
    rows: list[int]  # number of each in its file, as a spreadsheet or an editor shows it

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, i: int) -> str:
        return f"{self.files[i]}, row {self.rows[i]}"


def read(paths: typing.Sequence[pathlib.Path], encoding: str = "utf-8") -> Table:
    """One table of all files, which have the same columns."""
    tables = [read_one(path, encoding) for path in paths]
    first = tables[0]
    for path, other in zip(paths[1:], tables[1:]):
        if set(other.columns) != set(first.columns):
            lacking = sorted(set(first.columns) - set(other.columns))
            more = sorted(set(other.columns) - set(first.columns))
            raise DataError(
                f"{path}: its columns are not those of {paths[0]}: "
                f"lacks {listed(lacking)}; has besides {listed(more)}. Files of one table need the same columns"
            )
    return Table(
        first.columns,
        {name: [cell for table in tables for cell in table.cells[name]] for name in first.columns},
        [file for table in tables for file in table.files],
        [row for table in tables for row in table.rows],
    )


def listed(names: typing.Iterable[str], most: int = 12) -> str:
    """Names for a message."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:most]) or "nothing"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def read_one(path: pathlib.Path, encoding: str) -> Table:
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected {KINDS}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; expected {KINDS} with one row for each text")
    kind = path.suffix.lower()
    try:
        if kind in COMMAS:
            table = read_separated(path, COMMAS[kind], encoding)
        elif kind in LINES:
            table = read_lines(path, encoding)
        elif kind == ".json":
            table = read_array(path, encoding)
        elif kind == ".parquet":
            table = read_parquet(path)
        else:
            raise DataError(f"{path}: files that end in {kind or 'nothing'!r} are not read; expected {KINDS}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not len(table):
        raise DataError(f"{path} has a header and no rows; expected one row for each text")
    return table


def decoded(path: pathlib.Path, encoding: str) -> str:
    """The file's text; byte order marks, which spreadsheets write, say which of the Unicode encodings it is."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif content.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except LookupError as error:
        raise DataError(f"--encoding: there is none called {encoding!r}; try utf-8, latin-1 or cp1252") from error
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content.count(b"\n", 0, start) + 1
        raise DataError(
            f"{path}, line {line}: found the byte 0x{content[start]:02x}, which is not {encoding}; "
            f"expected a file in {encoding}. "
            "Save it as UTF-8, or name its encoding, for example --encoding cp1252"
        ) from error


def read_separated(path: pathlib.Path, separator: str, encoding: str) -> Table:
    content = decoded(path, encoding)
    if "\0" in content:
        line = content.count("\n", 0, content.index("\0")) + 1
        raise DataError(
            f"{path}, line {line}: found a zero byte; expected text. Is it a spreadsheet that is named .csv?"
        )
    csv.field_size_limit(sys.maxsize)
    header = next(csv.reader(io.StringIO(content), delimiter=separator), [])
    if len(header) == 1 and separator == "," and ";" in header[0]:
        separator = ";"  # what spreadsheets write where the comma is the decimal point
    try:
        frame = pandas.read_csv(
            io.StringIO(content), sep=separator, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False
        )
    except pandas.errors.EmptyDataError as error:
        raise DataError(f"{path} holds no rows; expected a header and one row for each text") from error
    except (pandas.errors.ParserError, ValueError) as error:
        raise DataError(f"{path}: {tokenizing(str(error))}") from error
    names = [str(name).strip() for name in frame.iloc[0]]
    check_header(path, names)
    frame = frame.iloc[1:]
    cells = {name: frame[i].tolist() for i, name in enumerate(names)}
    rows = list(range(2, len(frame) + 2))
    empty = [not any(isinstance(cell, str) and cell.strip() for cell in row) for row in zip(*cells.values())]
    kept = [i for i, blank in enumerate(empty) if not blank]
    check_lengths(path, content, separator, len(names))
    return Table(
        names,
        {name: [column[i] for i in kept] for name, column in cells.items()},
        [str(path)] * len(kept),
        [rows[i] for i in kept],
    )


def check_lengths(path: pathlib.Path, content: str, separator: str, expected: int) -> None:
    """pandas fills rows that are too short with empty cells, which would be taken for missing labels."""
    for row, fields in enumerate(csv.reader(io.StringIO(content), delimiter=separator), 1):
        if fields and len(fields) < expected:
            raise DataError(
                f"{path}, row {row}: found {len(fields)} fields, fewer fields than the header has; expected {expected}"
            )


def tokenizing(message: str) -> str:
    """What pandas says of a row that it cannot divide, in plain words."""
    words = message.replace("\n", " ").split()
    if "Expected" in words and "saw" in words:
        expected, line, saw = (words[words.index(word) + 1].strip(",") for word in ("Expected", "line", "saw"))
        return (
            f"row {line}: found {saw} fields; expected {expected}, as in the header. "
            "A text with the separator in it needs quotation marks around it"
        )
    if "EOF inside string" in message:
        row = words[-1]
        return f"row {row}: found a quotation mark that is never closed; expected one at the end of the field"
    return message.strip()


def check_header(path: pathlib.Path, names: list[str]) -> None:
    for i, name in enumerate(names):
        if not name:
            raise DataError(f"{path}, row 1: column {i + 1} has no name; expected a header that names every column")
        if name in names[:i]:
            raise DataError(
                f"{path}, row 1: the header has {name!r} twice, as columns {names.index(name) + 1} and {i + 1}; "
                "expected each name once"
            )


def of_objects(path: pathlib.Path, objects: list[typing.Any], rows: list[int]) -> Table:
    columns: dict[str, None] = {}
    for one, row in zip(objects, rows):
        if not isinstance(one, dict):
            raise DataError(f"{path}, row {row}: found {short(one)}; expected an object, {{\"column\": value, …}}")
        columns.update(dict.fromkeys(one))
    return Table(
        list(columns), {name: [one.get(name) for one in objects] for name in columns}, [str(path)] * len(rows), rows
    )


def unique_fields(pairs: list[tuple[str, typing.Any]]) -> dict[str, typing.Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the object has {twice!r} twice; expected each field once")
    return result


def read_lines(path: pathlib.Path, encoding: str) -> Table:
    objects, rows = [], []
    for row, line in enumerate(decoded(path, encoding).split("\n"), 1):
        if not line.strip():
            continue
        try:
            objects.append(json.loads(line, object_pairs_hook=unique_fields))
        except DataError as error:
            raise DataError(f"{path}, row {row}: {error}") from error
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(
                f"{path}, row {row}: is no JSON ({error}): found {short(line)}; expected one object a line"
            ) from error
        rows.append(row)
    return of_objects(path, objects, rows)


def read_array(path: pathlib.Path, encoding: str) -> Table:
    """A list of objects, or lines of them under the wrong ending."""
    content = decoded(path, encoding)
    if not content.lstrip().startswith("["):
        return read_lines(path, encoding)
    try:
        objects = json.loads(content, object_pairs_hook=unique_fields)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON ({error}); expected a list of objects, one for each text") from error
    return of_objects(path, objects, list(range(1, len(objects) + 1)))


def read_parquet(path: pathlib.Path) -> Table:
    try:
        found = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, ValueError) as error:
        raise DataError(
            f"{path}: is no Parquet file ({str(error).splitlines()[0]}); expected one, or another ending"
        ) from error
    check_header(path, [str(name) for name in found.column_names])
    try:
        cells = {name: found[name].to_pylist() for name in found.column_names}
    except (pyarrow.ArrowException, ValueError, UnicodeError) as error:
        raise DataError(f"{path}: holds text that cannot be read ({error}); expected UTF-8") from error
    rows = list(range(1, found.num_rows + 1))
    return Table(list(cells), cells, [str(path)] * len(rows), rows)


def short(value: typing.Any, most: int = 40) -> str:
    """A value for a message."""
    shown = repr(value)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
