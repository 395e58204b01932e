"""Checkpoints of several sparsities without training, to measure how long they take.

    python -m sparsecbm_training.magnitude FOLDER

writes FOLDER/S-bB for sparsity S in blocks of B outputs, each the checkpoint `--like` with the encoder's weights of
all-MiniLM-L6-v2 and, for every concept, the mask that keeps the largest of them. Their answers mean nothing. Time depends
on where masks keep weights only in so far as rows and columns are left out that they kill.
"""

import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file

from . import masks
from .backbone import minilm

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SPARSITIES = (0, 0.5, 0.7, 0.8, 0.9, 0.95)
BLOCKS = (4, 1)


def keep_largest(weight, sparsity, block):
    """A mask [1, out, in] of the blocks with the largest sum of squares."""
    saliency = weight.square().unflatten(0, (-1, block)).sum(1)[None]
    alive = torch.ones_like(saliency, dtype=torch.bool)
    return masks.choose(saliency, alive, 1 - sparsity, distinct=0.0).repeat_interleave(block, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--like", type=pathlib.Path, default=REPOSITORY / "examples/models/cebab")
    options = parser.parse_args()
    config = json.loads((options.like / "config.json").read_text())
    concepts = len(json.loads((options.like / "sparsecbm.json").read_text())["concepts"])
    backbone, weights = minilm.Source().load(config["num_hidden_layers"], [0], config["max_position_embeddings"])
    tensors = load_file(options.like / "model.safetensors")
    for sparsity in SPARSITIES:
        for block in BLOCKS:
            out = options.folder / f"{sparsity}-b{block}"
            out.mkdir(parents=True, exist_ok=True)
            for name in backbone.linear_layers:
                weight = weights[f"{name}.weight"]
                mask = keep_largest(weight, sparsity, block).expand(concepts, -1, -1)
                tensors[f"{name}.weight"] = weight.half()
                tensors[f"{name}.mask_bits"] = masks.pack(mask, block).contiguous()
            save_file(tensors, out / "model.safetensors")
            for file in ("config.json", "sparsecbm.json", "tokenizer.json"):
                shutil.copy(options.like / file, out / file)
            print(out, flush=True)


if __name__ == "__main__":
    main()
