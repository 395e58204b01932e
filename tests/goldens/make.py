"""Writes the golden vectors: one JSON file of cases for each checkpoint, and one of token ids.

    python tests/goldens/make.py [--cebab CHECKPOINT] [--out FOLDER]
"""

import argparse
import json
import pathlib

import torch

from awkward import STRINGS
from reference import Reference

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

REVIEWS = [
    "The food was excellent, but the service was painfully slow.",
    "Loud music, cold soup and a rude waiter. Never again!",
    "We sat by the window. Lovely view, quiet room, friendly staff; the steak was a bit overcooked though.",
    "ok",
    "",
    "Great place \U0001f44d\U0001f3fd caf\u00e9 au lait was tr\u00e8s bon \u2014 $9.99!",
    "It was so noisy that we could not hear each other, and yet the pasta was the best I have had in years. "
    "Our server was attentive, the decor was dated, and the bill came to 84 dollars for two.",
    "I came here for lunch with my mother.",
]
ENGLISH = ["The food was good", "bad, loud music and slow service!", "", "\u65e5\u672c was not good; caf\u00e9?", "x" * 30]
SHORT = ["The movie was very good", "bad plot, unwatched acting!", "", "\u65e5\u672c was not good; and the plot?", "x" * 30]
# Latin, Cyrillic, Arabic, Devanagari, Han, Hangul; marks that combine, characters of no width, wide forms, ligatures.
SCRIPTS = [
    "The food was very good \U0001f44d\U0001f3fd but the cafe\u0301 too loud!",
    "\u0415\u0434\u0430 \u0431\u044b\u043b\u0430 \u0432\u043a\u0443\u0441\u043d\u043e\u0438\u0306, \u043d\u043e \u0448\u0443\u043c\u200b\u043d\u043e",
    "\u0643\u0627\u0646 \u0627\u0644\u0637\u0651\u064e\u0639\u064e\u0627\u0645\u064f \u0644\u0630\u064a\u0630\u0627 \u2764\ufe0f \ufefb",
    "\u0916\u093e\u0928\u093e \u092c\u0939\u0941\u0924 \u0905\u091a\u094d\u091b\u093e \u0925\u093e, \u0924\u0947\u095b \u0915\u094d\u200d\u0937",
    "\u83dc\u5f88\u597d\u5403\uff0c\u97f3\u4e50\u592a\u5435\u4e86\uff01 \uff26\uff55\uff4c\uff4c \u2460 \uff97\uff70\uff92\uff9d",
    "\uc74c\uc2dd\uc774 \ub9db\uc788\uc5c8\uc9c0\ub9cc \u110b\u1173\u11b7\u110b\u1161\u11a8\uc774 \u3131",
    "",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \ufb01ne \u0e01\u0e33 \u200e\u202eabc\u202c \u00ad\u2028x" + "\U00020000" * 30,
]
GERMAN = ["Die Suppe war nicht gut", "Ober laut, Suppe kalter!", "", "Stra\u00dfe \u65e5\u672c gut gute guter"]

# The checkpoints of tests/models and what they are asked.
MODELS = {
    "tiny": SHORT,
    "tiny-executed": GERMAN,
    "ragged": SHORT,
    "bilstm": ENGLISH,
    "bilstm-executed": ENGLISH,
    "distilbert": ENGLISH,
    "roberta": SHORT,
    "xlm-roberta": SCRIPTS,
    "opt": SHORT,
    "opt-narrow": SHORT,
    # Its tokenizer makes nothing of an empty text.
    "gpt2": [text for text in SHORT if text],
    "gpt2-rows": [text for text in SHORT if text],
    "modernbert": SHORT,
}


def numbers(tensor):
    """Shape and flat data, with the digits that a float32 can hold."""
    flat = tensor.flatten().tolist()
    data = flat if tensor.dtype == torch.int64 else [float(f"{x:.8g}") for x in flat]
    return {"shape": list(tensor.shape), "data": data}


SUPPOSE, CORRECT = 1, 2  # what concept_override_mask asks of a model that has two answers


def overrides(model, random):
    """Name and {concept: (question, probabilities)} of each kind of override that the cases cover."""
    concepts, width, counts = model.concepts, model.classes, model.counts
    two_answers = model.schema["intervention"] == "suppose-correct"

    def one_hot(k, index):
        return torch.eye(width)[index % counts[k]].tolist()

    def soft():
        within = torch.arange(width) < torch.tensor(counts)[:, None]
        values = torch.rand(concepts, width, generator=random) * within
        return (((values / values.sum(1, keepdim=True)) * 1024).round() / 1024).tolist()

    kinds = [("no override", {})]
    values = soft()
    for k in range(concepts):
        kinds.append((f"concept {k} to class {k % counts[k]}", {k: (SUPPOSE, one_hot(k, k))}))
    ends = {0: (SUPPOSE, one_hot(0, 1)), concepts - 1: (SUPPOSE, one_hot(concepts - 1, 0))}
    kinds.append(("first and last concept", ends))
    last = {k: (SUPPOSE, one_hot(k, counts[k] - 1)) for k in range(concepts)}
    kinds.append(("all concepts to the last class", last))
    kinds.append(("all concepts to soft probabilities", {k: (SUPPOSE, values[k]) for k in range(concepts)}))
    if two_answers:
        for k in range(concepts):
            kinds.append((f"concept {k} corrected to class {k % counts[k]}", {k: (CORRECT, one_hot(k, k))}))
        values = soft()
        corrected = {k: (CORRECT, values[k]) for k in range(concepts)}
        mixed = {k: (CORRECT if k % 2 else SUPPOSE, values[k]) for k in range(concepts)}
        kinds += [("all concepts corrected to soft probabilities", corrected), ("supposed and corrected by turns", mixed)]
    return kinds


def case(model, name, texts, changes):
    """One case: `changes` holds, for each text, {concept: (question, probabilities)}."""
    ids, attention = model.encode(texts)
    override = torch.zeros(len(texts), model.concepts, model.classes)
    mask = torch.zeros(len(texts), model.concepts)
    for row, change in enumerate(changes):
        for k, (question, probabilities) in change.items():
            override[row, k] = torch.tensor(probabilities)
            mask[row, k] = question
    inputs = {
        "input_ids": ids,
        "attention_mask": attention,
        "concept_override": override,
        "concept_override_mask": mask,
    }
    outputs = model(**inputs)
    return {
        "name": name,
        "texts": texts,
        "inputs": {key: numbers(value) for key, value in inputs.items()},
        "outputs": {key: numbers(value) for key, value in outputs.items()},
    }


def cases(model, texts):
    random = torch.Generator().manual_seed(0)
    kinds = overrides(model, random)
    for i, (name, change) in enumerate(kinds):
        text = texts[i % len(texts)]
        yield case(model, f"one text, {name}", [text], [change])
    yield case(model, "a batch of mixed lengths, no override", texts, [{}] * len(texts))
    mixed = [kinds[i % len(kinds)][1] for i in range(len(texts))]
    yield case(model, "a batch of mixed lengths, a different override in each row", texts, mixed)
    yield case(model, "a text beyond the maximum length", [" ".join(texts * 3)], [kinds[1][1]])


def tokens(model):
    """Ids and UTF-8 byte offsets of the awkward strings, cut to the maximum length."""
    for item in STRINGS:
        repeat, times = item if isinstance(item, tuple) else (item, None)
        text = repeat if times is None else repeat * times
        encoding = model.tokenizer.encode(text)
        bytes_before = [0]
        for character in text:
            bytes_before.append(bytes_before[-1] + len(character.encode("utf-8")))
        yield {
            **({"text": text} if times is None else {"repeat": repeat, "times": times}),
            "ids": encoding.ids,
            "offsets": [[bytes_before[start], bytes_before[end]] for start, end in encoding.offsets],
            "dropped": sum(len(part.ids) for part in encoding.overflowing) > 0,
        }


def write(path, model, items):
    """One case a line, so that a change shows which cases it touched."""
    lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
    path.write_text(f'{{"model": {json.dumps(model)}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def options_of(documentation):
    """What every script of this folder is told, and computes with."""
    parser = argparse.ArgumentParser(description=documentation.split("\n")[0])
    parser.add_argument("--cebab", type=pathlib.Path, default=REPOSITORY / "examples/models/cebab")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    return options


def main():
    options = options_of(__doc__)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, texts in MODELS.items():
        model = Reference(REPOSITORY / "tests/models" / name)
        write(options.out / f"{name}.json", f"tests/models/{name}", cases(model, texts))
    model = Reference(options.cebab)
    write(options.out / "cebab.json", "examples/models/cebab", cases(model, REVIEWS))
    write(options.out / "tokens.json", "examples/models/cebab", tokens(model))
    model = Reference(REPOSITORY / "tests/models/xlm-roberta")
    write(options.out / "tokens-unigram.json", "tests/models/xlm-roberta", tokens(model))


if __name__ == "__main__":
    main()
