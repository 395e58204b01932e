"""Reads concepts.yaml: what is asked of each text, and what can be answered. Errors name line and column."""

import pathlib
import typing

import pydantic
import ruamel.yaml

from sparsecbm_training.table import DataError, listed, short

TEMPLATE = pathlib.Path(__file__).with_name("concepts.yaml")

Name = typing.Annotated[str, pydantic.StringConstraints(min_length=1, max_length=100, pattern=r"^[^=\n\"\\]+$")]
Words = typing.Annotated[str, pydantic.StringConstraints(min_length=1, strip_whitespace=True)]


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class Example(Strict):
    """A text with its right answer, shown to the model before it answers."""

    text: Words
    answer: Words


class Concept(Strict):
    """A question and the answers that it may have, each with a sentence that says when it holds."""

    question: Words
    classes: dict[Name, Words] = pydantic.Field(min_length=2, max_length=100)
    examples: list[Example] = []


class Concepts(Strict):
    """Everything that is asked of each text."""

    about: Words | None = None  # what the texts are
    concepts: dict[Name, Concept] = pydantic.Field(min_length=1)


EXPECTED = {
    "missing": "expected this field",
    "extra_forbidden": "there is no such field",
    "dict_type": "expected fields, one per line: name: …",
    "model_type": "expected fields, one per line: name: …",
    "list_type": "expected a list, each item behind a dash",
    "string_type": "expected words; put quotation marks around numbers, true, false and null",
    "string_too_short": "expected words; it is empty",
    "string_pattern_mismatch": "expected a name without =, quotation marks, backslashes and line breaks",
    "too_short": "expected more: two classes at least, and one concept",
    "too_long": "expected at most 100 classes",
}


def read(path: pathlib.Path) -> Concepts:
    """The concepts of a file; raises DataError with the line and the column of what is wrong."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: holds a byte that is not UTF-8; expected a file in UTF-8") from error
    try:
        tree = ruamel.yaml.YAML(typ="rt").load(content)
    except ruamel.yaml.error.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = (error.problem or "").splitlines()[0]
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DataError(f"{path}{place}: is no YAML: {problem}") from error
    except (ruamel.yaml.error.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{path}: is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, dict):
        raise DataError(
            f"{path}, line 1, column 1: found {short(tree)}; expected a field 'concepts' (--init writes an example)"
        )
    try:
        found = Concepts.model_validate(plain(tree))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = [part for part in first["loc"] if part != "[key]"]
        name = ".".join(map(str, where))
        expected = EXPECTED.get(first["type"], first["msg"])
        value = "" if first["type"] in ("missing", "extra_forbidden") else f"found {short(first['input'])}; "
        raise DataError(f"{path}, {place_of(tree, where)}: {name}: {value}{expected}") from error
    check(found, tree, path)
    return found


def plain(tree: typing.Any) -> typing.Any:
    """Without positions. Whole numbers as names of classes are words, as 1 to 5 stars would be."""
    if isinstance(tree, dict):
        return {str(key) if type(key) is int else key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    return str(tree) if isinstance(tree, str) else tree


def place_of(tree: typing.Any, where: list[int | str]) -> str:
    """Line and column of the innermost part of a path that the file holds."""
    line, column = 0, 0
    for part in where:
        key = part
        if isinstance(tree, dict) and key not in tree and str(key).isdigit():
            key = int(key)
        inside = (
            key in tree
            if isinstance(tree, dict)
            else isinstance(tree, list) and isinstance(key, int) and key < len(tree)
        )
        if not inside:
            break
        positions: typing.Any = getattr(tree, "lc")  # noqa: B009 - what ruamel's own kinds of dict and list have
        line, column = positions.key(key) if isinstance(tree, dict) else positions.item(key)
        tree = tree[key]
    return f"line {line + 1}, column {column + 1}"


def check(found: Concepts, tree: typing.Any, path: pathlib.Path) -> None:
    for name, concept in found.concepts.items():
        folded = [each.casefold() for each in concept.classes]
        for i, each in enumerate(concept.classes):
            if folded.index(folded[i]) < i or each != " ".join(each.split()):
                place = place_of(tree, ["concepts", name, "classes", each])
                raise DataError(
                    f"{path}, {place}: class {each!r} differs in capitals or spaces alone from another; "
                    "expected one name each"
                )
        for i, example in enumerate(concept.examples):
            if example.answer not in concept.classes:
                place = place_of(tree, ["concepts", name, "examples", i, "answer"])
                raise DataError(
                    f"{path}, {place}: concepts.{name}.examples: found the answer {short(example.answer)}; "
                    f"expected one of {listed(concept.classes)}"
                )


def write_template(path: pathlib.Path) -> None:
    """Writes an example to start from; never over a file that is there."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise DataError(f"--init {path}: there is such a file already; expected the name of a new one") from error
    except OSError as error:
        raise DataError(f"--init {path}: cannot be written: {error.strerror or error}") from error
