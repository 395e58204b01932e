"""The page in which a person checks labels: served to this machine alone, under an address that holds a secret."""

import contextlib
import pathlib
import secrets
import socket
import sys
import threading
import typing
import webbrowser

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from sparsecbm_training.table import DataError

from . import agreement
from .concepts import Concepts
from .session import RANDOM, UNSURE, Session

FILES = pathlib.Path(__file__).with_name("page")
POLICY = {
    # The page loads nothing from elsewhere and gives its address to nobody.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def application(session: Session, token: str, asked: Concepts | None = None, blind: bool = False) -> Starlette:
    lock = threading.Lock()

    def shown(i: int, drawn: str) -> dict[str, typing.Any]:
        labelled = session.labelled
        concepts = []
        for name, classes in labelled.concepts.items():
            question = asked.concepts.get(name) if asked else None
            shares = labelled.shares(name, i)
            checked = labelled.checked(name, i) is not None
            concepts.append({
                "name": name,
                "question": question.question if question else None,
                "classes": [
                    {
                        "name": each,
                        "share": None if blind or shares is None else shares[each],
                        "means": question.classes.get(each) if question else None,
                    }
                    for each in classes
                ],
                "label": None if blind and not checked else labelled.label(name, i),
                "checked": checked,
            })  # fmt: skip
        return {"text": i, "words": labelled.words(i), "drawn": drawn, "concepts": concepts}

    def progress() -> dict[str, typing.Any]:
        checked, at_random = session.counts
        return {"texts": len(session.rows), "checked": checked, "random": at_random}

    def following(_: Request) -> Response:
        with lock:
            found = session.next()
            return JSONResponse({"progress": progress(), "next": found and shown(*found)})

    def text(request: Request) -> Response:
        i = int(request.path_params["i"])
        with lock:
            if i not in session.rows:
                return JSONResponse({"error": f"there is no text {i}"}, 404)
            return JSONResponse(
                {"progress": progress(), "next": shown(i, RANDOM if RANDOM in session.drawn(i) else UNSURE)}
            )

    def said(i: typing.Any, name: typing.Any, chosen: typing.Any, drawn: typing.Any) -> Response:
        if not isinstance(i, int) or not isinstance(name, str) or drawn not in (RANDOM, UNSURE):
            return JSONResponse({"error": "expected a text, a concept, a class and how the text was drawn"}, 400)
        try:
            with lock:
                if chosen is None:
                    session.later.add(i)
                else:
                    session.say(i, name, str(chosen), drawn)
                return JSONResponse({"progress": progress()})
        except DataError as error:
            return JSONResponse({"error": str(error)}, 400)

    async def say(request: Request) -> Response:
        try:
            given = await request.json()
            return said(given["text"], given.get("concept", ""), given["class"], given["drawn"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"error": "expected JSON with text, concept, class and drawn"}, 400)

    def report(_: Request) -> Response:
        with lock:
            return JSONResponse({"lines": [agreement.told(each) for each in session.report()]})

    def file(name: str) -> Route:
        return Route("/" + name.replace("index.html", ""), lambda _: FileResponse(FILES / name, headers=POLICY))

    routes = [
        *(file(name) for name in ("index.html", "page.js", "page.css")),
        Route("/next", following), Route("/text/{i:int}", text), Route("/report", report),
        Route("/say", say, methods=["POST"]),
    ]  # fmt: skip
    # Other names of this machine are refused, or a page elsewhere could reach this one through a name of its own.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=[hosts])


def serve(session: Session, asked: Concepts | None, blind: bool, port: int, open_it: bool) -> None:
    """Until Ctrl-C."""
    token = secrets.token_urlsafe(24)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        raise DataError(f"--port {port}: cannot be listened on: {error.strerror or error}") from error
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/{token}/"
    print(f"{address}\nopen this in a browser on this machine; Ctrl-C ends it, all is saved as you go", flush=True)
    if open_it and sys.stdout.isatty():
        threading.Timer(1.0, webbrowser.open, [address]).start()
    config = uvicorn.Config(application(session, token, asked, blind), log_level="warning", access_log=False)
    with contextlib.suppress(KeyboardInterrupt), listening:
        uvicorn.Server(config).run(sockets=[listening])
