"""Files as the reference code saves them, made by classes of our own.

These classes are written from the names of modules and tensors in such files and compute what the checkpoint format
says of them; `torch.save` pickles them under the names that the reference code's classes have.
"""

import sys
import types

import torch
import transformers


def named_as(module, name):
    """Makes a class look as if it were defined in another module, so that pickles name it there."""

    def rename(cls):
        cls.__module__, cls.__qualname__, cls.__name__ = module, name, name
        holder = sys.modules.setdefault(module, types.ModuleType(module))
        setattr(holder, name, cls)
        return cls

    return rename


class Masked(torch.nn.Module):
    """A linear layer `fc` under one of several masks."""

    def __init__(self, fc, concepts):
        super().__init__()
        self.fc = fc
        self.sparse_idx = 0

    def forward(self, x):
        return torch.nn.functional.linear(x, self.fc.weight * self.mask(self.sparse_idx), self.fc.bias)


@named_as("sparse_model", "SubnetLinear_Mask")
class Listed(Masked):
    def __init__(self, fc, concepts, kept):
        super().__init__(fc, concepts)
        masks = [(torch.rand(fc.weight.shape) < kept).float() for _ in range(concepts)]
        self.mask_list = torch.nn.ParameterList([torch.nn.Parameter(mask, requires_grad=False) for mask in masks])

    def mask(self, k):
        return self.mask_list[k]


class Scored(Masked):
    def __init__(self, fc, concepts, kept):
        super().__init__(fc, concepts)
        self.k = kept
        scores = [torch.randn(fc.weight.shape) for _ in range(concepts)]
        self.popup_scores = torch.nn.ParameterList([torch.nn.Parameter(own) for own in scores])


@named_as("sparse_model", "SubnetLinear")
class ScoredWeights(Scored):
    def mask(self, k):
        scores = self.popup_scores[k].abs().flatten()
        lost = int((1 - self.k) * len(scores))
        mask = torch.ones_like(scores)
        mask[scores.argsort()[:lost]] = 0
        return mask.view_as(self.popup_scores[k])


@named_as("sparse_model", "SubnetLinear_Structure")
class ScoredRows(Scored):
    def mask(self, k):
        norms = self.popup_scores[k].norm(dim=1)
        mask = torch.ones_like(norms)
        mask[norms.argsort()[: int((1 - self.k) * len(norms))]] = 0
        return mask[:, None].expand_as(self.popup_scores[k])


@named_as("cbm_template_models", "FC")
class ConceptHead(torch.nn.Module):
    def __init__(self, width, classes, expand):
        super().__init__()
        self.expand_dim = expand
        if expand:
            self.relu = torch.nn.ReLU()
            self.fc_new = torch.nn.Linear(width, expand)
        self.fc = torch.nn.Linear(expand or width, classes)

    def forward(self, z):
        return self.fc(self.relu(self.fc_new(z)) if self.expand_dim else z)


@named_as("cbm_template_models", "ModelXtoC")
class ConceptHeads(torch.nn.Module):
    def __init__(self, width, concepts, classes, expand):
        super().__init__()
        self.all_fc = torch.nn.ModuleList([ConceptHead(width, classes, expand) for _ in range(concepts)])


@named_as("cbm_template_models", "MLP")
class LabelHead(torch.nn.Module):
    def __init__(self, inputs, labels):
        super().__init__()
        self.expand_dim = 0
        self.linear = torch.nn.Linear(inputs, labels)

    def forward(self, x):
        return self.linear(x)


@named_as("cbm_template_models", "End2EndModel")
class Joint(torch.nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.first_model, self.sec_model = first, second


def insert_masks(module, layer_class, concepts, kept):
    """Puts a masked layer in the place of every linear one."""
    for name, child in list(module.named_children()):
        if isinstance(child, torch.nn.Linear):
            setattr(module, name, layer_class(child, concepts, kept))
        else:
            insert_masks(child, layer_class, concepts, kept)
    return module


def bert():
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=24,
        max_position_embeddings=32, initializer_range=0.4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )  # fmt: skip
    return transformers.BertModel(config), config


def opt():
    config = transformers.OPTConfig(
        vocab_size=60, hidden_size=16, word_embed_proj_dim=12, num_attention_heads=2, num_hidden_layers=2, ffn_dim=24,
        max_position_embeddings=32, init_std=0.4, do_layer_norm_before=False, dropout=0.0, attn_implementation="eager",
    )  # fmt: skip
    return transformers.OPTModel(config), config


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=60, n_embd=16, n_head=2, n_layer=2, n_positions=32, bos_token_id=1, eos_token_id=1,
        initializer_range=0.4, attn_implementation="eager",
    )  # fmt: skip
    return transformers.GPT2Model(config), config


def model(backbone, layer_class, concepts, kept, seed):
    torch.manual_seed(seed)
    made, config = backbone()
    return insert_masks(made, layer_class, concepts, kept).eval(), config


def heads(width, concepts, classes, labels, expand=0):
    return Joint(ConceptHeads(width, concepts, classes, expand), LabelHead(concepts * classes, labels)).eval()


def set_mask(model, k):
    for module in model.modules():
        if isinstance(module, Masked):
            module.sparse_idx = k
