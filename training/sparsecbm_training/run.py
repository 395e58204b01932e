"""One run of training: its stages, how far it is, when it will be done, and where it goes on after an interruption."""

import datetime
import json
import math
import os
import pathlib
import shutil
import sys
import time
import typing

import torch
from tqdm import tqdm

from .table import DataError

FOLDER = ".training"  # in the folder of the model; gone when that is written
OUTSIDE = ("measuring",)  # what has no steps that could be left out
SECONDS_OUTSIDE = 15.0  # exporting and checking, whatever the data
LEAST_SHARE = 0.1  # of the usual steps, below which a model is not worth having
EVERY = 60.0  # seconds between two savings

State = dict[str, typing.Any]


class Run:
    """Keeps the results of finished stages and the state of the one at work, in a file that is replaced as a whole:
    whatever stops the program, what was saved last is there.

    `costs` are the stages in order, each with what it costs in steps of the dense CBM.
    """

    def __init__(
        self, out: pathlib.Path, costs: dict[str, float], settings: State, resume: bool, limit: float | None = None,
        begun: float | None = None,
    ) -> None:  # fmt: skip
        self.file = out / FOLDER / "state.pt"
        self.costs = costs
        self.settings = json.loads(json.dumps(settings))
        self.limit = limit
        self.results: State = {}
        self.inside: State | None = None  # of the stage at work
        self.before = 0.0  # seconds of work before this start
        if resume:
            self.load()
        self.saved_at = time.monotonic()
        self.started = self.saved_at if begun is None else begun  # reading the data is work too
        self.enough = resume or limit is None
        self.name = ""
        self.stage_until: float | None = None
        total = sum(costs.values())
        self.done = sum(cost for name, cost in costs.items() if name in self.results)
        self.bar = tqdm(
            total=total, initial=self.done, disable=not sys.stderr.isatty(), leave=False,
            bar_format="{desc} {percentage:3.0f} % |{bar}| {elapsed} gone, {remaining} left{postfix}",
        )  # fmt: skip
        self.at_start = self.done

    def load(self) -> None:
        if not self.file.is_file():
            raise DataError(f"--resume: {self.file.parent} holds no interrupted training")
        saved = torch.load(self.file, weights_only=True)
        if saved["settings"] != self.settings:
            names = [name for name in self.settings if saved["settings"].get(name) != self.settings[name]]
            raise DataError(
                f"--resume: the interrupted training had other data or options ({', '.join(names)}); expected the same"
            )
        self.results, self.inside, self.before = saved["results"], saved["inside"], saved["seconds"]

    def save(self, inside: State | None) -> None:
        state = {"settings": self.settings, "results": self.results, "inside": inside, "seconds": self.seconds}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        with open(new, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.file)
        self.saved_at = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self.saved_at > EVERY

    @property
    def seconds(self) -> float:
        """Of work so far, before an interruption too."""
        return self.before + time.monotonic() - self.started

    def stage(self, name: str, work: typing.Callable[[], State]) -> State:
        """What a stage gave: now, or before the interruption."""
        if name in self.results:
            return typing.cast(State, self.results[name])
        self.name = name
        self.bar.set_description_str(name)
        if self.limit is not None:
            left = [cost for other, cost in self.costs.items() if other not in self.results]
            share = self.costs[name] / max(sum(left), 1e-9)
            self.stage_until = self.seconds + max(0.0, self.limit - SECONDS_OUTSIDE - self.seconds) * share
        before = self.done
        result = work()
        self.done = before + self.costs[name]
        self.advance(0)
        self.results[name], self.inside = result, None
        self.save(None)
        return result

    def taken_up(self) -> State | None:
        """The saved state of the stage that begins now, once."""
        inside, self.inside = self.inside, None
        return inside if inside and inside["stage"] == self.name else None

    def steps_left(self, seconds_each: float, cost: float) -> int | None:
        """How many steps of that length and cost fit into the time of this stage; None where nothing limits it."""
        if self.stage_until is None:
            return None
        if not self.enough:
            self.expect_enough(seconds_each / cost)
        return max(1, int((self.stage_until - self.seconds) / max(seconds_each, 1e-9)))

    def expect_enough(self, seconds_each: float) -> None:
        """Refuses a limit that leaves next to no steps, as soon as it is known how long one takes."""
        after = sum(self.costs[name] for name in OUTSIDE if name in self.costs)
        work = sum(self.costs.values()) - after
        least = self.seconds + SECONDS_OUTSIDE + seconds_each * (after + LEAST_SHARE * work)
        if typing.cast(float, self.limit) < least:
            raise DataError(
                f"--time-limit: found {self.limit:.0f} s; reading, measuring, exporting and a tenth of the usual steps "
                f"take about {least:.0f} s here; expected {10 * math.ceil(least / 10)}s or more, fewer texts, "
                "or --quality fast"
            )
        self.enough = True

    def advance(self, cost: float) -> None:
        self.done += cost
        self.bar.n = min(self.done, self.bar.total)
        self.bar.set_postfix_str(f"until {self.until}")

    @property
    def until(self) -> str:
        """When it will be done, at the pace so far."""
        done = self.done - self.at_start
        if done <= 0:
            return "?"
        left = (sum(self.costs.values()) - self.done) * (time.monotonic() - self.started) / done
        return f"{datetime.datetime.now() + datetime.timedelta(seconds=left):%H:%M}"

    def say(self, text: str) -> None:
        if self.bar.disable:
            print(text, flush=True)
        else:
            self.bar.write(text)

    def finish(self) -> None:
        """The model is written: nothing is left to take up."""
        self.bar.close()
        shutil.rmtree(self.file.parent, ignore_errors=True)
