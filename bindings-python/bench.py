"""What a call through Python costs over the same call in Rust, and what threads gain for a list.

    cargo build --release -p sparsecbm-python --example overhead
    python bindings-python/bench.py MODEL.onnx examples/data/cebab/validation.jsonl [--rounds 30]

Both sides run in processes of their own and take turns, so that what else the machine does meets both. The smallest
times are compared: what other programs take away only ever adds. Medians stand beside them.
"""

import argparse
import functools
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

from sparsecbm import Model

BINARY = pathlib.Path(__file__).parents[1] / "target/release/examples/overhead"


def microseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    result = call()
    elapsed = time.perf_counter() - start
    del result
    return 1e6 * elapsed


def own_share(model: Model, texts: list[str]) -> float:
    """The calling thread's own time on a processor: how long a list takes where each thread has a core to itself."""
    start = time.thread_time()
    model.predict(texts)
    return 1e6 * (time.thread_time() - start)


class Rust:
    """The other process."""

    def __init__(self, binary: pathlib.Path, model: pathlib.Path, texts: pathlib.Path) -> None:
        self.process = subprocess.Popen(
            [binary, model, texts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, line: str) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def alternate(rounds: int, a: Callable[[], float], b: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Times of both, which take turns in being first."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for index, call in ((0, a), (1, b)) if turn % 2 else ((1, b), (0, a)):
            times[index].append(call())
    return times


def told(times: list[float]) -> str:
    return f"{min(times):,.1f} µs (median {statistics.median(times):,.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path, help="JSON lines, whose field named by the model holds the text")
    parser.add_argument("--rust", type=pathlib.Path, default=BINARY)
    parser.add_argument("--rounds", type=int, default=15, help="of lists; single calls have a hundred times as many")
    given = parser.parse_args()
    one, two = (Model.load(given.model, threads=threads) for threads in (1, 2))
    field = one.schema["data_fields"]["text"]
    texts = [json.loads(line)[field] for line in given.data.read_text(encoding="utf-8").splitlines()]
    # What Python adds does not depend on the text; what is to be seen beside it does.
    texts.insert(0, "good")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "texts.json")
        path.write_text(json.dumps(texts), encoding="utf-8")
        rust = Rust(given.rust, given.model, path)
        rust("text")
    prediction, concept = one.predict(texts[0]), one.concepts[0]
    calls: dict[str, Callable[[], object]] = {
        "text": lambda: one.predict(texts[0]),
        "override": lambda: prediction.suppose({concept.name: concept.classes[0]}),
    }
    for name, call in calls.items():
        here, there = alternate(
            100 * given.rounds, functools.partial(microseconds, call), functools.partial(rust, name)
        )
        print(f"{name}: Python {told(here)}, Rust {told(there)}: {min(here) - min(there):+.1f} µs")
    some = texts[:1000]
    count = len(some)
    here, there = alternate(
        given.rounds, lambda: microseconds(lambda: one.predict(some)), lambda: rust(f"list {count} 1")
    )
    print(f"list of {count}: Python {told(here)}, Rust {told(there)}: {100 * (min(here) / min(there) - 1):+.2f} %")
    alone, both = alternate(
        given.rounds, lambda: microseconds(lambda: one.predict(texts)), lambda: microseconds(lambda: two.predict(texts))
    )
    print(
        f"list of {len(texts)}: one thread {told(alone)}, two {told(both)}: {min(alone) / min(both):.2f} times as fast"
    )
    alone, both = alternate(given.rounds, lambda: own_share(one, texts), lambda: own_share(two, texts))
    print(
        f"  the calling thread works {told(alone)}, with another {told(both)}: {min(alone) / min(both):.2f} times less"
    )


if __name__ == "__main__":
    main()
