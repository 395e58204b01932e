"""Writes the small random BERT checkpoints that the tests use: `tiny`, `tiny-executed` and `ragged`.

Their weights are random, so their predictions mean nothing. They exist because they differ from the
shipped model wherever a checkpoint may differ (docs/reference/checkpoint.md): sizes, mask form, dtypes, semantics,
pooling, intervention, class names, tokenizer. The seed is fixed, so running this again writes the same bytes.

    python tests/models/make.py
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = pathlib.Path(__file__).resolve().parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokenizer(words, characters, max_length, **normalizer):
    """A WordPiece tokenizer over some words and single characters, cut at `max_length` tokens."""
    pieces = SPECIAL + list(characters) + ["##" + c for c in characters] + words
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    result = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=20))
    result.normalizer = normalizers.BertNormalizer(**normalizer)
    result.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    result.add_special_tokens(SPECIAL)
    result.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    result.enable_truncation(max_length)
    return result


def linear_layers(config):
    """Name, outputs and inputs of each masked linear layer of a BERT encoder."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            yield f"{layer}.attention.{part}", hidden, hidden
        yield f"{layer}.intermediate.dense", inner, hidden
        yield f"{layer}.output.dense", hidden, inner


def backbone(config, random):
    """Random weights under the names that Hugging Face's BertModel gives them, without the pooler."""

    def normal(*shape, scale=1.0, mean=0.0):
        return mean + scale * torch.randn(*shape, generator=random)

    hidden = config["hidden_size"]
    tensors = {
        "embeddings.word_embeddings.weight": normal(config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": normal(config["max_position_embeddings"], hidden, scale=0.5),
        "embeddings.token_type_embeddings.weight": normal(config["type_vocab_size"], hidden, scale=0.5),
    }
    norms = ["embeddings.LayerNorm"]
    for i in range(config["num_hidden_layers"]):
        norms += [f"encoder.layer.{i}.attention.output.LayerNorm", f"encoder.layer.{i}.output.LayerNorm"]
    for name in norms:
        tensors[f"{name}.weight"] = normal(hidden, scale=0.2, mean=1.0)
        tensors[f"{name}.bias"] = normal(hidden, scale=0.2)
    for name, rows, columns in linear_layers(config):
        tensors[f"{name}.weight"] = normal(rows, columns, scale=1.5 * columns**-0.5)
        tensors[f"{name}.bias"] = normal(rows, scale=0.1)
    return tensors


def random_masks(config, concepts, kept, random):
    """One unstructured mask of each concept for each linear layer, as booleans [K, out, in]."""
    return {
        name: torch.rand(concepts, rows, columns, generator=random) < kept
        for name, rows, columns in linear_layers(config)
    }


def pack_bits(masks):
    """Packs [K, rows, columns] booleans into [K, rows, ceil(columns / 8)] bytes, lowest bit first."""
    count, rows, columns = masks.shape
    padded = torch.zeros(count, rows, -(-columns // 8) * 8, dtype=torch.int64)
    padded[:, :, :columns] = masks
    return (padded.view(count, rows, -1, 8) << torch.arange(8)).sum(-1).to(torch.uint8)


def heads(concepts, classes, labels, hidden, effect, random):
    tensors = {
        "concept_head.weight": torch.randn(concepts, classes, hidden, generator=random),
        "concept_head.bias": torch.randn(concepts, classes, generator=random),
        "label_head.weight": torch.randn(labels, concepts * classes, generator=random),
        "label_head.bias": torch.randn(labels, generator=random),
    }
    if effect:
        tensors["effect_head.weight"] = torch.randn(labels, concepts * classes, generator=random)
    return tensors


def calibration(concepts, classes, temperature, random):
    """Random numbers in the shapes that a trained model measures."""
    mean_logits = torch.randn(concepts, classes, generator=random)
    return {
        "temperature": temperature,
        "class_logits": (2 * torch.randn(concepts, classes, classes, generator=random)).tolist(),
        "mean_concept_logits": mean_logits.tolist(),
        "mean_concept_probabilities": mean_logits.softmax(-1).tolist(),
    }


def bert_config(vocab_size, **different):
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocab_size,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        **different,
    }


def write(folder, config, schema, tensors, tokenizer):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("config.json", config), ("sparsecbm.json", schema)):
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))


FILM_WORDS = "the movie was good bad plot act ##ing ##ed very not and un ##watch".split()
FILM_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-é"


def make_tiny(folder):
    """Unstructured masks stored one by one, F32 weights, plain replacement, class names that are no numbers."""
    random = torch.Generator().manual_seed(1)
    tokens = tokenizer(FILM_WORDS, FILM_LETTERS, 24, lowercase=True)
    config = bert_config(
        tokens.get_vocab_size(),
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=48,
        max_position_embeddings=40,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
    )
    tensors = backbone(config, random)
    forms = (torch.float32, torch.uint8, torch.bool)
    for i, (name, masks) in enumerate(random_masks(config, 3, 0.4, random).items()):
        for k, mask in enumerate(masks):
            tensors[f"{name}.mask_list.{k}"] = mask.to(forms[i % len(forms)])
    tensors |= heads(3, 2, 4, 32, False, random)
    schema = {
        "version": "1.0",
        "concepts": [{"name": name, "classes": ["absent", "present"]} for name in ("acting", "plot", "visual effects")],
        "label": {"name": "verdict", "classes": ["awful", "poor", "fine", "great"]},
        "semantics": "as-intended",
        "pooling": "masked-mean",
        "max_length": 24,
        "intervention": "replace",
        "data_fields": {
            "text": "review",
            "concepts": {"acting": "has_acting", "plot": "has_plot", "visual effects": "has_effects"},
            "label": "verdict",
        },
        "calibration": calibration(3, 2, 1.5, random),
    }
    write(folder, config, schema, tensors, tokens)


def make_tiny_executed(folder):
    """Mask 0 for every concept, padding pooled, packed unstructured masks whose last byte is partly unused,
    BF16 weights, an effect head, and a tokenizer that keeps case and accents."""
    random = torch.Generator().manual_seed(2)
    words = ["Die", "Suppe", "war", "gut", "kalt", "nicht", "##er", "##e", "Ober", "laut"]
    tokens = tokenizer(
        words, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüß.,!?", 20, lowercase=False, strip_accents=False
    )
    config = bert_config(
        tokens.get_vocab_size(),
        hidden_size=36,
        num_attention_heads=3,
        num_hidden_layers=1,
        intermediate_size=52,
        max_position_embeddings=20,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    tensors = {key: value.to(torch.bfloat16) for key, value in backbone(config, random).items()}
    for name, masks in random_masks(config, 2, 0.5, random).items():
        tensors[f"{name}.mask_bits"] = pack_bits(masks)
    tensors |= heads(2, 3, 3, 36, True, random)
    schema = {
        "version": "1.0",
        "concepts": [{"name": name, "classes": ["schlecht", "gut", "unbekannt"]} for name in ("Essen", "Lärm")],
        "label": {"name": "Note", "classes": ["-1", "0", "2.5"]},
        "semantics": "as-executed",
        "pooling": "padded-mean",
        "max_length": 20,
        "intervention": "effect",
        "data_fields": {
            "text": "text",
            "concepts": {"Essen": "essen", "Lärm": "laerm"},
            "label": "note",
            "edited": "geaendert",
            "original_id": "urtext",
        },
        "calibration": calibration(2, 3, 0.75, random),
    }
    write(folder, config, schema, tensors, tokens)


def make_ragged(folder):
    """Format 1.1: concepts of 2, 3 and 5 classes, a label of 7 whose order is given, supposing with a hidden layer
    and correcting, masks of 4 x 1 blocks."""
    random = torch.Generator().manual_seed(3)
    tokens = tokenizer(FILM_WORDS, FILM_LETTERS, 24, lowercase=True)
    config = bert_config(
        tokens.get_vocab_size(),
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=48,
        max_position_embeddings=24,
        type_vocab_size=1,
        layer_norm_eps=1e-12,
    )
    concepts = {
        "seen": ["no", "yes"],
        "pace": ["slow", "even", "fast"],
        "acting": ["very bad", "bad", "fair", "good", "very good"],
    }
    counts = [len(classes) for classes in concepts.values()]
    labels, units, width = 7, 6, max(counts)
    columns = len(counts) * width
    tensors = {key: value.to(torch.float16) for key, value in backbone(config, random).items()}
    for name, rows, inputs in linear_layers(config):
        masks = torch.rand(len(counts), rows // 4, inputs, generator=random) < 0.35
        tensors[f"{name}.mask_bits"] = pack_bits(masks)
    tensors |= heads(len(counts), width, labels, 32, False, random)
    for name in ("suppose_head.weight", "correct_head.weight"):
        tensors[name] = torch.randn(labels, columns, generator=random)
    tensors |= {
        "suppose_hidden.read": 0.3 * torch.randn(units, columns, generator=random),
        "suppose_hidden.asserted": torch.randn(units, columns, generator=random),
        "suppose_hidden.bias": torch.randn(units, generator=random),
        "suppose_hidden.output": torch.randn(labels, units, generator=random),
    }
    for k, count in enumerate(counts):
        tensors["concept_head.weight"][k, count:] = 0
        tensors["concept_head.bias"][k, count:] = -10000
        padding = slice(k * width + count, (k + 1) * width)
        for name in ("label_head.weight", "suppose_head.weight", "correct_head.weight", "suppose_hidden.read"):
            tensors[name][:, padding] = 0
        tensors["suppose_hidden.asserted"][:, padding] = 0
    mean_logits = [torch.randn(count, generator=random) for count in counts]
    schema = {
        "version": "1.1",
        "concepts": [{"name": name, "classes": classes} for name, classes in concepts.items()],
        "label": {
            "name": "verdict",
            "classes": ["hated", "awful", "poor", "fair", "fine", "great", "loved"],
            "values": [-3, -2, -1, 0, 1, 2, 3],
        },
        "semantics": "as-intended",
        "pooling": "masked-mean",
        "max_length": 24,
        "intervention": "suppose-correct",
        "data_fields": {"text": "review", "concepts": {name: name for name in concepts}, "label": "verdict"},
        "calibration": {
            "temperature": 1.25,
            "mean_concept_logits": [row.tolist() for row in mean_logits],
            "mean_concept_probabilities": [row.softmax(-1).tolist() for row in mean_logits],
        },
    }
    write(folder, config, schema, tensors, tokens)


if __name__ == "__main__":
    make_tiny(HERE / "tiny")
    make_tiny_executed(HERE / "tiny-executed")
    make_ragged(HERE / "ragged")
