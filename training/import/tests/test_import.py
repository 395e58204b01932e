"""Files with the reference code's keys: imported, exported, and compared with what their modules compute.

    python -m pytest training/import/tests      # with the package `sparsecbm` installed
"""

import argparse
import io
import json
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile

import numpy
import onnxruntime
import pytest
import sparsecbm
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent)]
import reference_files as files
from sparsecbm_import import convert, modules, unpickle
from sparsecbm_import.errors import Refused

K, C, L, LENGTH = 3, 2, 4, 20


def options(folder, **different):
    given = {
        "model": folder / "model.pth", "heads": [folder / "heads.pth"], "output": folder / "checkpoint",
        "config": folder / "config.json", "tokenizer": folder / "tokenizer.json", "schema": folder / "schema.json",
        "semantics": "as-intended", "kept": None, "structured": None, "padded": False, "max_length": LENGTH,
        "uncalibrated": True,
    }  # fmt: skip
    return argparse.Namespace(**{**given, **different})


def write_inputs(folder, config):
    (folder / "config.json").write_text(json.dumps(config.to_diff_dict()))
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{f"w{i}": i for i in range(2, 60)}}
    tokens = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.save(str(folder / "tokenizer.json"))
    schema = {
        "concepts": [{"name": f"c{k}", "classes": ["no", "yes"]} for k in range(K)],
        "label": {"name": "stars", "classes": ["1", "2", "3", "4"]},
        "data_fields": {"text": "text", "concepts": {f"c{k}": f"c{k}" for k in range(K)}, "label": "stars"},
    }
    (folder / "schema.json").write_text(json.dumps(schema))


@torch.no_grad()
def computed(model, joint, ids, attention, intended, padded):
    """Concept and label logits of the modules themselves, in one of the two readings."""
    logits = []
    for k in range(K):
        files.set_mask(model, k if intended else 0)
        hidden = model(input_ids=ids, attention_mask=attention).last_hidden_state
        weight = torch.ones_like(attention) if padded else attention
        z = (hidden * weight[:, :, None]).sum(1) / weight.sum(1, keepdim=True)
        logits.append(joint.first_model.all_fc[k](z))
    c = torch.stack(logits, 1)
    return c.numpy(), joint.sec_model(c.flatten(1)).numpy()


def exported(folder):
    """The checkpoint through the exporter, which checks it, in ONNX Runtime."""
    path = folder / "model.onnx"
    sparsecbm.export(folder / "checkpoint", path, weights="f32")
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def compare(folder, model, joint, intended, padded):
    session = exported(folder)
    random = torch.Generator().manual_seed(1)
    lengths = [LENGTH, 11, 3]
    attention = torch.tensor([[int(s < n) for s in range(LENGTH)] for n in lengths])
    ids = torch.randint(2, 60, attention.shape, generator=random) * attention
    expected = computed(model, joint, ids, attention, intended, padded)
    none = {"concept_override": numpy.zeros((3, K, C), "f4"), "concept_override_mask": numpy.zeros((3, K), "f4")}
    inputs = {"input_ids": ids.numpy(), "attention_mask": attention.numpy(), **none}
    found = session.run(["concept_logits", "label_logits"], inputs)
    for name, a, b in zip(("concept_logits", "label_logits"), found, expected):
        numpy.testing.assert_allclose(a, b, atol=1e-4, err_msg=name)
    return expected


@pytest.mark.parametrize("backbone", [files.bert, files.opt, files.gpt2])
@pytest.mark.parametrize("semantics", ["as-intended", "as-executed"])
def test_both_readings_of_listed_masks(tmp_path, backbone, semantics):
    model, config = files.model(backbone, files.Listed, K, 0.4, 1)
    joint = files.heads(12 if backbone is files.opt else 16, K, C, L)
    torch.save(model, tmp_path / "model.pth")
    torch.save(joint, tmp_path / "heads.pth")
    write_inputs(tmp_path, config)
    convert.checkpoint(options(tmp_path, semantics=semantics))
    executed = semantics == "as-executed"
    compare(tmp_path, model, joint, intended=not executed, padded=executed)


@pytest.mark.parametrize("layer", [files.ScoredWeights, files.ScoredRows])
@pytest.mark.parametrize("whole", [True, False])
def test_scores(tmp_path, layer, whole):
    """A whole module holds how many scores are kept and of what; for a state dict both are said."""
    model, config = files.model(files.bert, layer, K, 0.37, 2)
    joint = files.heads(16, K, C, L)
    torch.save(model if whole else model.state_dict(), tmp_path / "model.pth")
    torch.save(joint if whole else joint.state_dict(), tmp_path / "heads.pth")
    write_inputs(tmp_path, config)
    said = {} if whole else {"kept": 0.37, "structured": layer is files.ScoredRows}
    convert.checkpoint(options(tmp_path, **said))
    compare(tmp_path, model, joint, intended=True, padded=False)
    if not whole:
        with pytest.raises(Refused, match="--kept"):
            convert.checkpoint(options(tmp_path, structured=True))
        with pytest.raises(Refused, match="--rows or --weights"):
            convert.checkpoint(options(tmp_path, kept=0.37))


def test_scores_of_rows_as_executed(tmp_path):
    """Layers that keep rows do not switch masks; layers that keep weights do, and no checkpoint can say so."""
    model, config = files.model(files.bert, files.ScoredRows, K, 0.5, 3)
    joint = files.heads(16, K, C, L)
    torch.save(model, tmp_path / "model.pth")
    torch.save(joint, tmp_path / "heads.pth")
    write_inputs(tmp_path, config)
    convert.checkpoint(options(tmp_path, semantics="as-executed"))
    compare(tmp_path, model, joint, intended=False, padded=True)
    model, _ = files.model(files.bert, files.ScoredWeights, K, 0.5, 3)
    torch.save(model, tmp_path / "model.pth")
    with pytest.raises(Refused, match="label from mask 0 alone"):
        convert.checkpoint(options(tmp_path, semantics="as-executed"))


def test_heads_of_independent_models(tmp_path):
    model, config = files.model(files.bert, files.Listed, K, 0.4, 4)
    joint = files.heads(16, K, C, L)
    torch.save(model, tmp_path / "model.pth")
    torch.save(joint.first_model, tmp_path / "concepts.pth")
    torch.save(joint.sec_model, tmp_path / "label.pth")
    write_inputs(tmp_path, config)
    convert.checkpoint(options(tmp_path, heads=[tmp_path / "concepts.pth", tmp_path / "label.pth"]))
    compare(tmp_path, model, joint, intended=True, padded=False)


def test_concept_heads_of_two_layers(tmp_path):
    model, config = files.model(files.bert, files.Listed, K, 0.4, 6)
    joint = files.heads(16, K, C, L, expand=9)
    torch.save(model, tmp_path / "model.pth")
    torch.save(joint, tmp_path / "heads.pth")
    write_inputs(tmp_path, config)
    convert.checkpoint(options(tmp_path))
    compare(tmp_path, model, joint, intended=True, padded=False)
    joint.sec_model.linear2 = torch.nn.Linear(L, L)
    torch.save(joint, tmp_path / "heads.pth")
    with pytest.raises(Refused, match="a label head of two layers"):
        convert.checkpoint(options(tmp_path))


def test_what_does_not_fit_is_named(tmp_path):
    model, config = files.model(files.bert, files.Listed, 2, 0.4, 5)
    joint = files.heads(16, K, C, L)
    torch.save(model, tmp_path / "model.pth")
    torch.save(joint, tmp_path / "heads.pth")
    write_inputs(tmp_path, config)
    with pytest.raises(Refused, match="2 masks; expected one for each of 3 concepts"):
        convert.checkpoint(options(tmp_path))
    with pytest.raises(Refused, match="--uncalibrated"):
        convert.checkpoint(options(tmp_path, uncalibrated=False))
    torch.save(files.heads(16, K, C + 1, L), tmp_path / "heads.pth")
    with pytest.raises(Refused, match="concepts"):
        convert.checkpoint(options(tmp_path))
    torch.save(files.heads(16, K, C, L), tmp_path / "heads.pth")
    model, config = files.model(files.bert, files.Listed, K, 0.4, 5)
    torch.save(model, tmp_path / "model.pth")
    changed = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**changed, "vocab_size": 7}))
    # What only the exporter's reader knows; the place is the folder that was asked for.
    with pytest.raises(Refused, match="/checkpoint/tokenizer.json: token id 59"):
        convert.checkpoint(options(tmp_path))
    assert not list(tmp_path.glob("*checkpoint*"))


def test_what_is_there_stays(tmp_path):
    model, config = files.model(files.bert, files.Listed, K, 0.4, 5)
    torch.save(model, tmp_path / "model.pth")
    torch.save(files.heads(16, K, C, L), tmp_path / "heads.pth")
    write_inputs(tmp_path, config)
    (tmp_path / "checkpoint").mkdir()
    convert.checkpoint(options(tmp_path))
    with pytest.raises(Refused, match="something that exists"):
        convert.checkpoint(options(tmp_path))
    assert len(list((tmp_path / "checkpoint").iterdir())) == 4


class Hostile:
    """What it reduces to is called when it is unpickled."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    # Pickles of this protocol call modules by the names that Python 2 had for them.
    "call, name",
    [
        (lambda marker: (os.system, (f"touch {marker}",)), "posix.system"),
        (lambda marker: (subprocess.check_output, (["touch", str(marker)],)), "commands.check_output"),
        (lambda marker: (eval, (f"open({str(marker)!r}, 'w')",)), "__builtin__.eval"),
        (lambda marker: (pickle.loads, (pickle.dumps(Hostile((os.system, (f"touch {marker}",)))),)), "pickle.loads"),
    ],
)
def test_hostile_pickles_are_refused(tmp_path, call, name):
    marker = tmp_path / "executed"
    path = tmp_path / "model.pth"
    torch.save({"weight": torch.ones(2), "more": Hostile(call(marker))}, path)
    with pytest.raises(Refused, match=f"would call {name}"):
        modules.read(path)
    assert not marker.exists()
    # The same file does what it says where it is simply loaded, so the test can fail.
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_the_command_refuses(tmp_path):
    write_inputs(tmp_path, files.bert()[1])
    marker = tmp_path / "executed"
    torch.save(Hostile((os.system, (f"touch {marker}",))), tmp_path / "model.pth")
    torch.save(files.heads(16, K, C, L), tmp_path / "heads.pth")
    given = ["--config", "config.json", "--tokenizer", "tokenizer.json", "--schema", "schema.json", "-o", "checkpoint"]
    command = [sys.executable, "-m", "sparsecbm_import", "model.pth", "heads.pth", *given]
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent.parent)}
    run = lambda *more: subprocess.run([*command, *more], cwd=tmp_path, env=environment, capture_output=True, text=True)
    refused = run("--semantics", "as-executed")
    assert refused.returncode == 2 and "REFUSED: reading it would call posix.system" in refused.stderr
    assert "--semantics" in run().stderr
    assert not marker.exists() and not (tmp_path / "checkpoint").exists()


def test_broken_files_are_refused(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(Refused, match="no zip archive"):
        modules.read(path)

    def archive(data, **entries):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", data)
            for name, content in entries.items():
                file.writestr(f"archive/data/{name}", content)

    archive(b"\x80\x02}q\x00")
    with pytest.raises(Refused, match="EOFError"):
        modules.read(path)

    class Reference:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", 4) if isinstance(value, Reference) else None

    buffer = io.BytesIO()
    beyond = Hostile((torch._utils._rebuild_tensor_v2, (Reference(), 0, (1 << 20,), (1,), False, {})))
    Pickler(buffer).dump({"weight": beyond})
    archive(buffer.getvalue(), **{"0": b"\0" * 16})
    with pytest.raises(Refused, match="beyond its storage"):
        modules.read(path)


def test_tensors_are_read_as_pytorch_reads_them(tmp_path):
    random = torch.Generator().manual_seed(0)
    base = torch.randn(6, 8, generator=random)
    state = {
        "plain": base, "turned": base.T, "part": base[1:4, ::2], "half": base.half(), "brain": base.bfloat16(),
        "whole": torch.arange(5), "flags": base > 0, "one": torch.tensor(3.5), "none": torch.zeros(0, 4),
    }  # fmt: skip
    torch.save(state, tmp_path / "state.pth")
    found = unpickle.load(tmp_path / "state.pth")
    for name, value in state.items():
        numpy.testing.assert_array_equal(found[name], value.float().numpy() if name == "brain" else value.numpy(), name)
