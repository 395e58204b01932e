"""How accuracy falls when fewer concepts are labelled: trains on reviews with shares of these labels hidden at random.

    export PYTHONPATH=training
    training/.venv/bin/python training/missing_labels.py run TRAIN VALIDATION FOLDER [--share N] [OPTIONS…]
    training/.venv/bin/python training/missing_labels.py draw FOLDER IMAGE.svg

`run` trains on JSON lines once for each share (or for the one given), and leaves the models in FOLDER; OPTIONS are
those of training/train. `draw` prints a table of what was trained and draws it.
"""

import argparse
import json
import pathlib
import random
import sys

from sparsecbm_training import __main__

SHARES = (0, 25, 50, 75)  # percent
CONCEPTS = ("food", "ambiance", "service", "noise")


def hide(source: pathlib.Path, share: int, target: pathlib.Path) -> None:
    """The same reviews, every concept label hidden with that chance. What is hidden at 25 % is so at 50 % too."""
    draw = random.Random(0)
    with open(source, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        for line in lines:
            review = json.loads(line)
            for concept in CONCEPTS:
                if draw.random() < share / 100:
                    review[concept] = None
            out.write(json.dumps(review, ensure_ascii=False) + "\n")


def run(
    train: pathlib.Path, validation: pathlib.Path, folder: pathlib.Path, shares: list[int], options: list[str]
) -> int:
    for share in shares:
        out = folder / str(share)
        out.mkdir(parents=True, exist_ok=True)
        hide(train, share, out / "train.jsonl")
        columns = ["--text", "text", "--label", "rating", "--concepts", *CONCEPTS, "--pairs", "original_id", "edited"]
        files = [str(out / "train.jsonl"), "--validation", str(validation), "--out", str(out / "model")]
        if code := __main__.main([*files, *columns, "--plain-steps", "0", *options]):
            return code
    return 0


def draw(folder: pathlib.Path, image: pathlib.Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "missing_labels"
    from matplotlib import pyplot

    lines: dict[str, list[float]] = {}
    shares = [share for share in SHARES if (folder / str(share) / "model/sparsecbm.json").is_file()]
    print("| labels hidden | dense CBM: concepts, label | SparseCBM: concepts, label |\n| --- | --- | --- |")
    for share in shares:
        told = json.loads((folder / str(share) / "model/sparsecbm.json").read_text(encoding="utf-8"))["training"]
        cells = []
        for name, figures in (("dense CBM", told["dense_baseline"]), ("SparseCBM", told)):
            both = [figures["concept_accuracy"], figures["label_accuracy"]]
            cells.append(", ".join(f"{value:.1%}".replace("%", " %") for value in both))
            for what, value in zip(("concepts", "label"), both):
                lines.setdefault(f"{what}, {name}", []).append(100 * value)
        print(f"| {share} % | {cells[0]} | {cells[1]} |")
    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    for name, values in lines.items():
        style = "-" if name.endswith("SparseCBM") else "--"
        axes.plot(shares, values, style, color="C0" if name.startswith("concepts") else "C1", marker="o", label=name)
    axes.set(xlabel="concept labels hidden (%)", ylabel="accuracy (%)", xticks=shares)
    axes.legend()
    figure.savefig(image, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(prog="missing_labels.py", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("train", type=pathlib.Path)
    running.add_argument("validation", type=pathlib.Path)
    running.add_argument("folder", type=pathlib.Path)
    running.add_argument("--share", type=int, choices=SHARES)
    drawing = commands.add_parser("draw")
    drawing.add_argument("folder", type=pathlib.Path)
    drawing.add_argument("image", type=pathlib.Path)
    given, options = parser.parse_known_args()
    if given.command == "draw":
        draw(given.folder, given.image)
        return 0
    shares = list(SHARES) if given.share is None else [given.share]
    return run(given.train, given.validation, given.folder, shares, options)


if __name__ == "__main__":
    sys.exit(main())
