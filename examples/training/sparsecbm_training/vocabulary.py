"""Cuts the vocabulary of a WordPiece tokenizer to the pieces that a corpus uses.

Two thirds of a small model is its embedding table, and most of its rows are for words that the task never
uses. Single characters stay, at the start of a word and inside one, so that any text still tokenizes: a word
that was one piece and is no longer becomes several. Texts of the corpus itself keep their ids' pieces: WordPiece
takes the longest piece that fits, and every piece that it took is still there.
"""

import json

from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def load(path, max_length):
    """The tokenizer at `path`, cutting at `max_length` tokens and never padding."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def cut(tokenizer, texts):
    """The cut tokenizer, and for each of its ids the id that the piece had before."""
    tokenizer.no_truncation()
    used = {i for encoding in tokenizer.encode_batch(texts) for i in encoding.ids}
    content = json.loads(tokenizer.to_str())
    old = content["model"]["vocab"]
    kept = [
        piece
        for piece, i in sorted(old.items(), key=lambda item: item[1])
        if i in used or piece in SPECIAL or len(piece.removeprefix("##")) == 1
    ]
    new = {piece: i for i, piece in enumerate(kept)}
    content["model"]["vocab"] = new
    for token in content["added_tokens"]:
        token["id"] = new[token["content"]]
    for token in content["post_processor"]["special_tokens"].values():
        token["ids"] = [new[piece] for piece in token["tokens"]]
    return Tokenizer.from_str(json.dumps(content)), [old[piece] for piece in kept]
