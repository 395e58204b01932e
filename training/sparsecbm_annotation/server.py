"""Speaks with a server that has OpenAI's chat interface: retries, rate limits, and what is wrong in plain words."""

import dataclasses
import ipaddress
import json
import math
import threading
import time
import typing
from email.utils import parsedate_to_datetime

import httpx
import tenacity

from sparsecbm_training.table import DataError, short

LONGEST_WAIT = 60.0  # seconds between two attempts, where the server does not name a time


class ServerError(Exception):
    """Why the server gives no answers; asking again at once would not help."""


class Refused(ServerError):
    """The server does not take this form of request."""


class Unanswered(ServerError):
    """One request failed as often as it was tried; others may not."""


class Stopped(Exception):
    """The work was stopped while a request waited."""


class Passing(Exception):
    """A failure that may pass: the same is asked again."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait  # seconds, as the server asked


@dataclasses.dataclass(frozen=True)
class Alternative:
    text: str
    log_probability: float


@dataclasses.dataclass(frozen=True)
class Token:
    text: str
    log_probability: float
    alternatives: list[Alternative]


@dataclasses.dataclass(frozen=True)
class Reply:
    content: str
    finish: str | None
    tokens: list[Token]  # empty where the server gives no log probabilities
    tokens_in: int | None = None
    tokens_out: int | None = None


def parse_url(url: str) -> httpx.URL:
    """The address, which must hold no secret: it is printed."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise DataError(f"--endpoint: is no address ({error}); expected one like http://localhost:8080/v1") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise DataError("--endpoint: expected an address like http://localhost:8080/v1")
    if parsed.userinfo or parsed.query:
        raise DataError(
            "--endpoint: holds a user, a password or something behind '?'; expected an address alone. "
            "A key comes from an environment variable: --key-env NAME"
        )
    return parsed


def is_local(url: httpx.URL) -> bool:
    """Whether the address is of this machine."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


class Server:
    """One endpoint and model. Safe to use from several threads."""

    def __init__(
        self, url: str, key: str | None, *, timeout: float = 120.0, retries: int = 6,
        sending: typing.Callable[[dict[str, typing.Any]], None] = lambda request: None,
        tell: typing.Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        """`sending` is called before each attempt, and may raise to forbid it."""
        self.url = parse_url(url)
        self.local = is_local(self.url)
        if key and self.url.scheme == "http" and not self.local:
            raise DataError(f"--endpoint {self.url}: would carry the key without encryption; expected https")
        self.key = key
        self.sending, self.tell = sending, tell
        self.stopping = threading.Event()
        self.not_before = 0.0  # the time until which the server asked everyone to wait
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # What is meant for this machine goes through no proxy.
        self.client = httpx.Client(
            headers=headers, timeout=httpx.Timeout(timeout, connect=10.0), trust_env=not self.local
        )
        self.retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Passing),
            stop=tenacity.stop_after_attempt(retries + 1),
            wait=self.wait,
            sleep=self.sleep,
            reraise=True,
        )
        self.backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT)

    def close(self) -> None:
        self.client.close()

    def wait(self, state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, Passing) and failure.wait is not None:
            return failure.wait
        return self.backoff(state)

    def sleep(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise Stopped

    def models(self) -> list[dict[str, typing.Any]] | None:
        """What the server says it has; None where it does not say."""
        try:
            answer = self.client.get(f"{str(self.url).rstrip('/')}/models", timeout=10.0)
            found = answer.json()["data"]
            return (
                [each for each in found if isinstance(each, dict)]
                if answer.is_success and isinstance(found, list)
                else None
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    def ask(self, request: dict[str, typing.Any]) -> Reply:
        """The answer. Raises Refused, ServerError or Stopped, and what `sending` raises."""
        try:
            return self.retrying(self.attempt, request)
        except Passing as error:
            times = self.retrying.statistics.get("attempt_number", 1)
            raise Unanswered(f"{self.url}: {error}; asked {times} times") from error

    def attempt(self, request: dict[str, typing.Any]) -> Reply:
        if (pause := self.not_before - time.monotonic()) > 0:
            self.sleep(pause)
        if self.stopping.is_set():
            raise Stopped
        self.sending(request)
        try:
            answer = self.client.post(f"{str(self.url).rstrip('/')}/chat/completions", json=request)
        except httpx.ConnectError as error:
            raise Passing(f"cannot be reached ({self.safe(error)})") from error
        except httpx.TimeoutException as error:
            raise Passing("did not answer in time (--timeout)") from error
        except (httpx.HTTPError, UnicodeError) as error:
            raise Passing(f"broke off ({self.safe(error)})") from error
        if answer.is_success:
            return read(answer)
        said = self.safe(message_of(answer))
        if answer.status_code in (408, 409, 425, 429) or answer.status_code >= 500:
            wait = retry_after(answer)
            if wait is not None:
                if wait > 10 and time.monotonic() >= self.not_before:
                    self.tell(f"{self.url} asks to wait for {wait:,.0f} s (status {answer.status_code}: {said})")
                self.not_before = max(self.not_before, time.monotonic() + wait)
            raise Passing(f"status {answer.status_code}: {said}", wait)
        if answer.status_code in (401, 403):
            sent = (
                "the key that was sent"
                if self.key
                else "a request without a key; --key-env NAME names the variable that holds it"
            )
            raise ServerError(f"{self.url}: refuses {sent} (status {answer.status_code}: {said})")
        if answer.status_code in (400, 422):
            raise Refused(f"{self.url}: status {answer.status_code}: {said}")
        hint = ". Is the address right? Most end in /v1" if answer.status_code in (404, 405) else ""
        raise ServerError(f"{self.url}: status {answer.status_code}: {said}{hint}")

    def safe(self, message: typing.Any) -> str:
        """On one line, and without the key, which a server may repeat."""
        text = " ".join(str(message).split()) or type(message).__name__
        if self.key:
            text = text.replace(self.key, "…")
        return text if len(text) <= 300 else text[:299] + "…"


def message_of(answer: httpx.Response) -> str:
    """What a server says of a failure."""
    try:
        found = answer.json()
        error = found.get("error", found.get("detail", found))
        return str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, AttributeError):
        return answer.text[:1000] or answer.reason_phrase


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds, from a number or a date."""
    given = answer.headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def read(answer: httpx.Response) -> Reply:
    """An answer of the form that the interface promises; Passing where it is another, for the next may be whole."""
    try:
        whole = answer.json()
        choice = whole["choices"][0]
        content = choice["message"]["content"]
        if content is None:  # the model, or a filter, declines
            content = ""
        usage = whole.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        if not isinstance(content, str):
            raise TypeError
        tokens = tokens_of(choice)
        first, second = (count if isinstance(count, int) else None for count in counts)
        return Reply(content, choice.get("finish_reason"), tokens, first, second)
    except (json.JSONDecodeError, UnicodeError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise Passing(f"answers what is no chat completion: {short(answer.text)}") from error


def tokens_of(choice: dict[str, typing.Any]) -> list[Token]:
    given = (choice.get("logprobs") or {}).get("content") or []
    return [
        Token(
            one["token"], float(one["logprob"]),
            [Alternative(other["token"], float(other["logprob"])) for other in one.get("top_logprobs") or []],
        )
        for one in given
    ]  # fmt: skip
