"""From files to tokens: reads, looks, divides, and cuts the vocabulary to what the texts use."""

import argparse
import dataclasses
import typing

import torch
from tokenizers import Tokenizer

from . import columns, data, look, options, table, vocabulary
from .batches import Tokens
from .data import Schema
from .look import Parts
from .recipe import Recipe, Size


@dataclasses.dataclass
class Data:
    schema: Schema
    parts: Parts
    table: table.Table  # where validation comes from
    described: list[str]
    warned: list[str]
    sizes: dict[str, int]


def read(given: argparse.Namespace, recipe: Recipe) -> Data:
    """Everything that can be said before any model is there. Raises DataError for what cannot be trained on."""
    said = options.columns_of(given)
    train_table = table.read(given.data, given.encoding)
    tables = [train_table]
    if given.validation:
        tables.append(table.read(given.validation, given.encoding))
    found = columns.find(tables, said)
    usable, unusable = columns.examples(train_table, said, found.schema)
    dropped = 0
    if given.validation:
        validation, without = columns.examples(tables[1], said, found.schema)
        unusable |= {f"{why} in the validation file": rows for why, rows in without.items()}
        before = len(usable)
        usable = data.without_texts(usable, validation)
        dropped = before - len(usable)
    else:
        usable, validation = data.split(usable, recipe.validation_share, salt=1)
    fitting, calibration = data.split(usable, recipe.calibration_share, recipe.calibration_part)
    parts = Parts(fitting, calibration, validation)
    look.refuse(found.schema, parts, train_table)
    warned = look.warnings(found.schema, parts, unusable, train_table)
    if dropped:
        warned.append(f"{dropped:,} texts that stand in the validation file too are not trained on")
    sizes = {name: len(part) for name, part in parts.named().items()} | {"dropped_because_in_validation": dropped}
    described = look.describe(found.schema, parts, found.left_out)
    return Data(found.schema, parts, tables[-1], described, warned, sizes)


@dataclasses.dataclass
class Tokenized:
    tokens: dict[str, Tokens]
    whole: Tokenizer
    cut: Tokenizer
    pieces: list[int] | None  # ids, before, of what is left of the vocabulary; None: all of it


def tokenize(found: Data, source: typing.Any, recipe: Recipe, device: torch.device) -> Tokenized:
    whole = vocabulary.prepare(source.tokenizer(), recipe.max_length)
    texts = found.parts.fitting.texts + found.parts.calibration.texts
    cut, pieces = vocabulary.cut(whole, texts)
    whole.no_truncation()
    everything = [text for part in found.parts.named().values() for text in part.texts]
    lengths = torch.tensor([len(encoding.ids) for encoding in whole.encode_batch(everything)])
    found.warned += look.cut_texts(lengths, recipe.max_length)
    for each in (whole, cut):
        each.enable_truncation(recipe.max_length)
    tokens = {name: Tokens(cut, part, device) for name, part in found.parts.named().items()}
    return Tokenized(tokens, whole, cut, pieces)


def size(fitting: Tokens, backbone: typing.Any, weights: dict[str, torch.Tensor]) -> Size:
    """What training on these texts costs."""
    return Size(
        len(fitting), float(fitting.lengths.float().mean()), fitting.part.concepts.shape[1],
        sum(weights[f"{name}.weight"].numel() for name in backbone.linear_layers),
    )  # fmt: skip
