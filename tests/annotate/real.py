"""Labels 40 reviews of CEBaB with a real server and model, and prints how often the labels are the gold ones.

python real.py URL MODEL [--record FILE]      FILE keeps every request and answer, for training/tests/test_recorded.py
"""

import argparse
import contextlib
import gzip
import json
import pathlib
import sys
import tempfile

import httpx

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "training"), str(REPOSITORY / "training/tests")]

from chat_server import ChatServer

from sparsecbm_annotation import __main__, agreement
from sparsecbm_training import table

DATA = REPOSITORY / "examples/data/cebab"
CONCEPTS = ("food", "ambiance", "service", "noise")
COUNT = 40


def reviews() -> list[dict[str, str]]:
    """The first of the validation file that stand there as they were written."""
    rows = map(json.loads, (DATA / "validation.jsonl").read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["edited"] is None][:COUNT]


def label(folder: pathlib.Path, url: str, model: str) -> table.Table:
    texts = folder / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": row["text"]}) + "\n" for row in reviews()), encoding="utf-8")
    out = folder / "labelled.jsonl"
    code = __main__.main([
        "annotate", str(texts), "--text", "text", "--concepts", str(DATA / "concepts.yaml"), "--endpoint", url,
        "--model", model, "--out", str(out),
    ])  # fmt: skip
    if code:
        raise SystemExit(code)
    return table.read([out])


def agreements(found: table.Table) -> list[agreement.Agreement]:
    """With the gold labels."""
    gold, classes = reviews(), ["positive", "negative", "unknown"]
    return [
        agreement.measure(
            name, classes, [(said, row[name]) for said, row in zip(found.cells[name], gold) if said is not None]
        )
        for name in CONCEPTS
    ]


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("url")
    reader.add_argument("model")
    reader.add_argument("--record", type=pathlib.Path)
    given = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        url, exchange = given.url, []
        if given.record:
            client = stack.enter_context(httpx.Client(timeout=600, trust_env=False))

            def passed_on(request, _):
                answer = client.post(f"{given.url}/chat/completions", json=request)
                exchange.append({"request": request, "status": answer.status_code, "answer": answer.json()})
                return answer.status_code, {}, answer.content

            models = client.get(f"{given.url}/models").json()["data"]
            between = ChatServer(passed_on, models)
            stack.callback(between.close)
            url = between.url
        found = label(pathlib.Path(folder), url, given.model)
    for each in agreements(found):
        print(agreement.told(each))
    labelled = sum(cell is not None for name in CONCEPTS for cell in found.cells[name])
    if labelled < 0.95 * len(CONCEPTS) * COUNT:
        raise SystemExit(f"only {labelled} of {len(CONCEPTS) * COUNT} questions have an answer")
    if given.record:
        exchange.sort(key=lambda one: json.dumps(one["request"], sort_keys=True))
        content = {
            "model": given.model,
            "models": models,
            "labels": {name: found.cells[name] for name in CONCEPTS},
            "exchange": exchange,
        }
        given.record.write_bytes(gzip.compress(json.dumps(content).encode(), mtime=0))


if __name__ == "__main__":
    main()
