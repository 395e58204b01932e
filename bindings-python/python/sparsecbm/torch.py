"""From PyTorch: writes the checkpoint (docs/reference/checkpoint.md) of a model that was trained with other code."""

import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

from ._error import SparseCbmError
from ._sparsecbm import inspect

VERSION = "1.1"

Masks = Mapping[str, torch.Tensor | Sequence[torch.Tensor]]


def save_checkpoint(
    backbone: torch.nn.Module | Mapping[str, torch.Tensor],
    folder: str | os.PathLike[str],
    schema: Mapping[str, Any],
    *,
    masks: Masks,
    heads: Mapping[str, torch.Tensor],
    tokenizer: Any,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Writes a checkpoint's folder, which `sparsecbm.export` reads.

    `backbone` is the bare encoder, or its tensors by name: Hugging Face's names, without a prefix. `masks` gives for
    each linear layer X of it, by its name (`encoder.layer.0.attention.self.query`), a tensor [K, out, in] of 0 and 1
    (of GPT-2 [K, in, out], as its weights), or a list of K. `heads` are the tensors of the format, by their names:
    `concept_head.weight` [K, C, d], `concept_head.bias` [K, C], `label_head.weight` [L, K·C], `label_head.bias` [L],
    and those of `suppose_head`, `correct_head` or `effect_head`. `schema` is the content of `sparsecbm.json`; its
    `version` may be left out. `tokenizer` is a `tokenizer.json`, a tokenizer of `tokenizers`, or one of `transformers`
    that has one. `config` is Hugging Face's configuration, by default the backbone's own.

    What is written is checked by what reads it: `SparseCbmError` names the file, tensor or field that is wrong, and
    then nothing is written.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SparseCbmError("io", str(folder), "something that exists", "a folder that does not, or an empty one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        tensors, found = tensors_of(backbone), config_of(backbone, config)
        # GPT-2 stores its weights [in, out]; packed masks are [out, in] whatever the weight is.
        turned = found.get("model_type") == "gpt2"
        packed = {f"{name}.mask_bits": pack(name, mask, tensors, turned) for name, mask in masks.items()}
        overlapping = sorted(heads.keys() & tensors.keys())
        if overlapping:
            raise SparseCbmError("input", overlapping[0], "a tensor of backbone and heads", "one of either")
        every = {name: tensor.detach().cpu().contiguous() for name, tensor in {**tensors, **heads}.items()}
        save_file({**every, **packed}, part / "model.safetensors")
        (part / "model.safetensors").chmod(0o644)
        write_json(part / "config.json", found)
        write_json(part / "sparsecbm.json", {"version": VERSION, **schema})
        write_tokenizer(tokenizer, part / "tokenizer.json")
        check(part)
        part.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check(part: pathlib.Path) -> None:
    """That the exporter can read it; errors tell places in the folder, not the folder, which will not be there."""
    try:
        inspect(part)
    except SparseCbmError as error:
        place = error.place.replace(f"{part}{os.sep}", "").replace(f"{part}: ", "")
        raise SparseCbmError(error.kind, place, error.found, error.expected) from None


def tensors_of(backbone: torch.nn.Module | Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The backbone's tensors; what is no part of the path to the output is left out."""
    tensors = dict(backbone.state_dict()) if isinstance(backbone, torch.nn.Module) else dict(backbone)
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith("pooler.") and tensor.is_floating_point()
    }


def pack(
    name: str, mask: torch.Tensor | Sequence[torch.Tensor], tensors: Mapping[str, torch.Tensor], turned: bool
) -> torch.Tensor:
    """[K, out, ⌈in / 8⌉] bytes, of which the least significant bit comes first."""
    weight = tensors.get(f"{name}.weight")
    if weight is None:
        raise SparseCbmError("input", f"masks: {name}", "no such layer", f"a layer of the backbone with {name}.weight")
    whole = mask if isinstance(mask, torch.Tensor) else torch.stack(list(mask))
    whole = whole.detach().cpu()
    if whole.dim() != 3 or whole.shape[1:] != weight.shape:
        expected = f"[K, {', '.join(map(str, weight.shape))}], as its weight"
        raise SparseCbmError("input", f"masks: {name}", f"shape {list(whole.shape)}", expected)
    odd = whole[(whole != 0) & (whole != 1)]
    if odd.numel():
        raise SparseCbmError("input", f"masks: {name}", f"the value {odd[0].item()}", "0 or 1")
    bits = (whole.transpose(1, 2) if turned else whole).bool().numpy()
    packed = np.packbits(bits, axis=-1, bitorder="little")
    return torch.from_numpy(packed)  # pyright: ignore[reportUnknownMemberType]


def config_of(backbone: object, config: Mapping[str, Any] | None) -> dict[str, Any]:
    own = getattr(backbone, "config", None)
    if config is None and own is None:
        expected = "the backbone's Hugging Face configuration, or a backbone that has one"
        raise SparseCbmError("input", "config", "none", expected)
    return dict(config) if config is not None else dict(own.to_dict())  # type: ignore[union-attr]


def write_tokenizer(tokenizer: Any, path: pathlib.Path) -> None:
    inner = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if isinstance(inner, (str, os.PathLike)):
        shutil.copyfile(cast("str | os.PathLike[str]", inner), path)
    elif hasattr(inner, "save") and hasattr(inner, "to_str"):
        inner.save(str(path))
    else:
        found = type(tokenizer).__name__
        expected = "the path of a tokenizer.json, or a tokenizer of the library tokenizers"
        raise SparseCbmError("input", "tokenizer", found, expected)


def write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
