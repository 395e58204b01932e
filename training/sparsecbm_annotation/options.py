"""The command lines of annotate and check."""

import argparse
import pathlib
import re
import typing

from sparsecbm_training.table import DataError

from . import program, prompts

ANNOTATE = (
    f"{program('annotate')} texts.csv --text review --concepts concepts.yaml --endpoint http://localhost:8080/v1 "
    "--model NAME --out labelled.csv"
)
PRIVACY = """
What leaves this machine: every text of the column --text, with the questions and examples of --concepts, is sent to
--endpoint and to nobody else. Where --endpoint is this machine (localhost), nothing leaves it. Other columns, the label
among them, are never sent. A key is read from the environment variable that --key-env names, and stands in no file, log
or error. What the server answered is kept beside --out, without the texts.
"""
CHECK_PRIVACY = """
Nothing leaves this machine: the page is served to this machine alone (127.0.0.1), under an address that holds a secret,
and loads nothing from elsewhere.
"""


def parser(command: str) -> argparse.ArgumentParser:
    return annotate() if command == "annotate" else check()


def annotate() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog=program("annotate"),
        description="Labels concepts in texts with a language model, through any server with OpenAI's chat interface.",
        epilog=f"Example: {ANNOTATE}\n{PRIVACY}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add(
        "data",
        nargs="*",
        type=pathlib.Path,
        help="CSV, TSV, JSON lines or Parquet: one file, or several of the same columns",
    )
    add("--text", metavar="COLUMN")
    add(
        "--concepts",
        type=pathlib.Path,
        metavar="FILE",
        help="YAML: for each concept a question and its classes (see --init)",
    )
    add("--init", type=pathlib.Path, metavar="FILE", help="write an example for --concepts, and nothing else")
    add("--out", type=pathlib.Path, metavar="FILE", help="where the labels go: .csv, .tsv, .jsonl or .parquet")
    add("--encoding", default="utf-8", help="of CSV, TSV and JSON (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace --out; labels in it that a person checked stay")

    add = result.add_argument_group("server").add_argument
    add("--endpoint", metavar="URL", help="such as http://localhost:8080/v1")
    add("--model", metavar="NAME")
    add("--key-env", metavar="NAME", help="environment variable that holds the key; without it no key is sent")
    add("--parallel", type=count, default=4, metavar="N", help="requests at a time (default: %(default)s)")
    add("--timeout", type=float, default=120.0, metavar="SECONDS", help="for one answer (default: %(default)s)")
    add(
        "--retries",
        type=int,
        default=6,
        metavar="N",
        help="of a request that failed, ever later (default: %(default)s)",
    )

    add = result.add_argument_group("questions").add_argument
    add(
        "--per", choices=["concept", "text"], default="concept",
        help="one request for each concept of a text, or one for all of them: cheaper, often less accurate "
        "(default: %(default)s)",
    )  # fmt: skip
    add(
        "--constrain", choices=[prompts.SCHEMA, prompts.GRAMMAR, prompts.NONE],
        help="what keeps answers to the classes: a JSON schema, a grammar of llama.cpp, or nothing but strict reading "
        "(default: the first that the server takes)",
    )  # fmt: skip
    add(
        "--draws", type=count, metavar="N",
        help="ask so often and count the answers (default: once, with log probabilities; 5 times where there are none)",
    )  # fmt: skip

    add = result.add_argument_group("budget", "over all starts of the same work; raised, it goes on").add_argument
    add("--max-requests", type=count, metavar="N")
    add("--max-tokens", type=count, metavar="N", help="in and out")
    add("--price", type=float, nargs=2, metavar=("IN", "OUT"), help="of a million tokens, for the estimate of the cost")
    return result


def check() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog=program("check"),
        description=f"Shows labels of {program('annotate')} to a person, who confirms or changes them, "
        "and says how often both agree.",
        epilog=f"Example: {program('check')} labelled.csv\n{CHECK_PRIVACY}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add(
        "data",
        nargs="?",
        type=pathlib.Path,
        help=f"a table that {program('annotate')} wrote; what is checked is saved in it",
    )
    add("--text", metavar="COLUMN", help="default: the column with the longest texts")
    add("--concepts", type=pathlib.Path, metavar="FILE", help="the file that the model was given: shows its questions")
    add("--encoding", default="utf-8", help="of CSV, TSV and JSON (default: %(default)s)")
    add("--terminal", action="store_true", help="in this terminal, not in a browser")
    add("--report", action="store_true", help="only say how often model and person agree")
    add(
        "--random", type=share, default=0.5, metavar="SHARE",
        help="of the texts that are drawn at random; the rest are those that the model was least sure of. "
        "Only the random ones say how good the labels are (default: %(default)s)",
    )  # fmt: skip
    add("--blind", action="store_true", help="do not show what the model said, so that it sways nobody")
    add("--seed", type=int, default=0, metavar="N", help="of the random order (default: %(default)s)")
    add("--port", type=int, default=0, metavar="N", help="of the page (default: any that is free)")
    add("--no-open", action="store_true", help="say the address of the page, do not open it")
    return result


def count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number above 0")
    return int(text)


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a share, 0 to 1")
    return value


def parse(command: str, arguments: list[str]) -> argparse.Namespace:
    given = parser(command).parse_args(arguments)
    if command == "check":
        if given.data is None:
            raise DataError("expected a labelled table; for example: " + f"{program('check')} labelled.csv")
        return given
    if given.init:
        return given
    named: dict[str, typing.Any] = {
        "a file of texts": given.data, "--text COLUMN": given.text, "--concepts FILE": given.concepts,
        "--endpoint URL": given.endpoint, "--model NAME": given.model, "--out FILE": given.out,
    }  # fmt: skip
    for what, value in named.items():
        if not value:
            raise DataError(f"expected {what}; for example: {ANNOTATE}")
    if given.retries < 0 or not given.timeout > 0:
        raise DataError("--retries and --timeout: expected 0 or more, and more than 0 seconds")
    return given
