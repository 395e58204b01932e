"""Turns files of the SparseCBM reference code into a checkpoint, without running that code."""

import argparse
import pathlib
import sys

from . import convert
from .errors import Refused


def arguments():
    parser = argparse.ArgumentParser(prog="import", description=__doc__)
    path = pathlib.Path
    parser.add_argument("model", type=path, help="the backbone: *_joint.pth, or a state dict with the same keys")
    parser.add_argument(
        "heads", type=path, nargs="+", help="the heads: one joint file, or the two of independent models"
    )
    parser.add_argument("-o", "--output", type=path, required=True, help="the checkpoint's folder")
    parser.add_argument("--config", type=path, required=True, help="the backbone's config.json")
    parser.add_argument("--tokenizer", type=path, required=True, help="the backbone's tokenizer.json")
    parser.add_argument("--schema", type=path, required=True, help="concepts, label, data_fields, calibration as JSON")
    parser.add_argument(
        "--semantics",
        required=True,
        choices=["as-executed", "as-intended"],
        help="as-executed: mask 0 everywhere, the mean over padding; as-intended: mask k for concept k",
    )
    parser.add_argument("--kept", type=fraction, help="share of weights or rows that popup_scores keep")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--rows", dest="structured", action="store_true", default=None, help="popup_scores choose rows")
    kind.add_argument("--weights", dest="structured", action="store_false", help="popup_scores choose single weights")
    parser.add_argument(
        "--padded", action="store_true", help="mean over padding although the semantics are as-intended"
    )
    parser.add_argument("--max-length", type=int, default=convert.EXECUTED_LENGTH, help="positions, padding included")
    parser.add_argument("--uncalibrated", action="store_true", help="do without a calibration")
    return parser.parse_args()


def fraction(text):
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0, at most 1")
    return value


def main():
    options = arguments()
    try:
        for line in convert.checkpoint(options):
            print(line)
    except Refused as error:
        print(f"import: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
