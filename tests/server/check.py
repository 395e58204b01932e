"""The server under a client that is not ours, on golden vectors and beside the command line.

    python check.py SERVER LOAD SPARSECBM FOLDER

FOLDER holds an exported file of each checkpoint that there are golden vectors of.
"""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

from running import Server

SERVER, LOAD, SPARSECBM, FOLDER = sys.argv[1:5]
REPOSITORY = Path(__file__).resolve().parents[2]
REVIEWS = REPOSITORY / "examples/data/cebab/validation.jsonl"
TOLERANCE = 1e-4
NAME = "sparsecbm"
TYPES = {"input_ids": ("INT64", np.int64), "attention_mask": ("INT64", np.int64)}
TEXT = "Great food, but we could not hear each other."


def file(model):
    return f"{FOLDER}/{model}.onnx"


def goldens(model):
    return json.loads((REPOSITORY / f"tests/goldens/{model}.json").read_text())["cases"]


def array(golden, name):
    return np.array(golden["data"], TYPES.get(name, ("", np.float32))[1]).reshape(golden["shape"])


def inputs(arrays, binary):
    tensors = []
    for name, values in arrays.items():
        tensor = triton.InferInput(name, values.shape, TYPES.get(name, ("FP32",))[0])
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return tensors


def said(model, *arguments):
    """What the command line says, on another engine."""
    command = [SPARSECBM, *arguments, "--json", "--engine", "tract"]
    return json.loads(subprocess.check_output(command))


def flat(value):
    """Numbers and the rest of an answer, apart."""
    if isinstance(value, dict):
        parts = [flat(part) for _, part in sorted(value.items())]
    elif isinstance(value, list):
        parts = [flat(part) for part in value]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value], []
    else:
        return [], [value]
    return [n for part in parts for n in part[0]], [o for part in parts for o in part[1]]


class ProtocolTest(unittest.TestCase):
    def test_what_there_is(self):
        case = goldens("cebab")[0]
        for engine in ("ort-cpu", "sparse"):
            with Server(SERVER, file("cebab"), "--engine", engine) as server:
                client = triton.InferenceServerClient(server.address)
                self.assertTrue(client.is_server_live())
                self.assertTrue(client.is_server_ready())
                self.assertTrue(client.is_model_ready(NAME))
                self.assertTrue(client.is_model_ready(NAME, "1"))
                self.assertFalse(client.is_model_ready("another"))
                self.assertIn("binary_tensor_data", client.get_server_metadata()["extensions"])
                metadata = client.get_model_metadata(NAME)
                for kind in ("inputs", "outputs"):
                    shapes = {tensor["name"]: tensor["shape"] for tensor in metadata[kind]}
                    self.assertEqual(set(shapes), set(case[kind]))
                    for name, shape in shapes.items():
                        golden = case[kind][name]["shape"]
                        self.assertEqual(len(shape), len(golden), name)
                        self.assertEqual(shape[0], -1, name)
                        for size, own in zip(shape, golden):
                            self.assertIn(size, (-1, own), name)
                ready = server.answer("/v2/health/ready")
                for device in (ready["device"], metadata["parameters"]["device"]):
                    self.assertEqual(device["engine"], engine)
                    self.assertEqual(set(device["nodes"]), {"CPUExecutionProvider"} if engine == "ort-cpu" else set())
                self.assertIn(engine, server.device)

    def test_golden_vectors(self):
        for model in sorted(path.stem for path in Path(FOLDER).glob("*.onnx")):
            for engine in ("ort-cpu", "sparse"):
                with Server(SERVER, file(model), "--engine", engine) as server:
                    client = triton.InferenceServerClient(server.address)
                    for case in goldens(model):
                        given = {name: array(golden, name) for name, golden in case["inputs"].items()}
                        for binary in (False, True):
                            self.compare(client, case, given, binary, f"{model} {engine} {case['name']}")

    def compare(self, client, case, given, binary, place):
        wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in case["outputs"]]
        result = client.infer(NAME, inputs(given, binary), outputs=wanted, request_id="7")
        self.assertEqual(result.get_response()["id"], "7")
        for name, golden in case["outputs"].items():
            expected, found = array(golden, name), result.as_numpy(name)
            self.assertEqual(found.shape, expected.shape, f"{place}: {name}")
            self.assertLessEqual(np.abs(found - expected).max(), TOLERANCE, f"{place}: {name}")

    def test_the_clients_defaults(self):
        case = goldens("tiny")[0]
        with Server(SERVER, file("tiny")) as server:
            client = triton.InferenceServerClient(server.address)
            given = {name: array(case["inputs"][name], name) for name in ("input_ids", "attention_mask")}
            result = client.infer(NAME, inputs(given, True), model_version="1")
            expected = array(case["outputs"]["label_logits"], "label_logits")
            self.assertLessEqual(np.abs(result.as_numpy("label_logits") - expected).max(), TOLERANCE)

    def test_wrong_tensors_are_errors(self):
        case = goldens("tiny")[0]
        good = {name: array(golden, name) for name, golden in case["inputs"].items()}
        ids, mask = good["input_ids"], good["attention_mask"]
        override, held = good["concept_override"], good["concept_override_mask"]
        wrong = [
            ({"another": held}, "another"),
            ({"input_ids": ids[0]}, "[batch, sequence]"),
            ({"input_ids": ids[:, :-1]}, "'attention_mask': shape"),
            ({"input_ids": ids + 10**6}, "vocabulary"),
            ({"input_ids": -ids}, "0 or more"),
            ({"attention_mask": mask * 0}, "0 ids"),
            ({"attention_mask": 1 - np.eye(*mask.shape, dtype=np.int64)}, "ones, then zeros"),
            ({"concept_override": override[:, :1]}, "'concept_override': shape"),
            ({"concept_override_mask": held + 0.5}, "0, 1 (suppose) or 2 (correct)"),
            ({"concept_override": override * 0 + 1, "concept_override_mask": held * 0 + 1}, "sum 1"),
            ({"input_ids": np.repeat(ids, 70, 0), "attention_mask": np.repeat(mask, 70, 0)}, "at most 64"),
        ]
        with Server(SERVER, file("tiny")) as server:
            client = triton.InferenceServerClient(server.address)
            for change, message in wrong:
                for binary in (False, True):
                    with self.assertRaises(InferenceServerException) as caught:
                        client.infer(NAME, inputs({**good, **change}, binary))
                    self.assertIn(message, str(caught.exception))
            for without in good:
                with self.assertRaises(InferenceServerException):
                    client.infer(NAME, inputs({k: v for k, v in good.items() if k != without}, True))
            with self.assertRaisesRegex(InferenceServerException, "nothing"):
                client.infer(NAME, inputs(good, True), outputs=[triton.InferRequestedOutput("nothing")])
            with self.assertRaisesRegex(InferenceServerException, "found 'another'"):
                client.infer("another", inputs(good, True))
            # After all of this it still answers.
            client.infer(NAME, inputs(good, True))


class TextTest(unittest.TestCase):
    def assert_close(self, found, expected):
        (found, other), (expected, same) = flat(found), flat(expected)
        self.assertEqual(other, same)
        self.assertEqual(len(found), len(expected))
        self.assertLessEqual(np.abs(np.subtract(found, expected)).max(), 1e-3)

    def test_answers_are_the_command_lines(self):
        with Server(SERVER, file("cebab")) as server:
            lines = REVIEWS.read_text().splitlines()[:20]
            texts = ["", TEXT, "naïve 🍕 " * 200] + [json.loads(line)["text"] for line in lines]
            answers = server.answer("/v1/predict", {"texts": texts})["predictions"]
            self.assertEqual([answer["text"] for answer in answers], texts)
            for text, answer in zip(texts[:5], answers):
                self.assert_close(answer, said("cebab", "predict", file("cebab"), text))

    def test_an_override_is_the_same_everywhere(self):
        for value in ("positive", [0.25, 0.5, 0.25]):
            with Server(SERVER, file("cebab")) as server:
                body = {"texts": [TEXT], "set": {"noise": value}}
                [answer] = server.answer("/v1/intervene", body)["predictions"]
                argument = value if isinstance(value, str) else ",".join(map(str, value))
                self.assert_close(answer, said("cebab", "predict", file("cebab"), TEXT, "--set", f"noise={argument}"))
                self.assertNotEqual(answer["label"]["logits"], answer["corrected"]["label"]["logits"])

                # As tensors, for the same token ids.
                ids = np.array([[token["id"] for token in answer["tokens"]]], np.int64)
                corrected = answer["corrected"]["concepts"]
                override = np.array([[concept["probabilities"] for concept in corrected]], np.float32)
                held = np.array([[concept["overridden"] for concept in corrected]], np.float32)
                self.assertEqual(held.sum(), 1)
                given = {"input_ids": ids, "attention_mask": ids * 0 + 1}
                given |= {"concept_override": override, "concept_override_mask": held}
                result = triton.InferenceServerClient(server.address).infer(NAME, inputs(given, False))
                found, expected = result.as_numpy("label_logits")[0], answer["corrected"]["label"]["logits"]
                self.assertLessEqual(np.abs(found - expected).max(), 1e-5)

    def test_supposing_and_correcting_are_mixed(self):
        with Server(SERVER, file("ragged")) as server:
            body = {"texts": ["good plot"], "set": {"seen": "yes"}, "correct": {"acting": "bad"}}
            [answer] = server.answer("/v1/intervene", body)["predictions"]
            arguments = ("--set", "seen=yes", "--correct", "acting=bad")
            self.assert_close(answer, said("ragged", "predict", file("ragged"), "good plot", *arguments))
            questions = {c["name"]: c["question"] for c in answer["corrected"]["concepts"]}
            self.assertEqual(questions, {"seen": "suppose", "pace": None, "acting": "correct"})

    def test_explanations(self):
        with Server(SERVER, file("cebab")) as server:
            explanation = server.answer("/v1/explain", {"text": TEXT, "set": {"noise": "positive"}})
            command = ["explain", file("cebab"), TEXT, "--set", "noise=positive"]
            self.assert_close(explanation, said("cebab", *command))
            explanation = server.answer("/v1/explain", {"text": TEXT, "max_words": 0})
            self.assertIsNone(explanation["occlusion"])

    def test_wrong_requests_are_errors(self):
        texts = {"texts": [TEXT]}
        wrong = [
            (400, "/v1/predict", b"{", "JSON"),
            (400, "/v1/predict", b"\xff", "JSON"),
            (400, "/v1/predict", {}, "texts"),
            (400, "/v1/predict", {"texts": []}, "at least one"),
            (400, "/v1/predict", {"texts": TEXT}, "a sequence"),
            (400, "/v1/predict", {**texts, "more": 1}, "more"),
            (400, "/v1/intervene", {**texts, "set": {"taste": "good"}}, "found 'taste'"),
            (400, "/v1/intervene", {**texts, "set": {"plot": "good"}}, "found 'good'"),
            (400, "/v1/intervene", {**texts, "set": {"plot": [1.0]}}, "1 values"),
            (400, "/v1/intervene", {**texts, "set": {"plot": {}}}, "a class name"),
            (400, "/v1/explain", {"text": TEXT, "policy": "none"}, "contribution"),
            (400, "/v2/models/sparsecbm/infer", b"[", "JSON"),
            (404, "/v3", None, "path"),
            (404, "/v2/models/sparsecbm/versions/2", None, "version"),
            (405, "/v1/predict", None, "method"),
            (413, "/v1/predict", {"texts": ["x" * 200_000]}, "limit"),
            (413, "/v1/predict", {"texts": ["x"] * 65}, "at most 64"),
            (413, "/v1/predict", {"texts": ["x", "y" * 3000]}, "text 1"),
        ]
        with Server(SERVER, file("tiny"), "--max-body", "100000", "--max-text", "2000") as server:
            for status, path, body, message in wrong:
                found, _, answer = server.ask(path, body)
                self.assertEqual(found, status, f"{path} {str(body)[:80]}: {answer}")
                self.assertIn(message, answer["error"])
            lies = {"Inference-Header-Content-Length": "9999999"}
            self.assertEqual(server.ask("/v2/models/sparsecbm/infer", {"inputs": []}, lies)[0], 400)
            server.answer("/v1/predict", texts)


class LoadTest(unittest.TestCase):
    def test_every_answer_is_of_its_own_text(self):
        on = ("--engine", "ort-cpu")
        with (
            Server(SERVER, file("tiny"), *on) as batched,
            Server(SERVER, file("tiny"), *on, "--batch-tokens", "0") as alone,
        ):
            servers = [f"http://{server.address}" for server in (batched, alone)]
            command = [LOAD, *servers, "--texts", REVIEWS, "--requests", "3000"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            sizes = [self.metrics(server)["sparsecbm_batch_texts"] for server in (batched, alone)]
            self.assertGreater(sizes[0]["sparsecbm_batch_texts_sum"], sizes[0]["sparsecbm_batch_texts_count"])
            self.assertEqual(sizes[1]["sparsecbm_batch_texts_sum"], sizes[1]["sparsecbm_batch_texts_count"])

    def metrics(self, server):
        families = text_string_to_metric_families(server.text("/metrics"))
        return {family.name: {sample.name: sample.value for sample in family.samples} for family in families}

    def test_requests_are_counted(self):
        with Server(SERVER, file("tiny")) as server:
            server.answer("/v1/predict", {"texts": [TEXT, TEXT]})
            server.ask("/v1/predict", b"{")
            server.ask("/nowhere")
            families = text_string_to_metric_families(server.text("/metrics"))
            [requests] = [family for family in families if family.name == "sparsecbm_requests"]
            counts = {(s.labels["route"], s.labels["status"]): s.value for s in requests.samples}
            expected = {("/v1/predict", "200"): 1, ("/v1/predict", "400"): 1, ("none", "404"): 1}
            self.assertEqual(counts, expected)

    def test_too_much_is_refused_and_then_answered_again(self):
        options = ["--engine", "ort-cpu", "--queue", "4", "--max-texts", "4", "--batch-tokens", "0"]
        body = {"texts": [TEXT * 20]}
        with Server(SERVER, file("cebab"), *options) as server:
            [expected] = server.answer("/v1/predict", body)["predictions"]
            with ThreadPoolExecutor(40) as pool:
                answers = list(pool.map(lambda _: server.ask("/v1/predict", body), range(80)))
            statuses = [status for status, _, _ in answers]
            self.assertEqual(set(statuses), {200, 429})
            for status, headers, answer in answers:
                if status == 200:
                    self.assertEqual(answer["predictions"], [expected])
                else:
                    self.assertEqual(headers["Retry-After"], "1")
                    self.assertEqual(answer["kind"], "overload")
            self.assertEqual(server.answer("/v1/predict", body)["predictions"], [expected])

    def waits_for(self, server, texts):
        """Returns once this many texts wait."""
        while self.metrics(server)["sparsecbm_waiting_texts"]["sparsecbm_waiting_texts"] < texts:
            time.sleep(0.001)

    def test_a_short_text_goes_before_long_ones(self):
        options = ["--engine", "sparse", "--workers", "1", "--queue", "512", "--max-texts", "512"]
        with Server(SERVER, file("cebab"), *options) as server, ThreadPoolExecutor(1) as pool:
            burst = pool.submit(server.answer, "/v1/predict", {"texts": [TEXT * 20] * 400})
            self.waits_for(server, 300)
            server.answer("/v1/predict", {"texts": [TEXT]})
            self.assertFalse(burst.done())
            self.assertEqual(len(burst.result()["predictions"]), 400)

    def test_a_long_text_among_endless_short_ones_is_answered(self):
        done = threading.Event()
        with Server(SERVER, file("cebab"), "--engine", "sparse", "--workers", "1") as server:

            def ask_short_ones():
                count = 0
                while not done.is_set():
                    count += len(server.answer("/v1/predict", {"texts": ["Good."] * 8})["predictions"])
                return count

            with ThreadPoolExecutor(4) as pool:
                asking = [pool.submit(ask_short_ones) for _ in range(4)]
                try:
                    self.waits_for(server, 16)
                    server.answer("/v1/predict", {"texts": [TEXT * 20]})
                finally:
                    done.set()
                # They went before it for a while.
                self.assertGreater(sum(future.result() for future in asking), 100)

    def test_half_requests_do_not_keep_others_out(self):
        post = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        halves = [b"", b"POST /v1/predict HT", post[:-2], post + b'{"texts"']
        options = ["--header-seconds", "2", "--body-seconds", "2"]
        with Server(SERVER, file("tiny"), *options, descriptors=128) as server:
            host, port = server.address.split(":")
            held = []
            try:
                for index in range(300):
                    connection = socket.create_connection((host, int(port)), timeout=60)
                    connection.sendall(halves[index % len(halves)])
                    held.append(connection)
                start = time.monotonic()
                server.answer("/v1/predict", {"texts": [TEXT]})
                self.assertLess(time.monotonic() - start, 60)
                # What began in time is told what it lacks.
                self.assertIn(b"408", held[3].recv(100))
                self.assertEqual(held[1].recv(100)[:12] in (b"", b"HTTP/1.1 408"), True)
            finally:
                for connection in held:
                    connection.close()
            server.answer("/v1/predict", {"texts": [TEXT]})

    def test_stopping_answers_what_was_begun(self):
        body = {"texts": [TEXT * 20] * 8}
        on = ("--engine", "ort-cpu")
        with Server(SERVER, file("cebab"), *on, "--batch-tokens", "0") as server, ThreadPoolExecutor(4) as pool:
            [expected, *_] = server.answer("/v1/predict", body)["predictions"]
            asked = [pool.submit(server.ask, "/v1/predict", body) for _ in range(4)]
            self.waits_for(server, 8)
            server.process.send_signal(signal.SIGTERM)
            answers = [future.result() for future in asked]
            self.assertEqual(server.process.wait(timeout=60), 0)
            for status, _, answer in answers:
                self.assertEqual(status, 200)
                self.assertEqual(answer["predictions"], [expected] * 8)
            with self.assertRaises(OSError):
                server.ask("/v2/health/live")

    def test_killed_it_answers_nothing_wrongly(self):
        texts = [json.loads(line)["text"] for line in REVIEWS.read_text().splitlines()[:20]]
        with Server(SERVER, file("tiny")) as server, ThreadPoolExecutor(16) as pool:
            logits = lambda answer: answer["predictions"][0]["label"]["logits"]
            expected = {text: logits(server.answer("/v1/predict", {"texts": [text]})) for text in texts}
            answered = []

            def ask(text):
                """Whether it was answered, then rightly."""
                try:
                    found = logits(server.answer("/v1/predict", {"texts": [text]}))
                except (OSError, HTTPException):
                    return False
                self.assertLessEqual(np.abs(np.subtract(found, expected[text])).max(), 1e-3)
                answered.append(text)
                return True

            asked = [pool.submit(ask, text) for text in texts * 200]
            while len(answered) < 400:
                time.sleep(0.001)
            server.kill()
            outcomes = [future.result() for future in asked]
            self.assertIn(True, outcomes)
            self.assertIn(False, outcomes)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
