"""Asks a server about every text: in parallel, within a budget, each question once."""

import concurrent.futures
import dataclasses
import json
import sys
import threading
import time
import typing

from tqdm import tqdm

from sparsecbm_training.table import DataError

from . import answers, prompts
from .answers import Shares, Unusable
from .ledger import Ledger
from .prompts import GRAMMAR, NONE, SCHEMA, Form, Question
from .server import Refused, Reply, Server, ServerError, Stopped, Unanswered

ESTIMATE_AFTER = 20  # texts
TRIES = 3  # to get a usable answer
DRAWS = 5  # where there are no log probabilities


class BudgetSpent(Exception):
    """What stopped the work, with the option that set it."""


@dataclasses.dataclass
class Budget:
    """Over all starts of the same work."""

    requests: int | None = None
    tokens: int | None = None
    price: tuple[float, float] | None = None  # of a million tokens, in and out


@dataclasses.dataclass
class Count:
    """What happened since the start."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    counted: bool = True  # whether the server said how many tokens there were


@dataclasses.dataclass
class Outcome:
    """What is known at the end, whatever ended the work."""

    said: list[dict[str, Shares]]  # of each text: the concepts that have an answer
    failed: dict[str, list[int]] = dataclasses.field(default_factory=dict)  # texts, by why they have none
    unasked: int = 0  # questions
    stopped: str | None = None  # why not all was asked
    error: str | None = None  # of the server


def rough_tokens(request: dict[str, typing.Any]) -> int:
    """About how many a request costs, before the server has said it."""
    limit = request.get("max_tokens") or request.get("max_completion_tokens") or 0
    return len(json.dumps(request["messages"], ensure_ascii=False)) // 3 + int(limit)


class Work:
    """`texts` are different from one another."""

    def __init__(
        self, texts: list[str], questions: list[Question], server: Server, ledger: Ledger, budget: Budget
    ) -> None:
        self.texts, self.questions, self.server, self.ledger, self.budget = texts, questions, server, ledger, budget
        self.count = Count()
        self.lock = threading.Lock()
        self.reserved = threading.local()  # tokens of the request under way
        self.unanswered = 0  # questions in a row
        self.enough = 1  # of these, after which the server is taken for gone
        server.sending = self.sending

    def sending(self, request: dict[str, typing.Any]) -> None:
        """Counts a request before it is sent; raises BudgetSpent where there is no room for it."""
        rough = rough_tokens(request)
        with self.lock:
            self.ledger.spend(0, -self.reserved.tokens)  # of an attempt that failed
            self.reserved.tokens = 0
            spent, budget = self.ledger.spent(), self.budget
            if budget.requests is not None and spent.requests >= budget.requests:
                raise BudgetSpent(f"--max-requests: {spent.requests:,} of {budget.requests:,} requests are made")
            if budget.tokens is not None and spent.tokens + rough > budget.tokens:
                raise BudgetSpent(
                    f"--max-tokens: {spent.tokens:,} of {budget.tokens:,} tokens are used, "
                    f"and the next request may need {rough:,}"
                )
            self.ledger.spend(1, rough)
            self.reserved.tokens = rough
            self.count.requests += 1

    def ask(self, request: dict[str, typing.Any]) -> Reply:
        """The answer, kept one or new."""
        key = prompts.key(request)
        if (kept := self.ledger.answer(key)) is not None:
            return kept
        self.reserved.tokens = 0
        used = 0
        try:
            reply = self.server.ask(request)
            told = reply.tokens_in is not None and reply.tokens_out is not None
            used = (reply.tokens_in or 0) + (reply.tokens_out or 0) if told else self.reserved.tokens
            self.ledger.keep(key, reply)
            with self.lock:
                self.count.counted &= told
                self.count.tokens_in += reply.tokens_in or 0
                self.count.tokens_out += reply.tokens_out or 0
            return reply
        finally:
            self.ledger.spend(0, used - self.reserved.tokens)

    def find_form(self, model: str, constraint: str | None, draws: int | None) -> Form:
        """How this server can be asked, found out with the first question, whose answer counts. Kept for the next
        start."""
        wanted = f"form {json.dumps([model, constraint, draws])}"
        if kept := self.ledger.known(wanted):
            return Form(**kept)
        constraints = [constraint] if constraint else [*([GRAMMAR] if self.has_grammars(model) else []), SCHEMA, NONE]
        refused = ""
        for each in constraints:
            for logs in (False,) if draws else (True, False):
                for limit in ("max_tokens", "max_completion_tokens"):
                    form = Form(model, each, logs, draws or (1 if logs else DRAWS), limit)
                    try:
                        reply = self.ask(prompts.body(self.questions[0], self.texts[0], form, 0))
                    except Refused as error:
                        refused = refused or str(error)
                        continue
                    if logs and not reply.tokens:
                        continue  # it takes the request and gives no log probabilities
                    self.ledger.know(wanted, dataclasses.asdict(form))
                    return form
        raise ServerError(f"takes no form of request that was tried: {refused}")

    def has_grammars(self, model: str) -> bool:
        """Whether this is llama.cpp's own server; says too where it has no such model."""
        found = self.server.models()
        if not found:
            return False
        names = [str(each.get("id")) for each in found]
        if model not in names and all(each.get("owned_by") != "llamacpp" for each in found):
            raise DataError(f"--model {model!r}: {self.server.url} has {', '.join(names[:12])}")
        return any(each.get("owned_by") == "llamacpp" for each in found)

    def answer(self, question: Question, text: str, form: Form) -> dict[str, Shares]:
        """The probabilities of each concept that was asked for. Raises Unusable where there are none after several
        tries."""
        drawn: dict[str, list[Shares]] = {}
        last: Unusable | None = None
        for draw in range(form.draws):
            for attempt in range(TRIES):
                request = prompts.body(question, text, form, draw + attempt * 1000)
                if attempt:
                    request["temperature"] = 1.0  # the same again would give the same
                try:
                    for name, shares in answers.read(question, self.ask(request), form).items():
                        drawn.setdefault(name, []).append(shares)
                    break
                except Unusable as error:
                    last = error
        if not drawn:
            raise last or Unusable("no answer")
        return {name: answers.together(each) for name, each in drawn.items()}

    def all(self, form: Form, parallel: int) -> Outcome:
        """Asks everything that was not asked before."""
        outcome = Outcome([{} for _ in self.texts])
        self.enough = parallel + 1
        todo = [(i, question) for i in range(len(self.texts)) for question in self.questions]
        left = [len(self.questions)] * len(self.texts)
        watch = Watch(self, len(todo))
        waiting = iter(todo)
        running: dict[concurrent.futures.Future[dict[str, Shares]], int] = {}
        finished = 0
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            try:
                while True:
                    while len(running) < 2 * parallel and not self.server.stopping.is_set():
                        if (following := next(waiting, None)) is None:
                            break
                        i, question = following
                        running[pool.submit(self.answer, question, self.texts[i], form)] = i
                    if not running:
                        break
                    done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        i = running.pop(future)
                        if self.take(outcome, i, future):
                            finished += 1
                            left[i] -= 1
                            watch.one(left[i] == 0)
            except KeyboardInterrupt:
                outcome.stopped = "interrupted"
                self.server.stopping.set()
            for future, i in running.items():
                finished += self.take(outcome, i, future)
        outcome.unasked = len(todo) - finished
        watch.close()
        return outcome

    def take(self, outcome: Outcome, i: int, future: "concurrent.futures.Future[dict[str, Shares]]") -> bool:
        """Notes what came of one question, and stops the rest where that is called for. Whether it was asked."""
        try:
            outcome.said[i] |= future.result()
            self.unanswered = 0
        except Unusable as error:
            outcome.failed.setdefault(f"no usable answer: {error}", []).append(i)
        except Refused as error:
            outcome.failed.setdefault(str(error), []).append(i)
        except Unanswered as error:
            self.unanswered += 1
            outcome.failed.setdefault(str(error), []).append(i)
            if self.unanswered >= self.enough:
                outcome.error = outcome.error or str(error)
                self.server.stopping.set()
        except Stopped:
            return False
        except BudgetSpent as error:
            outcome.stopped = outcome.stopped or str(error)
            self.server.stopping.set()
            return False
        except (ServerError, DataError) as error:
            outcome.error = outcome.error or str(error)
            self.server.stopping.set()
            return False
        return True


class Watch:
    """Shows how far the work is, and after the first texts what the rest will take."""

    def __init__(self, work: Work, questions: int) -> None:
        self.work, self.texts, self.done, self.said = work, len(work.texts), 0, False
        self.started = time.monotonic()
        self.bar = tqdm(
            total=questions, disable=not sys.stderr.isatty(), leave=False, unit=" questions",
            bar_format="{percentage:3.0f} % |{bar}| {n_fmt} of {total_fmt}{unit}, {elapsed} gone, {remaining} left",
        )  # fmt: skip

    def one(self, text_done: bool) -> None:
        """A question is answered, and maybe with it the last of a text."""
        self.bar.update()
        self.done += text_done
        if self.said or self.done < ESTIMATE_AFTER or self.done == self.texts:
            return
        self.said = True
        if self.work.count.requests:
            self.bar.write(self.estimate(), file=sys.stderr)

    def estimate(self) -> str:
        count, rest = self.work.count, (self.texts - self.done) / self.done
        seconds = time.monotonic() - self.started
        line = f"after {self.done} of {self.texts:,} texts: {count.requests:,} requests"
        if count.counted:
            line += f", {count.tokens_in:,} tokens in, {count.tokens_out:,} out"
        line += f", {minutes(seconds)}. The rest: about {count.requests * rest:,.0f} requests"
        if count.counted:
            line += f", {count.tokens_in * rest:,.0f} tokens in, {count.tokens_out * rest:,.0f} out"
            if price := self.work.budget.price:
                cost = (count.tokens_in * price[0] + count.tokens_out * price[1]) * rest / 1e6
                line += f", a cost of {cost:,.2f}"
        return line + f", {minutes(seconds * rest)}"

    def close(self) -> None:
        self.bar.close()


def minutes(seconds: float) -> str:
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 5400 else f"{whole // 3600} h {whole % 3600 // 60} min"
