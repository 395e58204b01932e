"""Keeps every answer in a small SQLite file beside the table, so that nothing is asked twice, and what was spent.

It holds no text and no key: a request is known by its SHA-256.
"""

import contextlib
import dataclasses
import json
import pathlib
import sqlite3
import threading
import typing

from sparsecbm_training.table import DataError

from .server import Alternative, Reply, Token

VERSION = 1


@dataclasses.dataclass
class Spent:
    requests: int  # sent, whether they were answered or not
    tokens: int  # in and out


class Ledger:
    """Safe to use from several threads. Each change is on the disk when the call returns."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        try:
            self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self.connection.execute("PRAGMA journal_mode = WAL")
            version = self.connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise DataError(f"{path}: was written by a newer version ({version}); expected {VERSION}")
            self.connection.executescript(f"""
                CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, reply TEXT NOT NULL) STRICT;
                CREATE TABLE IF NOT EXISTS known (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
                CREATE TABLE IF NOT EXISTS spent
                    (one INTEGER PRIMARY KEY CHECK (one = 1), requests INTEGER, tokens INTEGER) STRICT;
                INSERT OR IGNORE INTO spent VALUES (1, 0, 0);
                PRAGMA user_version = {VERSION};
            """)
        except sqlite3.Error as error:
            raise DataError(
                f"{path}: cannot be used to keep answers ({error}); name another --out, or remove the file"
            ) from error

    def close(self) -> None:
        self.connection.close()

    @contextlib.contextmanager
    def used(self) -> typing.Iterator[sqlite3.Connection]:
        with self.lock:
            try:
                yield self.connection
            except sqlite3.Error as error:
                raise DataError(f"{self.path}: answers cannot be kept ({error}); is the disk full?") from error

    def answer(self, request: str) -> Reply | None:
        with self.used() as connection:
            found = connection.execute("SELECT reply FROM answers WHERE request = ?", (request,)).fetchone()
        return None if found is None else unpacked(json.loads(found[0]))

    def keep(self, request: str, reply: Reply) -> None:
        with self.used() as connection:
            connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (request, json.dumps(packed(reply))))

    def spend(self, requests: int, tokens: int) -> None:
        with self.used() as connection:
            connection.execute("UPDATE spent SET requests = requests + ?, tokens = tokens + ?", (requests, tokens))

    def spent(self) -> Spent:
        with self.used() as connection:
            return Spent(*connection.execute("SELECT requests, tokens FROM spent").fetchone())

    def known(self, name: str) -> typing.Any:
        with self.used() as connection:
            found = connection.execute("SELECT value FROM known WHERE name = ?", (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def know(self, name: str, value: typing.Any) -> None:
        with self.used() as connection:
            connection.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", (name, json.dumps(value)))


def packed(reply: Reply) -> dict[str, typing.Any]:
    tokens = [
        [
            token.text,
            round(token.log_probability, 5),
            [[each.text, round(each.log_probability, 5)] for each in token.alternatives],
        ]
        for token in reply.tokens
    ]
    return {
        "content": reply.content,
        "finish": reply.finish,
        "in": reply.tokens_in,
        "out": reply.tokens_out,
        "tokens": tokens,
    }


def unpacked(given: dict[str, typing.Any]) -> Reply:
    tokens = [Token(text, own, [Alternative(*each) for each in others]) for text, own, others in given["tokens"]]
    return Reply(given["content"], given["finish"], tokens, given["in"], given["out"])
