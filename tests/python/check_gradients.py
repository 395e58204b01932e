"""Checks gradient files with tools that are not ours: the `onnx` checker, and ONNX Runtime against PyTorch's autograd
and Captum's integrated gradients in tests/goldens/gradients.json.

    python tests/python/check_gradients.py FOLDER

FOLDER holds MODEL.onnx and MODEL.gradients.onnx files, of which the first give the masks: exported with packed masks,
the weights in a form that keeps the checkpoint's numbers.
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime

GOLDENS = pathlib.Path(__file__).resolve().parent.parent / "goldens" / "gradients.json"
INTEGERS = {"input_ids", "baseline_ids", "attention_mask", "concept"}
# Of a gradient, as a share of its length; of integrated gradients, of their largest.
TOLERANCE = 1e-3


def tensor(golden, name):
    dtype = numpy.int64 if name in INTEGERS else numpy.float32
    return numpy.array(golden["data"], dtype=dtype).reshape(golden["shape"])


def tensors(golden):
    return {name: tensor(value, name) for name, value in golden.items()}


def masks(path):
    """Of each masked layer the packed masks of all concepts."""
    constants = onnx.load(str(path)).graph.initializer
    found = {c.name: onnx.numpy_helper.to_array(c) for c in constants if c.name.endswith(".mask_bits")}
    assert found, f"{path.name} holds no masks"
    return found


def error(found, golden, place):
    """The largest of the errors in norm, in the sum to which every entry counts, and in single entries."""
    assert list(found.shape) == golden["shape"], f"{place} is {found.shape}"
    flat = found.astype(numpy.float64).ravel()
    wave = flat @ numpy.cos(numpy.arange(len(flat)))
    single = numpy.abs(flat[golden["at"]] - golden["values"]).max()
    return max(abs(numpy.linalg.norm(flat) - golden["norm"]), abs(wave - golden["wave"]), single) / golden["norm"]


def worst_of(golden, session, bits):
    outputs = [output.name for output in session.get_outputs()]
    logits = gradients = 0.0
    for case in golden["cases"]:
        own = {name: value[case["masks"]] for name, value in bits.items()}
        found = dict(zip(outputs, session.run(outputs, tensors(case["inputs"]) | own)))
        expected = tensor(case["concept_logits"], "concept_logits")
        logits = max(logits, float(numpy.abs(found.pop("concept_logits") - expected).max()))
        assert set(found) == set(case["gradients"]), "the outputs are those of the goldens"
        gradients = max(gradients, *(error(found[name], value, name) for name, value in case["gradients"].items()))
    integrated = 0.0
    for case in golden["integrated"]:
        steps, inputs = case["steps"], tensors(case["inputs"])
        inputs = {name: numpy.repeat(value, steps, axis=0) for name, value in inputs.items()}
        inputs["alpha"] = ((numpy.arange(steps) + 0.5) / steps).astype(numpy.float32)
        inputs["concept"] = numpy.array([case["concept"]])
        classes = golden["cases"][0]["inputs"]["logit_gradient"]["shape"][1]
        inputs["logit_gradient"] = numpy.zeros((steps, classes), numpy.float32)
        inputs["logit_gradient"][:, case["class"]] = 1
        own = {name: value[case["masks"]] for name, value in bits.items()}
        gradient, change = session.run(["embedding_gradient", "embedding_change"], inputs | own)
        expected = tensor(case["attributions"], "attributions")[0]
        found = (gradient * change).mean(0).sum(1)
        integrated = max(integrated, float(numpy.abs(found - expected).max() / numpy.abs(expected).max()))
    return {"concept_logits": logits, "gradients": gradients, "integrated gradients": integrated}


def main():
    folder, failed = pathlib.Path(sys.argv[1]), 0
    goldens = json.loads(GOLDENS.read_text(encoding="utf-8"))
    for golden in goldens:
        name = pathlib.PurePosixPath(golden["model"]).name
        path = folder / f"{name}.gradients.onnx"
        onnx.checker.check_model(str(path), full_check=True)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        worst = worst_of(golden, session, masks(folder / f"{name}.onnx"))
        good = max(worst.values()) <= TOLERANCE
        failed += not good
        errors = ", ".join(f"{what} {value:.1e}" for what, value in worst.items())
        print(f"{'ok    ' if good else 'FAILED'} {path.name}: largest errors: {errors}")
    print(f"{len(goldens) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
