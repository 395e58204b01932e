"""Measures predictions on an NVIDIA GPU: the exported file in both layouts beside PyTorch.

    python bench/gpu.py target/release/sparsecbm examples/models/cebab --json gpu.json

needs a GPU, ONNX Runtime's library for CUDA (docs/guide/engines.md), and in Python torch, transformers, safetensors,
tokenizers and numpy. Every side goes from token ids on the host to all four outputs on the host:

- branches, batched: `sparsecbm bench --engines`, which binds inputs and outputs (docs/guide/engines.md).
- torch: PyTorch, eager: Hugging Face's model run once a concept, its weights multiplied by the masks beforehand, which
  is faster than masking in each pass; the heads as docs/reference/checkpoint.md has them.
- torch batched: the same model under torch.func.vmap over the stacked weights, so that PyTorch too runs K products as
  one.

Each with products of 32-bit floats and with TensorFloat-32 (`+ tf32`). The sides take turns; what is printed is the
median over the turns of each turn's median, in ms. --random K measures a random model of BERT-base's size instead of a
checkpoint (export.py).
"""

import argparse
import copy
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel

import export

LAYOUTS = ("branches", "batched")
TEXT = "The food was great, but it was so loud that we could not hear each other. "
WARM_UP = 3


class Torch:
    """The K masked passes and the concept layer of an as-intended, masked-mean, one-layer-head model of BERT's kind."""

    def __init__(self, folder, device):
        schema = json.loads((folder / "sparsecbm.json").read_text(encoding="utf-8"))
        asked = (schema["semantics"], schema["pooling"], schema["intervention"])
        assert asked == ("as-intended", "masked-mean", "effect"), asked
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config.pop("model_type")
        assert kind == "bert", kind
        tensors = load_file(folder / "model.safetensors")
        self.device, self.temperature = device, schema["calibration"]["temperature"]
        self.heads = {name: tensors[name].float().to(device) for name in tensors if "_head." in name}
        self.concepts = len(schema["concepts"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.longest = schema["max_length"]
        config = AutoConfig.for_model(kind, **config)
        backbone = AutoModel.from_config(config, attn_implementation="sdpa", add_pooling_layer=False).eval()
        self.backbones = [self.masked(copy.deepcopy(backbone), tensors, k).to(device) for k in range(self.concepts)]
        # The fused attention has no rule for batches of weights.
        empty = AutoModel.from_config(config, attn_implementation="eager", add_pooling_layer=False).eval()
        self.skeleton = copy.deepcopy(empty).to("meta")
        self.stacked = torch.func.stack_module_state(self.backbones)

    @staticmethod
    def masked(backbone, tensors, k):
        state = {}
        for key in backbone.state_dict():
            if key.endswith("position_ids") or key.endswith("token_type_ids"):
                continue
            value, layer = tensors[key].float(), key.removesuffix(".weight")
            if f"{layer}.mask_bits" in tensors:
                bits = tensors[f"{layer}.mask_bits"][k]
                kept = ((bits[..., None] >> torch.arange(8, dtype=torch.uint8)) & 1).flatten(1)[:, : value.shape[1]]
                value = value * kept.repeat_interleave(value.shape[0] // bits.shape[0], 0)
            elif f"{layer}.mask_list.{k}" in tensors:
                value = value * tensors[f"{layer}.mask_list.{k}"].float()
            state[key] = value
        backbone.load_state_dict(state, strict=False)
        return backbone

    def token_ids(self, length):
        ids = self.tokenizer.encode(TEXT * length).ids
        return ids[: length - 1] + ids[-1:]

    def passes(self, ids, mask):
        return [backbone(input_ids=ids, attention_mask=mask).last_hidden_state for backbone in self.backbones]

    def batched(self, ids, mask):
        def run(parameters, buffers):
            # A mask of four dimensions is taken as it is.
            bias = torch.where(mask[:, None, None, :] > 0, 0.0, torch.finfo(torch.float32).min)
            both = (parameters, buffers)
            inputs = {"input_ids": ids, "attention_mask": bias}
            return torch.func.functional_call(self.skeleton, both, (), inputs).last_hidden_state

        return torch.func.vmap(run)(*self.stacked)

    @torch.inference_mode()
    def outputs(self, hidden_states, ids, mask):
        """The four outputs of docs/reference/format.md, on the host."""
        ids, mask = (torch.tensor(values).to(self.device) for values in (ids, mask))
        share = (mask / mask.sum(1, keepdim=True))[:, :, None]
        heads = self.heads
        evidence = [
            (share * (hidden @ heads["concept_head.weight"][k].T)).transpose(1, 2)
            for k, hidden in enumerate(hidden_states(ids, mask))
        ]
        evidence = torch.stack(evidence, 1)
        logits = evidence.sum(3) + heads["concept_head.bias"]
        label = (logits.flatten(1) @ heads["label_head.weight"].T + heads["label_head.bias"]) / self.temperature
        return [output.cpu() for output in (logits, logits.softmax(-1), label, evidence)]

    def measure(self, hidden_states, shape, rounds, tf32):
        """The median of calls with `shape` texts and tokens, in microseconds."""
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        texts, tokens = shape
        ids, mask, times = [self.token_ids(tokens)] * texts, [[1] * tokens] * texts, []
        for turn in range(WARM_UP + rounds):
            start = time.perf_counter()
            self.outputs(hidden_states, ids, mask)
            times.append((time.perf_counter() - start) * 1e6)
        return statistics.median(times[WARM_UP:])


class Ours:
    """The command on one exported file."""

    def __init__(self, command, engine, file):
        self.command, self.engine, self.file = command, engine, file

    def run(self, *arguments):
        answer = subprocess.run([self.command, *arguments, "--json"], capture_output=True, text=True)
        if answer.returncode != 0:
            raise RuntimeError(f"{arguments}: {answer.stderr.strip()}")
        return json.loads(answer.stdout)

    def measure(self, shapes, rounds, tf32):
        texts, tokens = (sorted({shape[i] for shape in shapes}) for i in (0, 1))
        lists = [",".join(map(str, numbers)) for numbers in (texts, tokens)]
        arguments = ["bench", str(self.file), "--engines", self.engine, "--batches", lists[0], "--tokens", lists[1]]
        report = self.run(*arguments, "--rounds", str(rounds), *(["--cuda-tf32"] if tf32 else []), "--callers")
        medians = {(batch["texts"], batch["tokens"]): batch["timings"][0]["median_us"] for batch in report["batches"]}
        return report["devices"][0], medians

    def first_answer(self):
        """Logits of the label and of each concept for one text, how long the whole command took, in seconds, and how
        much of the GPU's memory, in MiB."""
        before, most, done = gpu_memory(), [0], threading.Event()

        def watch():
            while not done.wait(0.05):
                most[0] = max(most[0], gpu_memory() - before)

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        try:
            answer = self.run("predict", str(self.file), TEXT, "--engine", self.engine)
        finally:
            seconds = time.perf_counter() - start
            done.set()
            watcher.join()
        logits = [answer["label"]["logits"], *(concept["logits"] for concept in answer["concepts"])]
        return logits, seconds, most[0]


def gpu_memory():
    """MiB in use, 0 where there is no GPU to ask."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        return int(subprocess.run(query, capture_output=True, text=True).stdout.split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", help="the sparsecbm command")
    parser.add_argument("checkpoint", nargs="?", type=pathlib.Path, help="the checkpoint's folder")
    parser.add_argument("--random", type=int, metavar="K", help="a random model of BERT-base's size with K concepts")
    parser.add_argument("--layers", type=int, default=export.CONFIG["num_hidden_layers"], help="of the random model")
    parser.add_argument("--engine", default="ort-cuda")
    parser.add_argument("--device", default="cuda", help="PyTorch's")
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--tokens", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=15, help="calls of each side in each turn")
    parser.add_argument("--json", type=pathlib.Path, help="write everything that was measured to this file")
    options = parser.parse_args()
    if (options.checkpoint is None) == (options.random is None):
        parser.error("either a checkpoint or --random K")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checkpoint = options.checkpoint
        if checkpoint is None:
            checkpoint = folder / "checkpoint"
            checkpoint.mkdir()
            export.checkpoint(checkpoint, options.random, options.layers, max(options.tokens))
        compare(options, checkpoint, folder)


def compare(options, checkpoint, folder):
    ours = {}
    for layout in LAYOUTS:
        file = folder / f"{layout}.onnx"
        arguments = ["export", str(checkpoint), "-o", str(file), "--layout", layout, "--weights", "f32", "--no-check"]
        subprocess.run([options.command, *arguments], check=True, capture_output=True)
        ours[layout] = Ours(options.command, options.engine, file)
    first = {layout: side.first_answer() for layout, side in ours.items()}
    theirs = Torch(checkpoint, options.device)
    passes = {"torch": theirs.passes, "torch batched": theirs.batched}

    shapes = [(texts, tokens) for texts in options.texts for tokens in options.tokens]
    differences = {}
    row = theirs.tokenizer.encode(TEXT).ids
    for way, run in passes.items():
        logits, _, label, _ = theirs.outputs(run, [row], [[1] * len(row)])
        for layout, (found, _, _) in first.items():
            pairs = zip(found, [label[0], *logits[0]])
            differences[f"{layout}, {way}"] = max(float((torch.tensor(a) - b).abs().max()) for a, b in pairs)
    assert max(differences.values()) < 1e-3, f"the sides differ: {differences}"

    devices, medians = {}, {}
    for _ in range(options.turns):
        for tf32 in (False, True):
            suffix = " + tf32" if tf32 else ""
            for name, side in ours.items():
                devices[name], times = side.measure(shapes, options.rounds, tf32)
                for shape in shapes:
                    medians.setdefault((name + suffix, shape), []).append(times[shape])
            for name, run in passes.items():
                for shape in shapes:
                    time_of_one = theirs.measure(run, shape, options.rounds, tf32)
                    medians.setdefault((name + suffix, shape), []).append(time_of_one)

    sides = list(dict.fromkeys(side for side, _ in medians))
    result = {
        "date": datetime.date.today().isoformat(),
        "gpu": torch.cuda.get_device_name() if options.device.startswith("cuda") else None,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "concepts": theirs.concepts,
        "model": f"random, {options.layers} layers" if options.checkpoint is None else str(options.checkpoint),
        "engines": devices,
        "seconds_to_the_first_answer": {layout: seconds for layout, (_, seconds, _) in first.items()},
        "gpu_mib_for_one_text": {layout: mib for layout, (_, _, mib) in first.items()},
        "largest_difference_of_logits": differences,
        "turns": options.turns,
        "rounds": options.rounds,
        "milliseconds": [
            {"side": side, "texts": shape[0], "tokens": shape[1], "turns": [t / 1e3 for t in times]}
            for (side, shape), times in medians.items()
        ],
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['gpu']}, PyTorch {result['torch']}, {result['model']}, {result['concepts']} concepts")
    for name, device in devices.items():
        _, seconds, mib = first[name]
        print(f"{name}: {device}; first answer of the command after {seconds:.1f} s, {mib} MiB of the GPU")
    print(f"| texts × tokens | {' | '.join(f'{side}, ms' for side in sides)} |")
    print(f"|{' --- |' * (len(sides) + 1)}")
    for shape in shapes:
        row = [f"{statistics.median(medians[side, shape]) / 1e3:.2f}" for side in sides]
        print(f"| {shape[0]} × {shape[1]} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
