"""Checks exported files with tools that are not ours: the `onnx` checker and ONNX Runtime.

    python tests/python/check_forms.py FOLDER

FOLDER holds MODEL.WEIGHTS.MASKS.onnx files. Each must pass the checker, run in ONNX Runtime on all golden cases
(whole batches, padding and overrides included), and, where its weight form keeps the checkpoint's numbers, give the
golden outputs.
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime

GOLDENS = pathlib.Path(__file__).resolve().parent.parent / "goldens"
OUTPUTS = ["concept_logits", "concept_values", "label_logits", "token_evidence"]
INTEGERS = {"input_ids", "attention_mask"}
TOLERANCE = 1e-4
# The weight forms that keep a checkpoint's numbers: the shipped one holds half-precision weights.
EXACT = {"cebab": {"f32", "f16"}}


def tensor(golden, name):
    dtype = numpy.int64 if name in INTEGERS else numpy.float32
    return numpy.array(golden["data"], dtype=dtype).reshape(golden["shape"])


def largest_differences(path, model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    cases = json.loads((GOLDENS / f"{model}.json").read_text(encoding="utf-8"))["cases"]
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for case in cases:
        inputs = {name: tensor(golden, name) for name, golden in case["inputs"].items()}
        for name, found in zip(OUTPUTS, session.run(OUTPUTS, inputs)):
            expected = tensor(case["outputs"][name], name)
            assert found.shape == expected.shape, f"{path.name}: {case['name']}: {name} is {found.shape}"
            worst[name] = max(worst[name], float(numpy.abs(found - expected).max()))
    return worst, len(cases)


def main():
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
    assert paths, f"no .onnx file in {sys.argv[1]}"
    failed = 0
    for path in paths:
        model, weights, masks = path.stem.split(".")
        onnx.checker.check_model(str(path), full_check=True)
        worst, cases = largest_differences(path, model)
        good = weights not in EXACT.get(model, {"f32"}) or max(worst.values()) <= TOLERANCE
        failed += not good
        differences = ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
        print(f"{'ok    ' if good else 'FAILED'} {path.name}: {cases} cases, largest differences: {differences}")
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
