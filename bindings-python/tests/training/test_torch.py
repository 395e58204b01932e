"""Checkpoints of models that were trained with other code."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest
import sparsecbm
import torch
from safetensors.torch import load_file
from sparsecbm import Model, SparseCbmError
from sparsecbm.torch import save_checkpoint

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
HEADS = ("concept_", "label_", "effect_", "suppose_", "correct_")


def parts(name: str) -> dict[str, Any]:
    """A checkpoint of the tests taken apart, as if someone had trained it."""
    folder = REPOSITORY / "tests/models" / name
    tensors = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    masks = {}
    turned = config["model_type"] == "gpt2"
    for layer in sorted({key.split(".mask_")[0] for key in tensors if ".mask_" in key}):
        listed = [key for key in tensors if key.startswith(f"{layer}.mask_list.")]
        if listed:
            masks[layer] = torch.stack([tensors[f"{layer}.mask_list.{k}"].float() for k in range(len(listed))])
            continue
        packed, (outputs, inputs) = (
            tensors[f"{layer}.mask_bits"],
            tensors[f"{layer}.weight"].shape[:: -1 if turned else 1],
        )
        bits = torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1, count=inputs, bitorder="little"))
        mask = bits.repeat_interleave(outputs // bits.shape[1], dim=1)
        masks[layer] = mask.transpose(1, 2) if turned else mask
    schema = json.loads((folder / "sparsecbm.json").read_text(encoding="utf-8"))
    return {
        "backbone": {k: v for k, v in tensors.items() if not k.startswith(HEADS) and ".mask_" not in k},
        "schema": schema,
        "masks": masks,
        "heads": {k: v for k, v in tensors.items() if k.startswith(HEADS)},
        "tokenizer": folder / "tokenizer.json",
        "config": config,
    }


@pytest.mark.parametrize("name", ["tiny", "distilbert", "gpt2", "opt", "ragged"])
def test_what_is_saved_predicts_as_before(name: str, tmp_path: pathlib.Path) -> None:
    save_checkpoint(folder=tmp_path / "saved", **parts(name))
    text = "bad plot, unwatched acting!"
    logits = []
    for checkpoint in (REPOSITORY / "tests/models" / name, tmp_path / "saved"):
        sparsecbm.export(checkpoint, tmp_path / "model.onnx", weights="f32")
        logits.append(Model.load(tmp_path / "model.onnx").predict(text).label_logits)
    # Masks may be packed in another form, whose sums are made in another order.
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5, atol=1e-6)


def test_a_module_and_a_tokenizer_of_transformers(tmp_path: pathlib.Path) -> None:
    transformers = pytest.importorskip("transformers")
    given = parts("tiny")
    config = transformers.BertConfig(**given.pop("config"))
    module = transformers.BertModel(config, add_pooling_layer=True)
    module.load_state_dict(given["backbone"], strict=False)
    given["backbone"] = module
    given["tokenizer"] = transformers.PreTrainedTokenizerFast(tokenizer_file=str(given["tokenizer"]))
    given["masks"] = {name: list(mask) for name, mask in given["masks"].items()}
    save_checkpoint(folder=tmp_path / "saved", **given)
    sparsecbm.export(tmp_path / "saved", tmp_path / "model.onnx")


def first(masks: dict[str, torch.Tensor]) -> str:
    return next(iter(masks))


@pytest.mark.parametrize(
    ("part", "change", "place"),
    [
        ("masks", lambda m: m.pop(first(m)), "encoder.layer.0"),
        ("masks", lambda m: m.update({"no.layer": m[first(m)]}), "masks: no.layer"),
        ("masks", lambda m: m.update({first(m): m[first(m)][:, :-1]}), "masks: encoder.layer.0"),
        ("masks", lambda m: m.update({first(m): m[first(m)] * 0.5}), "masks: encoder.layer.0"),
        ("masks", lambda m: m.update({first(m): m[first(m)][:1]}), "encoder.layer.0"),
        ("heads", lambda h: h.pop("label_head.bias"), "label_head.bias"),
        (
            "heads",
            lambda h: h.update({"concept_head.weight": h["concept_head.weight"][:, :, :-1]}),
            "concept_head.weight",
        ),
        (
            "heads",
            lambda h: h.update({"embeddings.word_embeddings.weight": torch.zeros(1)}),
            "embeddings.word_embeddings",
        ),
        ("backbone", lambda b: b.pop("encoder.layer.0.output.dense.bias"), "encoder.layer.0.output.dense.bias"),
        ("schema", lambda s: s.pop("pooling"), "sparsecbm.json"),
        ("schema", lambda s: s["label"]["classes"].pop(), "label"),
        ("config", lambda c: c.update(model_type="t5"), "config.json"),
    ],
)
def test_errors_name_the_place(part: str, change: Any, place: str, tmp_path: pathlib.Path) -> None:
    given = parts("tiny")
    change(given[part])
    with pytest.raises(SparseCbmError) as refused:
        save_checkpoint(folder=tmp_path / "saved", **given)
    assert place in str(refused.value) and str(tmp_path) not in str(refused.value)
    assert not any(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(SparseCbmError, match="exists"):
        save_checkpoint(folder=tmp_path, **parts("tiny"))
    with pytest.raises(SparseCbmError, match="tokenizer"):
        save_checkpoint(folder=tmp_path / "saved", **(parts("tiny") | {"tokenizer": 7}))
    with pytest.raises(SparseCbmError, match="config"):
        save_checkpoint(folder=tmp_path / "saved", **(parts("tiny") | {"config": None}))
