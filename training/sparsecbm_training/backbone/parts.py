"""Where a transformer's heads and neurons lie, which may go as a whole (`structure.py`)."""

import dataclasses
import typing

from ..structure import Part, Piece


class Names(typing.NamedTuple):
    """What a layer's linear layers are called; `{}` stands for its number. Query and key may be one of them, whose
    first outputs are the query."""

    query: str
    key: str
    inner: str
    outer: str


BERT = Names(
    "encoder.layer.{}.attention.self.query",
    "encoder.layer.{}.attention.self.key",
    "encoder.layer.{}.intermediate.dense",
    "encoder.layer.{}.output.dense",
)
DISTILBERT = Names(
    "transformer.layer.{}.attention.q_lin",
    "transformer.layer.{}.attention.k_lin",
    "transformer.layer.{}.ffn.lin1",
    "transformer.layer.{}.ffn.lin2",
)
OPT = Names(
    "decoder.layers.{}.self_attn.q_proj",
    "decoder.layers.{}.self_attn.k_proj",
    "decoder.layers.{}.fc1",
    "decoder.layers.{}.fc2",
)
GPT2 = Names("h.{}.attn.c_attn", "h.{}.attn.c_attn", "h.{}.mlp.c_fc", "h.{}.mlp.c_proj")


@dataclasses.dataclass(frozen=True)
class Parts:
    """Those of all layers, by their names and sizes."""

    names: Names
    layers: int
    heads_each: int
    width: int
    neurons_each: int

    def heads(self):
        """What each head compares tokens with: key and query. Without its key, it gives every token the mean of the
        values that it sees."""
        size = self.width // self.heads_each
        keys = self.width if self.names.key == self.names.query else 0  # where they begin
        for i in range(self.layers):
            for first in range(0, self.width, size):
                query, key = ((slice(start, start + size), slice(None)) for start in (first, keys + first))
                yield Part(Piece(self.names.key.format(i), key), Piece(self.names.query.format(i), query))

    def neurons(self, count):
        """The neurons of the feed-forward blocks, this many neighbours at once."""
        for i in range(self.layers):
            for first in range(0, self.neurons_each, count):
                chosen = slice(first, first + count)
                outputs = Piece(self.names.outer.format(i), (slice(None), chosen))
                yield Part(outputs, Piece(self.names.inner.format(i), (chosen, slice(None))))
