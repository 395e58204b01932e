"""Cuts the vocabulary of a tokenizer to the pieces that a corpus uses.

Two thirds of a small model is its embedding table, of a multilingual one nearly all, and most of its rows are for words
that the task never uses. What any text needs stays: single characters, at the start of a word and inside one, or the
bytes that stand for them. So a word that was one piece and is no longer becomes several. Texts of the corpus itself
keep their pieces under new ids:

- WordPiece takes the longest piece that fits, and every piece that it took is still there.
- A byte-pair encoding merges neighbours in a fixed order. Every merge that happened in the corpus is still there, and
what
  it merged; merges that are gone did not happen there.
- Unigram takes the likeliest way to divide a text, of which all pieces are still there.

A vocabulary of another kind stays whole, and so does one whose cut gives other pieces after all.
"""

import json
import typing

from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORD_START = "\u2581"  # what SentencePiece writes for a space

Content = dict[str, typing.Any]


def prepare(tokenizer: Tokenizer, max_length: int) -> Tokenizer:
    """Has the tokenizer cut at `max_length` tokens and never pad."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def padding(tokenizer: Tokenizer) -> int:
    """The id that inputs are padded with (docs/reference/checkpoint.md). Nothing reads it, so any will do where there
    is none."""
    ids = [tokenizer.token_to_id(piece) for piece in ("[PAD]", "<pad>")]
    return next((i for i in ids if i is not None), 0)


def cut(tokenizer: Tokenizer, texts: list[str]) -> tuple[Tokenizer, list[int] | None]:
    """The cut tokenizer, and for each of its ids the id that the piece had before; None where nothing is cut. Texts are
    looked at in full length; both tokenizers cut them off afterwards where the given one did."""
    truncation = tokenizer.truncation
    tokenizer.no_truncation()
    try:
        result, pieces = cut_whole_texts(tokenizer, texts)
    finally:
        if truncation:
            tokenizer.enable_truncation(**truncation)
    if truncation:
        result.enable_truncation(**truncation)
    return result, pieces


def cut_whole_texts(tokenizer: Tokenizer, texts: list[str]) -> tuple[Tokenizer, list[int] | None]:
    content = json.loads(tokenizer.to_str())
    needed = {"WordPiece": word_pieces, "BPE": merged_pieces, "Unigram": likely_pieces}.get(content["model"]["type"])
    if needed is None:
        return tokenizer, None
    before = [encoding.tokens for encoding in tokenizer.encode_batch(texts)]
    used = {i for encoding in tokenizer.encode_batch(texts) for i in encoding.ids}
    old = tokenizer.get_vocab()
    kept = needed(content["model"], {piece for piece, i in old.items() if i in used})
    kept |= {token["content"] for token in content["added_tokens"]} | set(SPECIAL)
    if unknown := content["model"].get("unk_token"):
        kept.add(unknown)
    pieces = [piece for piece, _ in sorted(old.items(), key=lambda item: item[1]) if piece in kept]
    renumber(content, {piece: i for i, piece in enumerate(pieces)})
    result = Tokenizer.from_str(json.dumps(content))
    if [encoding.tokens for encoding in result.encode_batch(texts)] != before:
        return tokenizer, None
    return result, [old[piece] for piece in pieces]


def word_pieces(model: Content, used: set[str]) -> set[str]:
    prefix = model["continuing_subword_prefix"]
    return used | {piece for piece in model["vocab"] if len(piece.removeprefix(prefix)) == 1}


def merged_pieces(model: Content, used: set[str]) -> set[str]:
    """Those used, what they were merged from, and all that are merged from nothing."""
    pairs = [tuple(merge.split(" ", 1)) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
    prefix = model.get("continuing_subword_prefix") or ""
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    products = {left + right.removeprefix(prefix) for left, right in pairs}
    kept = used | {piece for piece in model["vocab"] if piece not in products}
    suffix = model.get("end_of_word_suffix") or ""
    for piece in used & products:
        kept |= on_the_way(piece, ranks, prefix, suffix)
    return kept


def on_the_way(piece: str, ranks: dict[tuple[str, ...], int], prefix: str, suffix: str) -> set[str]:
    """What merging gives on its way to a piece. Whatever stands beside it in a word, it came about as it does alone:
    had a neighbour been merged into it, it would not be there."""
    inner = piece.removeprefix(prefix) if prefix and piece.startswith(prefix) else piece
    end = suffix if suffix and inner.endswith(suffix) else ""
    letters = list(inner.removesuffix(end))
    if not letters:
        return {piece}
    letters[-1] += end
    first = piece[: len(piece) - len(inner)]
    parts = [(first if i == 0 else prefix) + letter for i, letter in enumerate(letters)]
    seen = set(parts)
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(zip(parts, parts[1:])))
        if rank == len(ranks):
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1].removeprefix(prefix)]
        seen.add(parts[at])
    return seen


def likely_pieces(model: Content, used: set[str]) -> set[str]:
    vocabulary = [piece for piece, _ in model["vocab"]]
    kept = {piece for piece in vocabulary if len(piece.removeprefix(WORD_START)) <= 1}
    if model.get("byte_fallback"):
        kept |= {f"<0x{byte:02X}>" for byte in range(256)}
    if (unknown := model.get("unk_id")) is not None:
        kept.add(vocabulary[unknown])
        # What is unknown scores less than any piece, by a fixed margin: the margin is that of the whole vocabulary.
        kept.add(min(model["vocab"], key=lambda entry: entry[1])[0])
    return used | kept


def renumber(content: Content, new: dict[str, int]) -> None:
    """Gives the pieces of `new` their ids everywhere, in place, and takes the others out."""
    model = content["model"]
    if model["type"] == "Unigram":
        scores = dict(model["vocab"])
        unknown = model.get("unk_id")
        name = None if unknown is None else model["vocab"][unknown][0]
        model["vocab"] = [[piece, scores.get(piece, 0.0)] for piece in new]
        model["unk_id"] = None if name is None else new[name]
    else:
        inside = model["vocab"]
        model["vocab"] = {piece: i for piece, i in new.items() if piece in inside}
        if model["type"] == "BPE":
            model["merges"] = [merge for merge in model["merges"] if stays(merge, model)]
    for token in content["added_tokens"]:
        token["id"] = new[token["content"]]
    renumber_processor(content.get("post_processor"), new)
    if content.get("padding"):
        content["padding"]["pad_id"] = new[content["padding"]["pad_token"]]


def stays(merge: typing.Any, model: Content) -> bool:
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    product = left + right.removeprefix(model.get("continuing_subword_prefix") or "")
    return left in model["vocab"] and right in model["vocab"] and product in model["vocab"]


def renumber_processor(processor: Content | None, new: dict[str, int]) -> None:
    """The special tokens that are put around a text, however that is said."""
    if processor is None:
        return
    for part in ("cls", "sep"):
        if part in processor:
            processor[part][1] = new[processor[part][0]]
    special = processor.get("special_tokens")
    for token in special.values() if isinstance(special, dict) else ():
        token["ids"] = [new[piece] for piece in token["tokens"]]
    for inner in processor.get("processors", ()):
        renumber_processor(inner, new)
