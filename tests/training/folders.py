"""Tiny random backbones, each in a folder as Hugging Face has them: with the head it was trained under, whose weights
are not ours, and a tokenizer of its kind, trained on some texts."""

import json
import pathlib

import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SIZE = 400  # of a vocabulary
MODELS = pathlib.Path(__file__).resolve().parents[1] / "models"


def word_piece(texts):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    result = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    result.normalizer = normalizers.BertNormalizer()
    result.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False)
    result.train_from_iterator(texts, trainer)
    return result


def byte_level(texts, special, template=None):
    result = Tokenizer(models.BPE())
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    result.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    result.train_from_iterator(texts, trainer)
    if template:
        ids = [(piece, result.token_to_id(piece)) for piece in special]
        result.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return result


def save(folder, model_class, tokens, config):
    """Weights so large that a wrong operator would show."""
    transformers.set_seed(0)
    model_class(config).save_pretrained(folder)
    if tokens:
        tokens.save(str(folder / "tokenizer.json"))


def bert(folder, texts):
    """Its tokenizer's special tokens come by a template."""
    tokens = word_piece(texts)
    ids = [(piece, tokens.token_to_id(piece)) for piece in ("[CLS]", "[SEP]")]
    tokens.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    config = transformers.BertConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=24, num_attention_heads=2, num_hidden_layers=2,
        intermediate_size=40, max_position_embeddings=64, initializer_range=0.2,
    )  # fmt: skip
    save(folder, transformers.BertForMaskedLM, tokens, config)


def distilbert(folder, texts):
    """Its tokenizer's special tokens come by the older way to say it."""
    tokens = word_piece(texts)
    tokens.post_processor = processors.BertProcessing(*((p, tokens.token_to_id(p)) for p in ("[SEP]", "[CLS]")))
    config = transformers.DistilBertConfig(
        vocab_size=tokens.get_vocab_size(), dim=24, n_heads=3, n_layers=2, hidden_dim=40, max_position_embeddings=64,
        initializer_range=0.2,
    )  # fmt: skip
    save(folder, transformers.DistilBertForMaskedLM, tokens, config)


def roberta(folder, texts):
    tokens = byte_level(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>")
    config = transformers.RobertaConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=24, num_attention_heads=2, num_hidden_layers=2,
        intermediate_size=36, max_position_embeddings=66, type_vocab_size=1, initializer_range=0.2,
    )  # fmt: skip
    save(folder, transformers.RobertaForMaskedLM, tokens, config)


def unigram(texts):
    """With the normalizer that XLM-RoBERTa has, and what else surrounds its vocabulary."""
    result = Tokenizer.from_file(str(MODELS / "xlm-roberta/tokenizer.json"))
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=SIZE, special_tokens=[*special, "<mask>"], unk_token="<unk>", show_progress=False
    )
    result.train_from_iterator(texts, trainer)
    return result


def xlm_roberta(folder, texts):
    tokens = unigram(texts)
    config = transformers.XLMRobertaConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=24, num_attention_heads=2, num_hidden_layers=2,
        intermediate_size=36, max_position_embeddings=66, type_vocab_size=1, initializer_range=0.2,
    )  # fmt: skip
    save(folder, transformers.XLMRobertaForMaskedLM, tokens, config)


def opt_config(tokens, **form):
    return transformers.OPTConfig(
        vocab_size=tokens.get_vocab_size() + 7, hidden_size=32, num_attention_heads=4, num_hidden_layers=2, ffn_dim=40,
        max_position_embeddings=64, init_std=0.2, **form,
    )  # fmt: skip


OPT_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def opt(folder, texts):
    """The form of those with 125 million and 1.3 billion weights. The table has more rows than there are tokens."""
    tokens = byte_level(texts, OPT_SPECIAL, "</s> $A")
    save(folder, transformers.OPTForCausalLM, tokens, opt_config(tokens, word_embed_proj_dim=32))


def opt_narrow(folder, texts):
    """The form of the one with 350 million. Hugging Face has no tokenizer.json for OPT, but the files before it."""
    tokens = byte_level(texts, OPT_SPECIAL)
    config = opt_config(tokens, word_embed_proj_dim=20, do_layer_norm_before=False)
    save(folder, transformers.OPTForCausalLM, None, config)
    tokens.model.save(str(folder))
    said = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>", "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", **said}))


def gpt2(folder, texts):
    """Weights stored [in, out], and no token for padding."""
    tokens = byte_level(texts, ["<|endoftext|>"])
    end = tokens.token_to_id("<|endoftext|>")
    config = transformers.GPT2Config(
        vocab_size=tokens.get_vocab_size(), n_embd=24, n_head=2, n_layer=2, n_positions=64, bos_token_id=end,
        eos_token_id=end, initializer_range=0.2,
    )  # fmt: skip
    save(folder, transformers.GPT2LMHeadModel, tokens, config)


def modernbert(folder, texts):
    """Reviews are longer than the window of its local attention."""
    tokens = byte_level(texts, ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"], "[CLS] $A [SEP]")
    ids = {f"{name}_token_id": tokens.token_to_id(f"[{name.upper()}]") for name in ("pad", "cls", "sep")}
    config = transformers.ModernBertConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=24, num_attention_heads=3, num_hidden_layers=4,
        intermediate_size=20, max_position_embeddings=64, local_attention=8, bos_token_id=ids["cls_token_id"],
        eos_token_id=ids["sep_token_id"], initializer_range=0.2, **ids,
    )  # fmt: skip
    save(folder, transformers.ModernBertForMaskedLM, tokens, config)
