"""Where the heads and the neurons of BERT-like encoders lie, which may go as a whole (`structure.py`)."""

import dataclasses

from ..structure import Part, Piece


@dataclasses.dataclass(frozen=True)
class Names:
    """What a layer's linear layers are called; `{}` stands for its number."""

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


@dataclasses.dataclass(frozen=True)
class Parts:
    """Those of all layers, by their names and sizes."""

    names: Names
    layers: int
    heads_each: int
    width: int
    neurons_each: int

    def heads(self):
        """What each head compares tokens with: key and query. Without its key, it gives every token the mean of its value."""
        size = self.width // self.heads_each
        for i in range(self.layers):
            for first in range(0, self.width, size):
                rows = (slice(first, first + size), slice(None))
                yield Part(Piece(self.names.key.format(i), rows), Piece(self.names.query.format(i), rows))

    def neurons(self, count):
        """The neurons of the feed-forward blocks, so many neighbours at once."""
        for i in range(self.layers):
            for first in range(0, self.neurons_each, count):
                chosen = slice(first, first + count)
                outputs = Piece(self.names.outer.format(i), (slice(None), chosen))
                yield Part(outputs, Piece(self.names.inner.format(i), (chosen, slice(None))))
