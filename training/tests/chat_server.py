"""A chat server for tests: it answers as a test says, well or badly, and counts what it was asked."""

import collections
import http.server
import json
import threading
import time


def completion(content, *, classes=None, finish="stop"):
    """A good answer. With `classes`, log probabilities as if the name of the class were one token."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
    if classes:
        tops = [{"token": name, "logprob": value} for name, value in classes.items()]
        choice["logprobs"] = {"content": [{"token": content, "logprob": classes[content], "top_logprobs": tops}]}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 50, "completion_tokens": 2}}


class ChatServer:
    """`answer(request, times)` gives a completion, or (status, headers, content), or a function that does as it likes
    with the handler. `times` is how often this very request came before."""

    def __init__(self, answer, models=None):
        self.requests = []  # every one that came
        self.headers = []
        self.answered = collections.Counter()  # of each text that was asked about, with its concept
        self.lock = threading.Lock()
        self.seen = collections.Counter()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                found = {"data": models} if models else {}
                self.give(200 if models else 404, {}, json.dumps(found).encode())

            def give(self, status, headers, content):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                request = json.loads(raw)
                with outer.lock:
                    times = outer.seen[raw]
                    outer.seen[raw] += 1
                    outer.requests.append(request)
                    outer.headers.append(dict(self.headers))
                given = answer(request, times)
                if callable(given):
                    given(self)
                    return
                status, headers, content = given if isinstance(given, tuple) else (200, {}, json.dumps(given).encode())
                try:
                    self.give(status, headers, content)
                except OSError:
                    return  # who asked is gone
                if status == 200:
                    with outer.lock:
                        outer.answered[raw] += 1

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def text_of(request):
    return request["messages"][-1]["content"]


def cut_short(handler):
    """Promises more than it sends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.wfile.flush()
    handler.close_connection = True


def hang_up(handler):
    handler.close_connection = True
    handler.connection.close()


def slowly(seconds, content):
    def give(handler):
        time.sleep(seconds)
        handler.give(200, {}, json.dumps(content).encode())

    return give
