"""Where in a text each concept stands, and the loss that puts its evidence there.

Pooling and concept head are linear, so what each position adds to a concept's logits is exact: its evidence. But hidden
states mix the whole text, and untaught a model may read a concept off any of them. Two teachers say where it stands:
people, who changed certain words when they edited a concept; and where there are no edits the dense CBM, whose answer
changes when a window of words is masked out. The loss is the cross-entropy between such places and evidence as a
distribution over positions (after supervised attention: Liu et al. 2016, arXiv 1609.04186; Camburu et al. and others
call such places rationales).
"""

import difflib
import functools
import re
import typing

import torch
from tokenizers import Tokenizer

from . import data
from .batches import Texts, Tokens
from .data import Part, Schema
from .model import Model

WORD = re.compile(r"\w+|[^\w\s]")
NOTHING = "unknown"  # a class of this name says that the text does not speak of the concept: it stands nowhere

# Windows of the dense CBM: tokens in one, and from one to the next; in how many texts; what share of the largest loss
# of a text stands out, and how large, in logits, that must be.
WIDTH, STRIDE, TEXTS, CLEAR, LEAST = 5, 2, 500, 0.4, 0.3

Span = tuple[int, int]


def changed(before: str, after: str) -> list[Span]:
    """Where in the text before stand the words that are gone or replaced in the one after, in characters."""
    words = list(WORD.finditer(before))
    others = [word.group().lower() for word in WORD.finditer(after)]
    matcher = difflib.SequenceMatcher(None, [word.group().lower() for word in words], others, autojunk=False)
    return [
        words[i].span()
        for what, start, end, _, _ in matcher.get_opcodes()
        if what in ("delete", "replace")
        for i in range(start, end)
    ]


def edited(part: Part) -> typing.Iterator[tuple[int, int, list[Span]]]:
    """(text, concept, where it stands) by every human edit, in the original and in the edit."""
    for pair in data.human_edits(part):
        for here, there in ((pair.review, pair.after), (pair.after, pair.review)):
            spans = changed(part.texts[here], part.texts[there])
            if spans and len(spans) < len(WORD.findall(part.texts[here])):
                yield here, pair.concept, spans


def support(logits: torch.Tensor, classes: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """How much logits [..., K, C] speak for classes [..., K] rather than for the others that the concepts have, by
    `real` [K, C]."""
    kept = real.to(logits.dtype)
    own = logits.gather(-1, classes.clamp_min(0)[..., None].expand(*logits.shape[:-1], 1))[..., 0]
    return own - ((logits * kept).sum(-1) - own) / (kept.sum(-1) - 1)


def everything(ids: torch.Tensor) -> Texts:
    """Ids [B, S] without padding."""
    return Texts(ids, torch.ones_like(ids), True)


class Places:
    """Of each text, where its concepts stand: a distribution over positions [N, K, S], all 0 where nobody said."""

    def __init__(self, tokens: Tokens, schema: Schema) -> None:
        self.shares = torch.zeros(len(tokens), len(schema.concepts), tokens.padded.shape[1], device=tokens.device)
        nothing = [classes.index(NOTHING) if NOTHING in classes else -1 for classes in schema.classes]
        self.classes = tokens.concepts.to(tokens.device)
        self.speaks = (tokens.concepts >= 0) & (tokens.concepts != torch.tensor(nothing))

    def of_edits(self, tokens: Tokens, tokenizer: Tokenizer) -> "Places":
        """Adds what people changed, in equal shares."""
        offsets: dict[int, list[Span]] = {}
        for text, concept, spans in edited(tokens.part):
            if not self.speaks[text, concept]:
                continue
            if text not in offsets:
                offsets[text] = tokenizer.encode(tokens.part.texts[text]).offsets
            for position, (start, end) in enumerate(offsets[text]):
                if any(start < until and end > since for since, until in spans):
                    self.shares[text, concept, position] += 1
        self.shares /= self.shares.sum(-1, keepdim=True).clamp_min(1.0)
        return self

    def of_windows(self, tokens: Tokens, dense: Model, dtype: torch.dtype, random: torch.Generator) -> "Places":
        """Adds what the dense CBM reads it from, in some of the texts: how much its answer loses without a window of
        tokens, on average over the windows that hold a token."""
        real = dense.real.to(tokens.device)
        for text in torch.randperm(len(tokens), generator=random)[:TEXTS].tolist():
            length, told = len(tokens.ids[text]), self.speaks[text]
            if length < 2 * WIDTH or not told.any() or self.shares[text].any():
                continue
            ids = tokens.padded[text, :length]
            starts = range(1, length - WIDTH, STRIDE)
            without = torch.stack([torch.cat([ids[:start], ids[start + WIDTH :]]) for start in starts])
            with torch.no_grad():
                whole = dense.concept_logits(everything(ids[None]), dtype)
                lost = support(whole - dense.concept_logits(everything(without), dtype), self.classes[text][None], real)
            value, count = torch.zeros(2, len(real), length, device=tokens.device)
            for start, each in zip(starts, lost):
                value[:, start : start + WIDTH] += each[:, None]
                count[:, start : start + WIDTH] += 1
            value /= count.clamp_min(1.0)
            most = value.max(-1, keepdim=True).values
            clear = (value - CLEAR * most).clamp_min(0.0) * (most > LEAST) * told[:, None].to(value.device)
            self.shares[text, :, :length] = clear / clear.sum(-1, keepdim=True).clamp_min(1e-6)
        return self

    def loss(self, evidence: torch.Tensor, texts: Texts, chosen: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Of evidence [B, K, S, C] of chosen texts, for the class that each concept has there; 0 where nobody said
        anything."""
        shares = self.shares[chosen][..., : evidence.shape[2]]
        values = support(evidence.transpose(1, 2), self.classes[chosen][:, None], real).transpose(1, 2)
        values = values.masked_fill(texts.attention[:, None] == 0, -1e4)
        each = -(shares * values.log_softmax(-1)).sum(-1)
        return each.sum() / shares.sum().clamp_min(1.0)


def measured(model: Model, tokens: Tokens, tokenizer: Tokenizer, schema: Schema) -> dict[str, float] | None:
    """How well evidence ranks the words of an original that people changed, for the class that the concept has there:
    mean average precision and area under the ROC curve over edits, as `sparsecbm study` measures them. None without
    edits."""
    part, speaks = tokens.part, Places(tokens, schema).speaks

    @functools.cache  # people edited several concepts of most reviews
    def read(review: int) -> tuple[list[Span], torch.Tensor]:
        """The words of a review, and how much each speaks for what every concept is there [K, words]."""
        words = [word.span() for word in WORD.finditer(part.texts[review])]
        encoding = tokenizer.encode(part.texts[review])
        with torch.no_grad():
            _, evidence = model.logits_and_evidence(everything(torch.tensor([encoding.ids])))
        positions = support(evidence.transpose(1, 2), tokens.concepts[review], model.real)[0]
        values = torch.zeros(len(schema.concepts), len(words))
        for value, (start, end) in zip(positions, encoding.offsets):
            for number, (since, until) in enumerate(words):
                if start < until and end > since:
                    values[:, number] += value
        return words, values

    found = []
    for pair in data.human_edits(part):
        if not speaks[pair.review, pair.concept]:
            continue
        words, values = read(pair.review)
        spans = set(changed(part.texts[pair.review], part.texts[pair.after]))
        right = torch.tensor([word in spans for word in words])
        if not right.any() or right.all():
            continue
        own = values[pair.concept]
        found.append(torch.tensor([average_precision(own, right), roc_area(own, right), float(right.float().mean())]))
    if not found:
        return None
    precision, area, chance = torch.stack(found).mean(0).tolist()
    return {"edits": len(found), "average_precision": precision, "roc_area": area, "chance_precision": chance}


def average_precision(values: torch.Tensor, right: torch.Tensor) -> float:
    """The mean over right items of the share of right ones among those ranked as high."""
    ordered = right[values.argsort(descending=True, stable=True)].float()
    precision = ordered.cumsum(0) / torch.arange(1, len(ordered) + 1)
    return float(precision[ordered > 0].mean())


def roc_area(values: torch.Tensor, right: torch.Tensor) -> float:
    """How often a right item ranks above a wrong one, a tie counting for a half."""
    apart = values[right][:, None] - values[~right]
    return float(((apart > 0).float() + 0.5 * (apart == 0)).mean())
