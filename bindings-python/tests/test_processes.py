"""Pickles, copies, forks, threads, memory."""

import copy
import multiprocessing
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from conftest import REVIEW, Exported
from sparsecbm import Model, SparseCbmError
from test_goldens import LIBRARY

TEXTS = [REVIEW, "Cold soup.", "The service was quick and kind.", ""]
# The whole test: SPARSECBM_SOAK=1000000, of which a tenth are predictions.
OVERRIDES = int(os.environ.get("SPARSECBM_SOAK", "20000"))


def labels(model: Model) -> list[str]:
    return [prediction.label for prediction in model.predict(TEXTS)]


def test_pickles_and_copies(exported: Exported, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported("cebab").read_bytes())
    model = Model.load(path, engine="tract", threads=2)
    again = pickle.loads(pickle.dumps(model))
    assert again.engine == "tract" and again.path == path
    np.testing.assert_array_equal(again.predict(REVIEW).label_logits, model.predict(REVIEW).label_logits)
    assert copy.copy(model) is model and copy.deepcopy([model])[0] is model
    assert len(pickle.dumps(model)) < 1000
    with pytest.raises(TypeError, match="from memory"):
        pickle.dumps(Model.from_bytes(path.read_bytes()))
    kept = pickle.dumps(model)
    path.unlink()
    with pytest.raises(SparseCbmError) as gone:
        pickle.loads(kept)
    assert gone.value.kind == "io"


def test_pickles_hold_patches(exported: Exported) -> None:
    model, text = Model.load(exported("tiny")), "bad plot, unwatched acting!"
    wanted = next(each for each in model.concepts[1].classes if each != model.predict(text)["plot"].class_name)
    changed = model.edit(text, "plot", wanted, max_share=0.2).model()
    again = pickle.loads(pickle.dumps(changed))
    np.testing.assert_array_equal(again.predict(text).concept_logits, changed.predict(text).concept_logits)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("engine", ["sparse", "tract"])
def test_after_fork_a_model_goes_on(engine: str, exported: Exported) -> None:
    model = Model.load(exported("cebab"), engine=engine, threads=2)
    expected = labels(model)
    with ProcessPoolExecutor(
        2, mp_context=multiprocessing.get_context("fork"), initializer=keep, initargs=(model,)
    ) as pool:
        for found in pool.map(labels_of_kept, range(4), timeout=60):
            assert found == expected
    assert labels(model) == expected


KEPT: list[Model] = []


def keep(model: Model) -> None:
    KEPT.append(model)


def labels_of_kept(_: int) -> list[str]:
    return labels(KEPT[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_fork_onnx_runtime_refuses(exported: Exported) -> None:
    model = Model.load(exported("cebab"), engine="ort-cpu", ort_library=LIBRARY)
    labels(model)
    fork = multiprocessing.get_context("fork")
    with (
        ProcessPoolExecutor(1, mp_context=fork, initializer=keep, initargs=(model,)) as pool,
        pytest.raises(SparseCbmError, match="forked") as refused,
    ):
        pool.submit(labels_of_kept, 0).result(timeout=60)
    assert refused.value.kind == "unavailable"
    assert labels(model)


def test_eight_threads(cebab: Model) -> None:
    texts = [REVIEW[: 20 + i] for i in range(40)]
    expected = [prediction.label_logits.copy() for prediction in cebab.predict(texts)]

    def work(seed: int) -> None:
        for i in np.random.default_rng(seed).permutation(len(texts)):
            prediction = cebab.predict(texts[i])
            np.testing.assert_array_equal(prediction.label_logits, expected[i])
            assert prediction.suppose(noise="positive").undo("noise").label == prediction.label

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_a_list_leaves_the_interpreter_to_other_threads(cebab: Model) -> None:
    done = threading.Event()

    def work() -> None:
        cebab.predict([REVIEW] * 500)
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    turns = 0
    while not done.is_set():
        time.sleep(0.001)
        turns += 1
    worker.join()
    assert turns > 20


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C alone there")
def test_ctrl_c_ends_a_list(exported: Exported) -> None:
    program = (
        "import sys, sparsecbm\n"
        f"model = sparsecbm.Model.load({str(exported('cebab'))!r}, threads=1)\n"
        "print('ready', flush=True)\n"
        "model.predict(['The food was good.' * 10] * 1_000_000)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout and child.stdout.readline().strip() == b"ready"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert b"KeyboardInterrupt" in told


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays(tiny: Model) -> None:
    def resident() -> int:
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def work(overrides: int) -> None:
        for i in range(overrides // 10):
            prediction = tiny.predict(f"bad plot, unwatched acting {i}!")
            for _ in range(5):
                supposed = prediction.suppose(plot="present")
                supposed.correct(acting=0).undo("plot").label_probabilities.sum()
            supposed.concepts["plot"].probabilities.sum()
            if i % 100 == 0:
                tiny.predict([f"plot {each}" for each in range(100)])
                tiny.predict("plot").explain(occlusion=True).to_dict()

    work(OVERRIDES // 4)
    before = resident()
    work(OVERRIDES)
    grown = resident() - before
    print(f"{OVERRIDES // 10} predictions and {OVERRIDES} overrides: {before / 1e6:.1f} MB, then {grown / 1e6:+.2f} MB")
    assert grown < 4e6
