"""The model's card: what it was trained on, how good it is and beside what, as Markdown and as one HTML file."""

import pathlib
import typing

import jinja2

from .data import Schema
from .prepare import Data

TEMPLATES = pathlib.Path(__file__).parent / "templates"


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def one_line(text: str) -> str:
    """Without what would break a row of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def content(found: Data, schema: Schema, figures: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """What both templates fill in."""
    tables = [
        ("label", schema.label, schema.labels, figures["confusion"]["label"], figures["calibration_bins"]["label"])
    ]
    for name, classes in zip(schema.concepts, schema.classes):
        bins = figures["calibration_bins"]["concepts"][name]
        tables.append(("concept", name, classes, figures["confusion"]["concepts"][name], bins))
    layers = list(next(iter(figures["density"].values())))
    known, every = figures["labelled_concepts"]
    return {
        "schema": schema, "described": found.described, "warned": found.warned, "figures": figures,
        "dense": figures["dense_baseline"], "plain": figures.get("plain_classifier"),
        "common": figures["always_the_commonest"], "tables": tables, "layers": layers,
        "known": known, "every": every, "worth": figures.get("worth", []),
    }  # fmt: skip


def write(out: pathlib.Path, found: Data, schema: Schema, figures: dict[str, typing.Any]) -> None:
    filled = content(found, schema, figures) | {"name": out.resolve().name}
    for kind in ("md", "html"):
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=kind == "html", trim_blocks=True, lstrip_blocks=True,
            undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
        )  # fmt: skip
        environment.filters |= {"percent": percent, "line": one_line}
        text = environment.get_template(f"card.{kind}.jinja").render(filled)
        (out / f"card.{kind}").write_text(text, encoding="utf-8")
