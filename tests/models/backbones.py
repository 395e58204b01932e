"""Writes a small random checkpoint of every backbone but BERT, which make.py has, and of its variants.

`transformers` makes the models, so names and shapes of their tensors are its own. Their weights are random; they
differ in K, C and L, in mask form, dtype, semantics, pooling, intervention and tokenizer
(docs/reference/checkpoint.md). The seeds are fixed, so running this again writes the same bytes.

    python tests/models/backbones.py        # needs tests/goldens/requirements.txt
"""

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers.pytorch_utils import Conv1D

import multilingual
from make import HERE, calibration, heads, pack_bits, tokenizer, write

CORPUS = [
    "the movie was good and the plot was not bad",
    "a very dull film with poor acting, weak dialogue and a soundtrack that never stops",
    "great actors, lovely pictures; the ending was a surprise!",
]
ENGLISH = ["the", "food", "was", "good", "bad", "ser", "##vice", "loud", "music", "not", "and", "##ly", "slow"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-é"


def byte_level(max_length, special, template=None, **kind):
    """A byte-level BPE tokenizer with a few merges, cut at `max_length` tokens."""
    result = Tokenizer(models.BPE(**kind))
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    result.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    result.train_from_iterator(CORPUS, trainer)
    if template:
        ids = [(piece, result.token_to_id(piece)) for piece in special]
        result.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    result.enable_truncation(max_length)
    return result


def randomize(model, random):
    """Weights so large that a wrong operator shows in every output."""
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=random)
        kind = type(model.get_submodule(name.rpartition(".")[0]))
        if name.endswith(".bias") or "bias_" in name:
            value.data = 0.2 * noise
        elif kind is torch.nn.LayerNorm:
            value.data = 1 + 0.2 * noise
        elif kind is torch.nn.Embedding:
            value.data = noise if value.shape[0] > 100 else 0.5 * noise
        else:
            inputs = value.shape[0] if kind is Conv1D else value.shape[1]
            value.data = 1.5 * inputs**-0.5 * noise


def masked_layers(model):
    """Each linear layer's name, and whether its weight is stored [in, out]."""
    for name, module in model.named_modules():
        if isinstance(module, (torch.nn.Linear, Conv1D)):
            yield name, isinstance(module, Conv1D)


def masks_of(model, concepts, kept, form, random):
    """The masks of every linear layer: `bits`, `blocks` of four rows, `rows` as a whole, or a `list`."""
    tensors = {}
    for name, turned in masked_layers(model):
        weight = model.get_submodule(name).weight
        rows, columns = weight.T.shape if turned else weight.shape
        if form == "rows":
            masks = (torch.rand(concepts, rows, 1, generator=random) < kept).expand(-1, -1, columns)
        else:
            height = 4 if form == "blocks" else 1
            masks = torch.rand(concepts, rows // height, columns, generator=random) < kept
        if form == "list":
            for k, mask in enumerate(masks):
                tensors[f"{name}.mask_list.{k}"] = (mask.T if turned else mask).to(torch.uint8)
        else:
            tensors[f"{name}.mask_bits"] = pack_bits(masks)
    return tensors


def make(
    name,
    seed,
    model,
    tokens,
    config,
    concepts,
    label,
    kept=0.5,
    form="bits",
    dtype=torch.bfloat16,
    expand=None,
    **schema,
):
    """One checkpoint; `concepts` maps each name to its field, and all have the classes `classes`."""
    random = torch.Generator().manual_seed(seed)
    model = model.eval()
    randomize(model, random)
    classes = schema.pop("classes")
    k, c, l = len(concepts), len(classes), len(label["classes"])
    effect = schema.get("intervention", "effect") == "effect"
    width = config.get("word_embed_proj_dim") or next(
        config[key] for key in ("hidden_size", "dim", "n_embd") if key in config
    )
    tensors = {key: value.to(dtype) for key, value in model.state_dict().items() if not key.endswith("position_ids")}
    tensors |= masks_of(model, k, kept, form, random)
    tensors |= heads(k, c, l, expand or width, effect, random)
    if expand:
        tensors["concept_expansion.weight"] = torch.randn(k, expand, width, generator=random)
        tensors["concept_expansion.bias"] = torch.randn(k, expand, generator=random)
    schema = {
        "version": "1.0",
        "concepts": [{"name": concept, "classes": classes} for concept in concepts],
        "label": label,
        "semantics": "as-intended",
        "pooling": "masked-mean",
        "intervention": "effect",
        "data_fields": {"text": "text", "concepts": concepts, "label": label["name"]},
        "calibration": calibration(k, c, 1.25, random),
        **schema,
    }
    write(HERE / name, config, schema, tensors, tokens)


def configured(model_class, config):
    """The model with transformers' own saved configuration."""
    torch.manual_seed(0)
    return model_class(config), {**config.to_diff_dict(), "architectures": [model_class.__name__]}


def named(*concepts):
    return {concept: concept.replace(" ", "_") for concept in concepts}


THREE = ["negative", "positive", "unknown"]
STARS = {"name": "stars", "classes": ["1", "2", "3", "4", "5"]}


def distilbert():
    """Concept heads of two layers."""
    tokens = tokenizer(ENGLISH, LETTERS, 24, lowercase=True)
    config = transformers.DistilBertConfig(
        vocab_size=tokens.get_vocab_size(), dim=24, n_heads=3, n_layers=2, hidden_dim=40, max_position_embeddings=32
    )
    model, config = configured(transformers.DistilBertModel, config)
    concepts = named("food", "service", "noise", "ambiance")
    make("distilbert", 3, model, tokens, config, concepts, STARS, classes=THREE, form="blocks", max_length=24, expand=7)


def roberta():
    """Padding is pooled, so its positions count."""
    tokens = byte_level(20, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>")
    config = transformers.RobertaConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=24, num_attention_heads=2, num_hidden_layers=2,
        intermediate_size=36, max_position_embeddings=26, type_vocab_size=1, hidden_act="relu",
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.RobertaModel(config, add_pooling_layer=False)
    config = {**config.to_diff_dict(), "architectures": ["RobertaModel"]}
    make(
        "roberta", 4, model, tokens, config, named("acting", "plot"),
        {"name": "verdict", "classes": ["bad", "fine", "good"]},
        classes=["absent", "present"], form="list", max_length=20, semantics="as-executed", pooling="padded-mean",
        intervention="replace",
    )  # fmt: skip


def xlm_roberta():
    """A Unigram tokenizer of many scripts, and names in some of them."""
    texts = (HERE / "multilingual.txt").read_text(encoding="utf-8").splitlines()
    tokens = multilingual.unigram(texts, 32)
    config = transformers.XLMRobertaConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=20, num_attention_heads=2, num_hidden_layers=2,
        intermediate_size=44, max_position_embeddings=38, type_vocab_size=1,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.XLMRobertaModel(config, add_pooling_layer=False)
    config = {**config.to_diff_dict(), "architectures": ["XLMRobertaModel"]}
    label = {"name": "оценка", "classes": ["1", "2", "3", "4", "5"]}
    concepts = named("food", "الخدمة", "소음")
    make("xlm-roberta", 12, model, tokens, config, concepts, label, classes=THREE, form="blocks", max_length=32)


OPT_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def opt():
    """Eight concepts and two labels, as IMDB-C has."""
    tokens = byte_level(28, OPT_SPECIAL, "</s> $A")
    config = transformers.OPTConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=24, word_embed_proj_dim=24, num_attention_heads=4,
        num_hidden_layers=2, ffn_dim=40, max_position_embeddings=30,
    )  # fmt: skip
    model, config = configured(transformers.OPTModel, config)
    concepts = named(
        "acting", "storyline", "emotional arousal", "cinematography", "soundtrack", "directing", "background setting",
        "editing",
    )  # fmt: skip
    label = {"name": "sentiment", "classes": ["negative", "positive"]}
    make("opt", 5, model, tokens, config, concepts, label, classes=THREE, max_length=28)


def opt_narrow():
    """The form of the OPT with 350 M weights: norms after the blocks, embeddings narrower than the layers."""
    tokens = byte_level(22, OPT_SPECIAL, "</s> $A")
    config = transformers.OPTConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=32, word_embed_proj_dim=20, num_attention_heads=4,
        num_hidden_layers=2, ffn_dim=36, max_position_embeddings=22, do_layer_norm_before=False,
    )  # fmt: skip
    model, config = configured(transformers.OPTModel, config)
    label = {"name": "sentiment", "classes": ["negative", "positive"]}
    make(
        "opt-narrow", 6, model, tokens, config, named("acting", "plot", "music"), label, classes=["no", "yes"],
        form="list", max_length=22, pooling="padded-mean", intervention="replace",
    )  # fmt: skip


def gpt2():
    """No token of its own for padding: the end of text pads, and the mean goes over it."""
    tokens = byte_level(24, ["<|endoftext|>"])
    end = tokens.token_to_id("<|endoftext|>")
    tokens.enable_padding(pad_id=end, pad_token="<|endoftext|>")
    config = transformers.GPT2Config(
        vocab_size=tokens.get_vocab_size(), n_embd=24, n_head=2, n_layer=2, n_positions=32, bos_token_id=end,
        eos_token_id=end,
    )  # fmt: skip
    model, config = configured(transformers.GPT2Model, config)
    label = {"name": "verdict", "classes": ["awful", "poor", "fine", "great"]}
    make(
        "gpt2", 7, model, tokens, config, named("acting", "plot", "music"), label, classes=["absent", "present"],
        form="list", max_length=24, pooling="padded-mean",
    )  # fmt: skip


def gpt2_rows():
    """Masks of whole rows, of layers stored [in, out]."""
    tokens = byte_level(24, ["<|endoftext|>"])
    end = tokens.token_to_id("<|endoftext|>")
    config = transformers.GPT2Config(
        vocab_size=tokens.get_vocab_size(), n_embd=20, n_head=2, n_layer=2, n_positions=24, n_inner=36,
        bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    model, config = configured(transformers.GPT2Model, config)
    make(
        "gpt2-rows", 8, model, tokens, config, named("acting", "plot"), STARS, classes=THREE, form="rows", kept=0.6,
        max_length=24, dtype=torch.float32,
    )  # fmt: skip


def modernbert():
    """Texts are longer than the window of local attention."""
    tokens = byte_level(40, ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"], "[CLS] $A [SEP]")
    ids = {f"{name}_token_id": tokens.token_to_id(f"[{name.upper()}]") for name in ("pad", "cls", "sep")}
    config = transformers.ModernBertConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=24, num_attention_heads=3, num_hidden_layers=4,
        intermediate_size=20, max_position_embeddings=64, local_attention=8, bos_token_id=ids["cls_token_id"],
        eos_token_id=ids["sep_token_id"], **ids,
    )  # fmt: skip
    model, config = configured(transformers.ModernBertModel, config)
    label = {"name": "verdict", "classes": ["bad", "fine", "good"]}
    concepts = named("acting", "plot", "music", "pictures", "length")
    make("modernbert", 9, model, tokens, config, concepts, label, classes=["absent", "present"], max_length=40)


class BiLstm(torch.nn.Module):
    """The tensors of the BiLSTM, under the names that the checkpoint has for them."""

    def __init__(self, vocabulary, width, hidden):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, width)
        self.lstm = torch.nn.LSTM(width, hidden, bidirectional=True, batch_first=True)
        self.classifier = torch.nn.Sequential(torch.nn.Linear(2 * hidden, hidden), torch.nn.ReLU())


def bilstm(name, seed, **schema):
    tokens = tokenizer(ENGLISH, LETTERS, 20, lowercase=True)
    config = {"model_type": "bilstm", "vocab_size": tokens.get_vocab_size(), "embedding_size": 14, "hidden_size": 12}
    torch.manual_seed(0)
    model = BiLstm(config["vocab_size"], config["embedding_size"], config["hidden_size"])
    make(name, seed, model, tokens, config, named("food", "noise"), STARS, classes=THREE, max_length=20, **schema)


if __name__ == "__main__":
    distilbert()
    roberta()
    xlm_roberta()
    opt()
    opt_narrow()
    gpt2()
    gpt2_rows()
    modernbert()
    bilstm("bilstm", 10)
    bilstm("bilstm-executed", 11, semantics="as-executed", pooling="padded-mean", intervention="replace")
