"""A server as a process of its own, which ends with the test; and requests to it in plain JSON."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

# Whatever happens, no server outlives this.
MOST_SECONDS = 600
# The servers are this machine's.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Server:
    def __init__(self, program, model, *options, descriptors=None):
        """`descriptors`: the most that the process may open."""
        command = ["timeout", str(MOST_SECONDS), program, model, "--listen", "127.0.0.1:0", *options]
        if descriptors:
            command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *command]
        # This environment's package is where ONNX Runtime's library is found.
        environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        line = self.process.stdout.readline()
        address = re.fullmatch(r"listening on http://(\S+)\n", line)
        assert address, f"{program} does not listen: {line!r}, status {self.process.wait()}"
        self.address = address[1]
        self.device = self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.process.stdout.close()

    def stop(self):
        """Tells it to stop; its exit status. `timeout` hands the signal on."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self):
        """Ends it without telling it."""
        subprocess.run(["pkill", "-KILL", "-P", str(self.process.pid)], check=True)

    def ask(self, path, body=None, headers={}):
        """Status, headers and JSON, whatever they are; with a body by POST."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data, headers)
        try:
            with OPENER.open(request, timeout=120) as response:
                return response.status, response.headers, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, json.load(error)

    def answer(self, path, body=None):
        status, _, answer = self.ask(path, body)
        assert status == 200, answer
        return answer

    def text(self, path):
        with OPENER.open(f"http://{self.address}{path}", timeout=60) as response:
            return response.read().decode()
