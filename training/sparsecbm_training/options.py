"""The command line, and files of options."""

import argparse
import dataclasses
import os
import pathlib
import re
import tomllib
import typing

import torch

from . import columns, recipe
from .table import DataError

# What the user typed: the Python package's command starts this program under its own name.
PROGRAM = os.environ.get("SPARSECBM_PROGRAM", "training/train")
EXAMPLE = f"{PROGRAM} reviews.csv --text review --label sentiment --out my-model"


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Trains a sparse concept bottleneck model on a table of labelled texts.",
        epilog=f"Example: {EXAMPLE}",
    )
    add = result.add_argument
    add(
        "data",
        nargs="*",
        type=pathlib.Path,
        help="CSV, TSV, JSON lines or Parquet: one file, or several of the same columns",
    )
    add("--out", type=pathlib.Path, help="folder to write the model to")
    add("--options", type=pathlib.Path, help="a TOML file of these options (recipes/cebab.toml is one)")

    add = result.add_argument_group("columns").add_argument
    add("--text", metavar="COLUMN")
    add("--label", metavar="COLUMN", help="or a name N, where columns N=CLASS hold the probability of each class")
    add("--concepts", nargs="+", metavar="COLUMN", help="default: every other column that has few classes")
    add("--ignore", nargs="+", metavar="COLUMN", default=[], help="columns that are no concepts")
    add("--missing", nargs="+", metavar="VALUE", default=[], help="what counts as not labelled, besides empty cells")
    add(
        "--label-order", nargs="+", metavar="CLASS", help="classes of the label from least to most; numbers have theirs"
    )
    add(
        "--pairs", nargs=2, metavar=("ORIGINAL", "EDITED"),
        help="human edits: the column that versions of a text share, and the one that names the concept edited in it",
    )  # fmt: skip
    add("--group", metavar="COLUMN", help="rows that share its value stay on one side of every split")
    add("--weight", metavar="COLUMN", help="how much each row counts")
    add(
        "--person-weight", type=float, default=5.0, metavar="N",
        help="how much a label that a person checked counts beside one of a model (default: %(default)s)",
    )  # fmt: skip
    add(
        "--validation",
        nargs="+",
        type=pathlib.Path,
        metavar="FILE",
        help="what to measure on, instead of a share split off",
    )
    add("--encoding", default="utf-8", help="of CSV, TSV and JSON (default: %(default)s)")

    add = result.add_argument_group("effort").add_argument
    add("--quality", choices=recipe.QUALITIES, default="standard", help="(default: %(default)s)")
    add("--time-limit", type=duration, metavar="TIME", help="the best it can within it: 30m, 2h, 1h30m")
    add("--look", action="store_true", help="only look at the data")
    add("--resume", action="store_true", help="go on where the same command was interrupted")
    add("--overwrite", action="store_true", help="replace the model, or the interrupted training, in --out")
    add("--backbone", help="a Hugging Face name or folder, or bilstm (default: all-MiniLM-L6-v2)")
    add("--threads", type=int, help="default: all cores")
    add("--device", type=device, default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    add("--float32", action="store_true", help="compute in float32 where bfloat16 would be faster")
    add("--ablation", action="store_true", help="measure too what switching each subnetwork off does")

    add = result.add_argument_group("recipe", "numbers; what is not given fits the data and --quality").add_argument
    for field in dataclasses.fields(recipe.Recipe):
        kind = float if field.type in (float, float | None) else int
        default = "" if field.default is None or "default" in field.metadata["help"] else f" (default: {field.default})"
        add(
            f"--{field.name.replace('_', '-')}", type=kind, default=field.default,
            help=field.metadata["help"].replace("%", "%%") + default, metavar="N",
        )  # fmt: skip
    return result


def duration(text: str) -> float:
    """Seconds."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip())
    if not found or not any(found.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; expected one like 30m, 2h or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(3600 * hours + 60 * minutes + seconds)


def device(name: str) -> torch.device:
    """The device of that name, which must be here."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise argparse.ArgumentTypeError(f"{name!r} is none of cpu, cuda and cuda:N")
    chosen = torch.device(name)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise argparse.ArgumentTypeError(f"{name}: PyTorch finds {torch.cuda.device_count()} CUDA devices here")
    return chosen


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    reader = parser()
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--options", type=pathlib.Path)
    file = first.parse_known_args(arguments)[0].options
    if file:
        reader.set_defaults(**from_file(file, reader))
    given = reader.parse_args(arguments)
    for name, what in (("data", "a file"), ("text", "--text COLUMN"), ("label", "--label COLUMN")):
        if not getattr(given, name):
            raise DataError(f"expected {what}; for example: {EXAMPLE}")
    if not given.out and not given.look:
        raise DataError(f"expected --out FOLDER; for example: {EXAMPLE}")
    check(given)
    return given


def from_file(path: pathlib.Path, reader: argparse.ArgumentParser) -> dict[str, typing.Any]:
    """The options of a TOML file. Files that it names lie beside it, where they are not found from here."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"--options {path}: {error}") from error
    known = {action.dest: action for action in reader._actions}
    result = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known or name in ("help", "options"):
            raise DataError(f"--options {path}: there is no option {key!r}")
        if name in ("data", "validation"):
            value = [path.parent / each for each in ([value] if isinstance(value, str) else value)]
        result[name] = value
    return result


def check(given: argparse.Namespace) -> None:
    """That numbers are in their range."""
    shares = (
        "sparsity",
        "validation_share",
        "calibration_share",
        "prune_share",
        "whole_heads",
        "whole_neurons",
        "settle_keep",
    )
    for name in shares:
        if not 0 <= getattr(given, name) < 1:
            raise DataError(
                f"--{name.replace('_', '-')}: found {getattr(given, name)}; expected a share of 0 or more, below 1"
            )
    if given.validation_share == 0 or given.calibration_share == 0:
        raise DataError("--validation-share and --calibration-share: expected a share above 0")
    if not 0 < given.person_weight <= 1e6:
        raise DataError(f"--person-weight: found {given.person_weight}; expected a number above 0")
    if given.block not in (1, 4):
        raise DataError(f"--block: found {given.block}; expected 1 or 4")
    if not 8 <= given.max_length <= 8192:
        raise DataError(f"--max-length: found {given.max_length}; expected 8 to 8192")


def recipe_of(given: argparse.Namespace) -> recipe.Recipe:
    return recipe.Recipe(**{field.name: getattr(given, field.name) for field in dataclasses.fields(recipe.Recipe)})


def columns_of(given: argparse.Namespace) -> columns.Columns:
    return columns.Columns(
        given.text, given.label, given.concepts, given.ignore, [" ".join(each.split()) for each in given.missing],
        given.label_order, given.pairs and tuple(given.pairs), given.group, given.weight,
        given.person_weight,
    )  # fmt: skip
