"""Cuts the vocabulary of a WordPiece tokenizer to the pieces that a corpus uses.

Two thirds of a small model is its embedding table, and most of its rows are for words that the task never
uses. Single characters stay, at the start of a word and inside one, so that any text still tokenizes: a word
that was one piece and is no longer becomes several. Texts of the corpus itself keep their ids' pieces: WordPiece
takes the longest piece that fits, and every piece that it took is still there.

Other tokenizers keep their vocabulary whole: the pieces of a byte-pair encoding are merged from one another.
"""

import json

from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def prepare(tokenizer, max_length):
    """Has the tokenizer cut at `max_length` tokens and never pad."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def padding(tokenizer):
    """The id that inputs are padded with (docs/checkpoint.md). Nothing reads it, so any will do where there is none."""
    ids = [tokenizer.token_to_id(piece) for piece in ("[PAD]", "<pad>")]
    return next((i for i in ids if i is not None), 0)


def cut(tokenizer, texts):
    """The cut tokenizer, and for each of its ids the id that the piece had before; None where nothing is cut."""
    content = json.loads(tokenizer.to_str())
    if content["model"]["type"] != "WordPiece":
        return tokenizer, None
    tokenizer.no_truncation()
    used = {i for encoding in tokenizer.encode_batch(texts) for i in encoding.ids}
    old = tokenizer.get_vocab()
    added = {token["content"] for token in content["added_tokens"]}
    kept = [
        piece
        for piece, i in sorted(old.items(), key=lambda item: item[1])
        if i in used or piece in added or piece in SPECIAL or len(piece.removeprefix("##")) == 1
    ]
    new = {piece: i for i, piece in enumerate(kept)}
    content["model"]["vocab"] = new
    for token in content["added_tokens"]:
        token["id"] = new[token["content"]]
    processor = content["post_processor"]
    if processor["type"] == "BertProcessing":
        for part in ("cls", "sep"):
            processor[part][1] = new[processor[part][0]]
    else:
        for token in processor["special_tokens"].values():
            token["ids"] = [new[piece] for piece in token["tokens"]]
    return Tokenizer.from_str(json.dumps(content)), [old[piece] for piece in kept]
