"""The backbones, which turn each token of a text into a hidden state, under a mask.

| file | backbone |
| --- | --- |
| `minilm.py` | all-MiniLM-L6-v2, by hand, for speed |
| `hugging_face.py` | BERT, RoBERTa, XLM-RoBERTa, DistilBERT, OPT, GPT-2 and ModernBERT, run by transformers |
| `bilstm.py` | the BiLSTM of docs/reference/checkpoint.md |

`parts.py` tells where the heads and neurons of some lie.

Each has a class for where a backbone comes from,

- `layers`, `teacher_layers`: how many of its layers are used where no option says, None: all;
- `tokenizer()`;
- `load(layers, pieces, positions)`: the backbone and its weights, with the embeddings of the vocabulary entries
  `pieces` (None: all of them), for texts of up to `positions` tokens;

and one for the backbone itself, made from the content of its config.json,

- `config`: that content; `width`: d, the size of the hidden states it gives;
- `linear_layers`: the names of the layers that carry masks; `in_out`: those whose weight the checkpoint stores
  [in, out];
- `word_table`: the key of the word embeddings; `is_trained(key)`;
- `parts`: its heads and neurons (`parts.py`), which may go as a whole (`structure.py`), or None;
- `embed(weights, texts, dtype, dropout)`: what all concepts share;
- `encode(weights, shared, weight, dropout)`: from that the last hidden states [B, S, d], or [K·B, S, d] where
  `weight(name)`, the one place where masks come in, is [K, out, in] instead of [out, in];
- `narrows`: whether `encode` takes a fifth argument, which heads and neurons of each layer are left (`narrow.py`): the
  matrices that `weight(name)` gives are then without the others;
- `repeat(shared, count)`: what all concepts share, for K at once; `batched`: whether it can do that.

Weights are a dictionary under the names that the checkpoint has for them; matrices of linear layers are [out, in] here,
whatever it stores.
"""

import json
import pathlib

from . import bilstm, minilm


def source(name):
    """Where the backbone of that name comes from: None stands for all-MiniLM-L6-v2, `bilstm` for one without trained
    weights; else it is a Hugging Face folder, or a name that Hugging Face has for one."""
    if name is None:
        return minilm.Source()
    config = pathlib.Path(name) / "config.json"
    if config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("model_type") == "bilstm":
        return bilstm.Source(pathlib.Path(name))
    if name == "bilstm":
        return bilstm.Untrained()
    from . import hugging_face  # needs transformers, which the others do not

    return hugging_face.Source(name)
