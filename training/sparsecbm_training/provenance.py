"""Where labels come from: a column `food source` beside the labels of `food` says "model …" or "person …" of each."""

import typing

SUFFIX = " source"
MODEL = "model"
PERSON = "person"


def origin(cell: typing.Any) -> str | None:
    """`MODEL`, `PERSON`, or None where nothing is labelled or the cell says something else."""
    first = str(cell).split()[:1] if isinstance(cell, str) else []
    return first[0] if first and first[0] in (MODEL, PERSON) else None


def is_source(name: str, cells: typing.Sequence[typing.Any], others: typing.Container[str]) -> bool:
    """Whether a column says where the labels of another one come from, and not something of the text."""
    if not name.endswith(SUFFIX) or name.removesuffix(SUFFIX) not in others:
        return False
    said = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    return bool(said) and all(origin(cell) for cell in said)
