"""Backbones that transformers knows and the exporter can read, run by transformers' own modules.

No architecture has code here. A module is called with the weights that it is given for that call, those of its linear
layers under a mask; its own are thrown away.
"""

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.pytorch_utils import Conv1D
from transformers.utils import cached_file, logging

from .dropout import keep
from .parts import BERT, DISTILBERT, GPT2, OPT, Parts

logging.set_verbosity_error()  # it would list the weights of heads that are not needed

KNOWN = ("bert", "distilbert", "gpt2", "modernbert", "opt", "roberta", "xlm-roberta")
# Of those that the sparse kernels run.
PART_NAMES = {"bert": BERT, "distilbert": DISTILBERT, "gpt2": GPT2, "opt": OPT, "roberta": BERT, "xlm-roberta": BERT}


class Source:
    """A local folder, or a name at Hugging Face, whose files transformers fetches."""

    layers = None
    teacher_layers = None

    def __init__(self, name):
        self.name = name
        self.config = AutoConfig.from_pretrained(name)
        kind = self.config.model_type
        if kind not in KNOWN:
            raise ValueError(f"{name}: its model_type is {kind!r}, which is none of {', '.join(KNOWN)}")

    def tokenizer(self):
        file = cached_file(self.name, "tokenizer.json", _raise_exceptions_for_missing_entries=False)
        if file:
            return Tokenizer.from_file(file)
        return AutoTokenizer.from_pretrained(self.name).backend_tokenizer

    def load(self, layers, pieces, positions):
        config = AutoConfig.from_pretrained(self.name)
        if layers is not None:
            shorten(config, layers, self.name)
        if positions > (longest := positions_of(config)):
            raise ValueError(f"{self.name} reads {longest} tokens, a --max-length of {positions} is too long")
        module, found = AutoModel.from_pretrained(
            self.name, config=config, dtype=torch.float32, output_loading_info=True
        )
        if pieces is not None:
            table = module.get_input_embeddings()
            table.weight = torch.nn.Parameter(table.weight[pieces])
            config.vocab_size = len(pieces)
            renumber(config, pieces)
        content = config.to_diff_dict() | {"architectures": [type(module).__name__]}
        content.pop("_name_or_path", None)
        backbone = HuggingFace(content)
        if missing := found["missing_keys"].intersection(backbone.keys):
            raise ValueError(f"{self.name} holds no weights for {', '.join(sorted(missing))}")
        stored = {key: module.get_parameter(key).detach() for key in backbone.keys}
        return backbone, {key: backbone.turned(key, value).contiguous() for key, value in stored.items()}


def shorten(config, layers, name):
    """Leaves the first layers."""
    if not 1 <= layers <= config.num_hidden_layers:
        raise ValueError(f"{name} has {config.num_hidden_layers} layers, {layers} cannot be used")
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def renumber(config, pieces):
    """Its special tokens under the ids that they have in the cut vocabulary."""
    for name in ("pad", "bos", "eos", "cls", "sep"):
        before = getattr(config, f"{name}_token_id", None)
        if isinstance(before, int):
            setattr(config, f"{name}_token_id", pieces.index(before) if before in pieces else None)


def positions_of(config):
    """How many tokens it can read. The first rows of RoBERTa's position table are left free."""
    free = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta") else 0
    return config.max_position_embeddings - free


class HuggingFace:
    batched = narrows = False

    def __init__(self, config):
        self.config = config
        read = AutoConfig.for_model(**config)
        read.use_cache = False
        # OPT may have narrower embeddings than layers, and its hidden states are then as narrow.
        self.width = getattr(read, "word_embed_proj_dim", read.hidden_size)
        module = AutoModel.from_config(read, attn_implementation="eager").eval()
        if getattr(module, "pooler", None) is not None:
            module.pooler = None  # not on the path to the output
        linear = {name: layer for name, layer in module.named_modules() if isinstance(layer, (torch.nn.Linear, Conv1D))}
        self.linear_layers = list(linear)
        self.in_out = {name for name, layer in linear.items() if isinstance(layer, Conv1D)}
        self.parts = None
        if names := PART_NAMES.get(read.model_type):
            width = read.hidden_size
            neurons = linear[names.outer.format(0)].weight.numel() // width
            self.parts = Parts(names, read.num_hidden_layers, read.num_attention_heads, width, neurons)
        self.embeddings = {
            f"{name}.weight" for name, layer in module.named_modules() if isinstance(layer, torch.nn.Embedding)
        }
        table = module.get_input_embeddings().weight
        self.word_table = next(key for key, value in module.named_parameters() if value is table)
        self.keys = [key for key, _ in module.named_parameters()]
        # On the device without content, so that nothing can be computed with a weight that was not given.
        empty = {key: value.to("meta") for key, value in module.named_parameters()}
        module.load_state_dict(empty, strict=False, assign=True)
        self.module = module

    def is_trained(self, key):
        """No embeddings: see `MiniLm.is_trained`."""
        return key not in self.embeddings

    def turned(self, key, value):
        """A weight [out, in] as the module stores it, and the other way round; any other as it is."""
        return value.T if key.removesuffix(".weight") in self.in_out and key.endswith(".weight") else value

    def embed(self, weights, texts, dtype, dropout=keep):
        """Nothing is computed yet. All concepts share the weights that have no masks."""
        masked = {f"{name}.weight" for name in self.linear_layers}
        dense = {key: value.to(dtype) for key, value in weights.items() if key not in masked}
        buffers = {key: value.to(texts.ids.device) for key, value in self.module.named_buffers()}
        return dense | buffers, texts

    def encode(self, weights, shared, weight, dropout=keep):
        dense, texts = shared
        masked = {key: self.turned(key, weight(name)) for name in self.linear_layers if (key := f"{name}.weight")}
        inputs = {"input_ids": texts.ids, "attention_mask": texts.attention}
        with DropoutBy(dropout):
            return functional_call(self.module, dense | masked, kwargs=inputs).last_hidden_state


class DropoutBy(TorchFunctionMode):
    """Has `dropout` do what is dropped out of hidden states, whatever the module's own rates. Dropout of attention is
    off, as the module believes itself outside training, and says so by a rate of 0."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = dropout

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.dropout:
            return self.dropout(args[0]) if kwargs["p"] > 0 else args[0]
        return function(*args, **kwargs)
