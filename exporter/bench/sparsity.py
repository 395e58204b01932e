"""What sparsity is worth on the sparse kernels: a table of time and memory, for checkpoints of several sparsities.

    python exporter/bench/sparsity.py target/release/sparsecbm examples/data/cebab/validation.jsonl POINTS/*

POINTS are checkpoints: `python -m sparsecbm_training.magnitude` in examples/training writes them. For each it prints what `inspect
--plan` says of its products (their estimated time for 32 tokens, and the bytes of packed weights), and the processor time
of a prediction: that of `predict` on more reviews less that on fewer, with loading taken out so. Checkpoints take turns, and
medians are told; the time beside it is relative to the checkpoint named by --relative-to.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import tempfile

FEW, MORE = 5, 205


def processor_seconds(command):
    """What a command costs, in seconds of user and system time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sparsecbm", help="the command, built with --release")
    parser.add_argument("reviews", type=pathlib.Path, help="JSON lines to predict")
    parser.add_argument("points", type=pathlib.Path, nargs="+", help="checkpoints")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--relative-to", default="0.9-b4", help="name of the checkpoint that is 1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        lines = options.reviews.read_text(encoding="utf-8").splitlines(keepends=True)
        for count in (FEW, MORE):
            (folder / f"{count}.jsonl").write_text("".join(lines[:count]), encoding="utf-8")
        models, plans = {}, {}
        for point in options.points:
            models[point.name] = model = folder / f"{point.name}.onnx"
            export = [options.sparsecbm, "export", point, "--no-check", "-o", model]
            subprocess.run(export, check=True, stdout=subprocess.DEVNULL)
            inspect = [options.sparsecbm, "inspect", model, "--plan", "--json"]
            plans[point.name] = json.loads(subprocess.run(inspect, check=True, stdout=subprocess.PIPE).stdout)["plan"]

        def seconds(model, count):
            predict = [options.sparsecbm, "predict", model, "--engine", "sparse", "--threads", "1", "--json"]
            return processor_seconds([*predict, "--input", folder / f"{count}.jsonl"])

        times = {name: [] for name in models}
        for turn in range(options.turns):
            for name, model in models.items():
                times[name].append((seconds(model, MORE) - seconds(model, FEW)) / (MORE - FEW) * 1e3)
            print(f"turn {turn + 1}: " + ", ".join(f"{name} {each[-1]:.2f}" for name, each in times.items()), flush=True)
    one = statistics.median(times[options.relative_to])
    print("\n| checkpoint | products of 32 tokens, ms, estimated | packed, MB | a review, ms | relative |\n| --- | --- | --- | --- | --- |")
    for name, plan in plans.items():
        estimate = sum(product["microseconds"] for product in plan) / 1e3
        packed = sum(product["bytes"] for product in plan) / 1e6
        middle = statistics.median(times[name])
        print(f"| {name} | {estimate:.2f} | {packed:.1f} | {middle:.2f} | {middle / one:.2f} |")


if __name__ == "__main__":
    main()
