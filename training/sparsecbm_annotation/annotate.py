"""The command annotate: from texts to a table of labels."""

import argparse
import collections
import contextlib
import math
import os
import pathlib
import sys
import typing

from sparsecbm_training import provenance, table
from sparsecbm_training.table import COMMAS, LINES, DataError, Table, listed, short

from . import concepts, labelled, program, prompts
from .ledger import Ledger
from .server import Server, ServerError
from .work import Budget, BudgetSpent, Outcome, Work

STOPPED = 3  # the exit code where a budget ended the work
CONSTRAINED = {
    prompts.SCHEMA: "a JSON schema keeps answers to the classes",
    prompts.GRAMMAR: "a grammar keeps answers to the classes",
    prompts.NONE: "nothing keeps answers to the classes; others are not taken",
}


def command(given: argparse.Namespace) -> int:
    if given.init:
        concepts.write_template(given.init)
        print(f"{given.init} holds an example; {program('annotate')} --help says how to go on")
        return 0
    wanted = concepts.read(given.concepts)
    classes = {name: list(concept.classes) for name, concept in wanted.concepts.items()}
    texts = table.read(given.data, given.encoding)
    words = texts_of(texts, given.text)
    labelled.expect_room(texts, classes)
    expect_out(given)
    checked_before(given, words, classes)
    server = Server(given.endpoint, key(given.key_env), timeout=given.timeout, retries=given.retries, tell=say)
    different = list(dict.fromkeys(text for text in words if text))
    if not different:
        raise DataError(f"{texts.files[0]}, column {given.text!r}: is empty in every row; expected texts")
    where = "this machine; nothing leaves it" if server.local else f"{server.url.host}: the texts leave this machine"
    say(f"{len(different):,} different texts in {len(texts):,} rows go to {where}")
    ledger = Ledger(answers_beside(given.out))
    with contextlib.closing(server), contextlib.closing(ledger):
        budget = Budget(given.max_requests, given.max_tokens, given.price and tuple(given.price))
        work = Work(different, prompts.questions(wanted, given.per == "concept"), server, ledger, budget)
        try:
            form = work.find_form(given.model, given.constrain, given.draws)
        except BudgetSpent as error:
            raise DataError(f"{error}; nothing is labelled yet") from error
        say(f"{CONSTRAINED[form.constraint]}; probabilities come from {form.how}")
        outcome = work.all(form, given.parallel)
    if outcome.error:
        raise ServerError(f"{outcome.error}. What was answered is kept; the same command goes on")
    source = f"{provenance.MODEL} {given.model}, {form.how}"
    by_text = dict(zip(different, outcome.said))
    result = labelled.add(texts, classes, [by_text.get(text, {}) for text in words], source)
    keep_checked(result, words, checked_before(given, words, classes))
    labelled.write(given.out, result)
    return tell(given, result, classes, outcome, different)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def texts_of(texts: Table, name: str) -> list[str]:
    if name not in texts.columns:
        raise DataError(f"--text: {texts.files[0]} has no column {name!r}; its columns are {listed(texts.columns)}")
    result = []
    for i, cell in enumerate(texts.cells[name]):
        missing = cell is None or (isinstance(cell, float) and math.isnan(cell))
        if not isinstance(cell, str) and not missing:
            raise DataError(f"{texts.place(i)}, column {name!r}: found {short(cell)}; expected text")
        result.append(cell.strip() if isinstance(cell, str) else "")
    return result


def key(name: str | None) -> str | None:
    if name is None:
        return None
    value = os.environ.get(name, "").strip()
    if not value:
        raise DataError(f"--key-env: the environment variable {short(name)} is empty; expected the key in it")
    if not value.isascii() or not value.isprintable():
        raise DataError(
            f"--key-env: the environment variable {short(name)} holds what cannot be a key; expected letters and digits"
        )
    return value


def answers_beside(out: pathlib.Path) -> pathlib.Path:
    """The file that keeps what the server answered for a table."""
    return out.with_name(out.name + ".answers.sqlite")


def expect_out(given: argparse.Namespace) -> None:
    """That a table of this kind can be written there, and that nothing is lost by it."""
    out: pathlib.Path = given.out
    if out.suffix.lower() not in (*COMMAS, *LINES, ".parquet"):
        raise DataError(f"--out {out}: expected a name that ends in .csv, .tsv, .jsonl or .parquet")
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: there is no folder {out.parent}")
    if any(path.exists() and out.exists() and path.samefile(out) for path in given.data):
        raise DataError(f"--out {out} is the file of the texts; expected another name")
    if not out.exists():
        return
    if out.is_dir():
        raise DataError(f"--out {out} is a folder; expected a file")
    if not given.overwrite and not answers_beside(out).exists():
        raise DataError(f"--out {out} is there already; expected another name, or --overwrite")


Checked = dict[tuple[str, str], tuple[typing.Any, typing.Any]]  # of a text and a concept: class and source


def checked_before(given: argparse.Namespace, words: list[str], classes: dict[str, list[str]]) -> Checked:
    """What a person checked in the table that --out replaces. Raises DataError where it would be lost."""
    out: pathlib.Path = given.out
    if not out.exists():
        return {}
    there = table.read([out])
    result: Checked = {}
    texts = set(words)
    for column in there.columns:
        name = column.removesuffix(provenance.SUFFIX)
        if name == column or name not in there.columns:
            continue
        for i, source in enumerate(there.cells[column]):
            if provenance.origin(source) != provenance.PERSON:
                continue
            text, chosen = str(there.cells.get(given.text, [""] * len(there))[i] or "").strip(), there.cells[name][i]
            if text not in texts or chosen not in classes.get(name, ()):
                raise DataError(
                    f"--out {out} holds a label that a person checked and that would be lost: {there.place(i)}, column "
                    f"{name!r}: found {short(chosen)}, for which the new texts or concepts have no place; "
                    "expected another --out"
                )
            result[text, name] = chosen, source
    return result


def keep_checked(result: Table, words: list[str], checked: Checked) -> None:
    """A person's labels stay, whatever the model says now."""
    for i, text in enumerate(words):
        for name in {name for _, name in checked}:
            if (text, name) in checked:
                result.cells[name][i], result.cells[name + provenance.SUFFIX][i] = checked[text, name]


def tell(
    given: argparse.Namespace, result: Table, classes: dict[str, list[str]], outcome: Outcome, texts: list[str]
) -> int:
    for name, own in classes.items():
        counts = collections.Counter(cell for cell in result.cells[name] if cell is not None)
        shares = zip(*(result.cells[f"{name}={one}"] for one in own))
        sure = [max(each) for each in shares if None not in each]
        mean = f"; {sum(sure) / len(sure):.0%} sure on average" if sure else ""
        print(f"{name}: " + ", ".join(f"{one} {counts[one]:,}" for one in own) + mean)
    for why, where in list(outcome.failed.items())[:3]:
        say(f"warning: {short(texts[where[0]])}: {why}")
    failed = sum(map(len, outcome.failed.values()))
    if failed:
        say(f"warning: {failed:,} questions have no answer; their cells are empty")
    print(f"{given.out} has {len(result):,} rows")
    if outcome.stopped:
        say(
            f"stopped: {outcome.stopped}; {outcome.unasked:,} questions are not asked. The same command goes on"
            + (", with a larger number" if outcome.stopped.startswith("--") else "")
        )
        return 130 if outcome.stopped == "interrupted" else STOPPED
    print(f"Next: {program('check')} {given.out}")
    return 0
