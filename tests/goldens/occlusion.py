"""Writes occlusion.json: what Captum's occlusion says of some texts, to compare the crate's with.

    python tests/goldens/occlusion.py [--cebab CHECKPOINT] [--out FOLDER]

A word of one token goes through captum.attr.Occlusion with a window of one position; one of several tokens
through its base class FeatureAblation, with these positions as the feature. The baseline is the mask token, or
the unknown token of a vocabulary without one.

Windows of several words, which hang over the ends of the text, are masked out here: a word's value is the mean over the
windows that hold it, then over the widths.
"""

import functools
import json

import torch
from captum.attr import FeatureAblation, Occlusion

from make import REPOSITORY, numbers, options_of
from reference import Reference

TEXTS = {
    "tests/models/tiny": ["The movie was very good", "bad plot, unwatched acting!"],
    "tests/models/tiny-executed": ["Die Suppe war nicht gut"],
    "examples/models/cebab": ["The food was excellent, but the service was painfully slow.", "Overcooked steak \U0001f44e"],
}


WIDTHS = [3, 1]


def baseline(model):
    for piece in ("[MASK]", "[UNK]", "[PAD]"):
        if (found := model.tokenizer.token_to_id(piece)) is not None:
            return found
    raise ValueError("the vocabulary has no token to mask with")


def words(model, text):
    """Positions of each word, by the tokenizer's own idea of one."""
    groups = {}
    for position, word in enumerate(model.tokenizer.encode(text).word_ids):
        if word is not None:
            groups.setdefault(word, []).append(position)
    return list(groups.values())


@torch.no_grad()
def case(model, text):
    ids, attention = model.encode([text])
    size = model.concepts * model.classes

    @functools.cache
    def of_ids(row):
        none = torch.zeros(1, model.concepts, model.classes), torch.zeros(1, model.concepts)
        found = model(torch.tensor([row]), attention, *none)
        return torch.cat([found["concept_logits"].flatten(1), found["label_logits"]], 1)

    def outputs(batch):
        # Captum asks for one target at a time, and so for every input many times.
        return torch.cat([of_ids(tuple(row)) for row in batch.tolist()])

    count = outputs(ids).shape[1]
    groups = words(model, text)
    features = torch.zeros_like(ids)
    for feature, positions in enumerate(groups, 1):
        features[0, positions] = feature
    columns = []
    for target in range(count):
        single = Occlusion(outputs).attribute(ids, sliding_window_shapes=(1,), baselines=baseline(model), target=target)
        whole = FeatureAblation(outputs).attribute(ids, baselines=baseline(model), target=target, feature_mask=features)
        columns.append([(single if len(group) == 1 else whole)[0, group[0]].item() for group in groups])
    attributions = torch.tensor(columns)
    windows = torch.stack([of_windows(of_ids, ids, groups, width, baseline(model)) for width in WIDTHS]).mean(0)
    return {
        "text": text,
        "words": [[group[0], group[-1] + 1] for group in groups],
        "concept_logits": numbers(attributions[:size].reshape(model.concepts, model.classes, -1)),
        "label_logits": numbers(attributions[size:]),
        "windows": {
            "widths": WIDTHS,
            "concept_logits": numbers(windows[:size].reshape(model.concepts, model.classes, -1)),
            "label_logits": numbers(windows[size:]),
        },
    }


def of_windows(of_ids, ids, groups, width, mask):
    """[outputs, words]: what each output loses, on average over the windows of so many words that hold the word."""
    width = min(width, len(groups))
    losses = [[] for _ in groups]
    for first in range(1 - width, len(groups)):
        held = range(max(first, 0), min(first + width, len(groups)))
        without = ids.clone()
        for word in held:
            without[0, groups[word]] = mask
        lost = (of_ids(tuple(ids[0].tolist())) - of_ids(tuple(without[0].tolist())))[0]
        for word in held:
            losses[word].append(lost)
    return torch.stack([torch.stack(some).mean(0) for some in losses], 1)


def main():
    options = options_of(__doc__)
    sets = []
    for name, texts in TEXTS.items():
        model = Reference(options.cebab if name.endswith("cebab") else REPOSITORY / name)
        sets.append({"model": name, "cases": [case(model, text) for text in texts]})
    (options.out / "occlusion.json").write_text(json.dumps(sets, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
