"""training/annotate against a server that answers well, badly, late or not at all; and killed and taken up again."""

import contextlib
import io
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

try:
    import ruamel.yaml  # noqa: F401
except ImportError as error:  # the environment of training need not hold what annotation does
    raise unittest.SkipTest("needs requirements-annotation.txt") from error

from chat_server import ChatServer, completion, cut_short, hang_up, slowly, text_of

from sparsecbm_annotation import __main__, answers, concepts, prompts, server
from sparsecbm_annotation.labelled import Labelled
from sparsecbm_training import table

KEY = "sk-never-to-be-seen-4711"
CONCEPTS = """\
about: A review.
concepts:
  food:
    question: What of the food?
    classes:
      good: It praises it.
      bad: It finds fault with it.
  noise:
    question: How loud is it?
    classes:
      low: It is quiet.
      high: It is loud.
      unknown: It does not say.
"""
MARKS = {"good": "tasty", "bad": "stale", "low": "quiet", "high": "loud"}


def right(request):
    """The answer that the text's words call for, with log probabilities."""
    system = request["messages"][0]["content"]
    names = ["good", "bad"] if "food:" in system else ["low", "high", "unknown"]
    chosen = next((name for name in names if MARKS.get(name, "") in text_of(request)), names[-1])
    rest = 0.2 / (len(names) - 1)
    return completion(chosen, classes={name: math.log(0.8 if name == chosen else rest) for name in names})


class Annotating(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.texts = [
            f"Visit {i}: {'tasty' if i % 2 else 'stale'} and {'loud' if i % 3 else 'quiet'}" for i in range(24)
        ]
        rows = "".join(f'{i},"{text}",{i % 5}\n' for i, text in enumerate(self.texts))
        (self.folder / "texts.csv").write_text("id,review,stars\n" + rows)
        (self.folder / "concepts.yaml").write_text(CONCEPTS)
        self.out = self.folder / "labelled.csv"

    def serve(self, answer, models=None):
        served = ChatServer(answer, models)
        self.addCleanup(served.close)
        return served

    def arguments(self, served, *options):
        return [
            "annotate", str(self.folder / "texts.csv"), "--text", "review", "--out", str(self.out),
            "--concepts", str(self.folder / "concepts.yaml"), "--constrain", "none", "--model", "m",
            "--endpoint", served if isinstance(served, str) else served.url, *options,
        ]  # fmt: skip

    def free(self, served):
        """The arguments that leave it to the command how answers are constrained."""
        return [each for each in self.arguments(served) if each not in ("--constrain", "none")]

    def run_command(self, arguments):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = __main__.main(arguments)
        self.assertNotIn("Traceback", said.getvalue())
        self.assertNotIn(KEY, said.getvalue())
        return code, said.getvalue()

    def annotate(self, served, *options):
        return self.run_command(self.arguments(served, *options))

    def all_right(self, count=24):
        found = table.read([self.out])
        self.assertEqual(found.cells["food"][:count], [("good" if i % 2 else "bad") for i in range(count)])
        self.assertEqual(found.cells["noise"][:count], [("high" if i % 3 else "low") for i in range(count)])
        return found


class Labels(Annotating):
    def test_writes_a_table_that_training_takes(self):
        served = self.serve(lambda request, _: right(request))
        code, said = self.annotate(served, "--price", "1", "2")
        self.assertEqual(code, 0, said)
        found = self.all_right()
        self.assertEqual(len(served.requests), 48)
        self.assertEqual(found.columns[:5], ["id", "review", "stars", "food", "food=good"])
        self.assertEqual(found.cells["food=bad"][0], "0.8")
        self.assertEqual(found.cells["food source"][0], "model m, log probabilities")
        self.assertIn("after 20 of 24 texts", said)
        self.assertIn("a cost of", said)
        self.assertIn("this machine; nothing leaves it", said)
        self.assertIn("Next: training/check", said)
        # Other columns never leave.
        self.assertFalse(any("stars" in json.dumps(request) for request in served.requests))

    def test_every_kind_of_file(self):
        rows = [{"review": text, "n": i} for i, text in enumerate(self.texts)]
        (self.folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
        served = self.serve(lambda request, _: right(request))
        for kind in ("jsonl", "parquet", "tsv"):
            self.out = self.folder / f"labelled.{kind}"
            arguments = self.arguments(served)
            arguments[1] = str(self.folder / "texts.jsonl")
            self.assertEqual(self.run_command(arguments)[0], 0)
            found = self.all_right()
            self.assertEqual(float(found.cells["food=bad"][0]), 0.8)

    def test_equal_texts_are_asked_once_and_empty_ones_never(self):
        (self.folder / "texts.csv").write_text("id,review\n1,tasty loud\n2,tasty loud\n3,\n")
        served = self.serve(lambda request, _: right(request))
        self.assertEqual(self.annotate(served)[0], 0)
        self.assertEqual(len(served.requests), 2)
        self.assertEqual(table.read([self.out]).cells["food"], ["good", "good", ""])

    def test_all_concepts_of_a_text_at_once(self):
        def both(request, _):
            text = text_of(request)
            food, noise = "good" if "tasty" in text else "bad", "high" if "loud" in text else "low"
            return completion(json.dumps({"food": food, "noise": noise}))

        served = self.serve(both)
        code, said = self.annotate(served, "--per", "text", "--draws", "1")
        self.assertEqual(code, 0, said)
        self.assertEqual(len(served.requests), 24)
        self.assertEqual(self.all_right().cells["food source"][0], "model m, 1 draw")

    def test_draws_where_there_are_no_log_probabilities(self):
        def sometimes(request, _):
            found = right(request)
            if "food:" in request["messages"][0]["content"] and request["seed"] == 3:
                found = completion("good")
            found["choices"][0].pop("logprobs", None)
            return found

        served = self.serve(sometimes)
        code, said = self.annotate(served)
        self.assertEqual(code, 0, said)
        found = self.all_right()
        self.assertEqual(found.cells["food=bad"][0], "0.8")
        self.assertEqual(found.cells["food source"][0], "model m, 5 draws")

    def test_finds_what_the_server_takes(self):
        def picky(request, _):
            if "response_format" in request or "grammar" in request:
                return 400, {}, b'{"error": {"message": "response_format is not supported"}}'
            return right(request)

        code, said = self.run_command(self.free(self.serve(picky)))
        self.assertEqual(code, 0, said)
        self.assertIn("nothing keeps answers to the classes", said)
        self.all_right()

    def test_llama_cpp_gets_a_grammar(self):
        served = self.serve(lambda request, _: right(request), models=[{"id": "m", "owned_by": "llamacpp"}])
        code, said = self.run_command(self.free(served))
        self.assertEqual(code, 0, said)
        self.assertEqual(served.requests[0]["grammar"], 'root ::= ("good" | "bad")')
        self.all_right()


class BadServers(Annotating):
    def test_nonsense(self):
        def nonsense(request, _):
            return completion("As a language model …") if text_of(request) == self.texts[3] else right(request)

        served = self.serve(nonsense)
        code, said = self.annotate(served)
        self.assertEqual(code, 0, said)
        self.assertIn("2 questions have no answer; their cells are empty", said)
        self.assertIn("expected one of good, bad", said)
        found = table.read([self.out])
        self.assertEqual([found.cells[name][3] for name in ("food", "food=good", "food source")], ["", "", ""])
        self.assertEqual(found.cells["food"][4], "bad")

    def test_an_answer_cut_off(self):
        def cut(request, _):
            return completion("goo", finish="length") if text_of(request) == self.texts[3] else right(request)

        code, said = self.annotate(self.serve(cut))
        self.assertEqual(code, 0)
        self.assertIn("it was cut off", said)
        self.assertEqual(table.read([self.out]).cells["food"][3], "")

    def test_failures_that_pass(self):
        no_chat = (200, {}, b"<html>"), (200, {}, b'{"choices": []}')
        bad = [cut_short, hang_up, (500, {}, b"oops"), (503, {}, b""), *no_chat]

        def sometimes(request, times):
            return bad[len(text_of(request)) % len(bad)] if times == 0 else right(request)

        code, said = self.annotate(self.serve(sometimes))
        self.assertEqual(code, 0, said)
        self.all_right()

    def test_always_500(self):
        served = self.serve(lambda *_: (500, {}, b'{"error": {"message": "out of memory"}}'))
        code, said = self.annotate(served, "--retries", "1")
        self.assertEqual(code, 2)
        self.assertIn("error: ", said)
        self.assertIn("status 500: out of memory", said)
        self.assertFalse(self.out.exists())

    def test_half_way_500_keeps_what_was_answered(self):
        broken = threading.Event()

        def later(request, _):
            if len(served.requests) > 20 and not broken.is_set():
                return 500, {}, b"down"
            return right(request)

        served = self.serve(later)
        code, said = self.annotate(served, "--retries", "0")
        self.assertEqual(code, 2)
        self.assertIn("What was answered is kept", said)
        self.assertFalse(self.out.exists())
        broken.set()
        self.assertEqual(self.annotate(served)[0], 0)
        self.all_right()
        self.assertEqual(set(served.answered.values()), {1})

    def test_one_text_that_fails_for_ever_does_not_stop_the_others(self):
        def poisoned(request, _):
            return (500, {}, b"crash") if text_of(request) == self.texts[3] else right(request)

        served = self.serve(poisoned)
        code, said = self.annotate(served, "--retries", "1")
        self.assertEqual(code, 0, said)
        self.assertIn("2 questions have no answer", said)
        self.assertIn("status 500: crash; asked 2 times", said)
        self.assertEqual([table.read([self.out]).cells["food"][i] for i in (3, 5)], ["", "good"])

    def test_a_model_that_declines(self):
        def declines(request, _):
            found = right(request)
            if text_of(request) == self.texts[3]:
                found["choices"][0]["message"]["content"] = None
            return found

        code, said = self.annotate(self.serve(declines))
        self.assertEqual(code, 0, said)
        self.assertEqual(table.read([self.out]).cells["food"][3], "")

    def test_a_file_of_answers_that_is_none(self):
        self.out.with_name("labelled.csv.answers.sqlite").write_text("no data base" * 100)
        code, said = self.annotate(self.serve(lambda request, _: right(request)))
        self.assertEqual(code, 2)
        self.assertIn("cannot be used to keep answers", said)

    def test_rate_limit_is_obeyed(self):
        turned_away = []

        def limited(request, _):
            if not turned_away:
                turned_away.append(time.monotonic())
                return 429, {"Retry-After": "1"}, b'{"error": {"message": "slow down"}}'
            came.append(time.monotonic())
            return right(request)

        came = []
        code, said = self.annotate(self.serve(limited), "--parallel", "1")
        self.assertEqual(code, 0, said)
        self.assertGreaterEqual(came[0] - turned_away[0], 1.0)
        self.all_right()

    def test_slow(self):
        code, said = self.annotate(
            self.serve(lambda request, _: slowly(3, right(request))), "--timeout", "0.3", "--retries", "1"
        )
        self.assertEqual(code, 2)
        self.assertIn("did not answer in time (--timeout)", said)
        self.assertFalse(self.out.exists())

    def test_nobody_there(self):
        code, said = self.annotate("http://127.0.0.1:9/v1", "--retries", "0")
        self.assertEqual(code, 2)
        self.assertIn("cannot be reached", said)

    def test_refused_key_is_never_told(self):
        def refused(request, _):
            sent = served.headers[-1].get("Authorization")
            return 401, {}, json.dumps({"error": {"message": f"wrong key {sent}"}}).encode()

        served = self.serve(refused)
        with mock.patch.dict(os.environ, {"A_KEY": KEY}):
            code, said = self.annotate(served, "--key-env", "A_KEY")
        self.assertEqual(code, 2)
        self.assertIn("refuses the key that was sent", said)
        self.assertEqual(served.headers[0]["Authorization"], f"Bearer {KEY}")
        for path in self.folder.iterdir():
            self.assertNotIn(KEY.encode(), path.read_bytes())
        self.assertIn("--key-env", self.annotate(served)[1])
        self.assertNotIn("Authorization", served.headers[-1])

    def test_keys_where_they_do_not_belong(self):
        for url, told in (
            (f"https://u:{KEY}@host.invalid/v1", "holds a user, a password"),
            (f"https://host.invalid/v1?key={KEY}", "something behind '?'"),
            ("host.invalid", "expected an address"),
        ):
            code, said = self.annotate(url)
            self.assertEqual(code, 2)
            self.assertIn(told, said)
        with mock.patch.dict(os.environ, {"A_KEY": KEY}):
            code, said = self.annotate("http://host.invalid/v1", "--key-env", "A_KEY")
        self.assertIn("without encryption", said)
        self.assertIn("is empty", self.annotate("http://127.0.0.1:9/v1", "--key-env", "NO_SUCH_KEY")[1])

    def test_no_such_model(self):
        served = self.serve(lambda request, _: right(request), models=[{"id": "other"}])
        code, said = self.run_command(self.free(served))
        self.assertEqual((code, served.requests), (2, []))
        self.assertIn("has other", said)


class Budgets(Annotating):
    def test_requests(self):
        served = self.serve(lambda request, _: right(request))
        code, said = self.annotate(served, "--max-requests", "10")
        self.assertEqual(code, 3)
        self.assertIn("--max-requests: 10 of 10 requests are made", said)
        self.assertEqual(len(served.requests), 10)
        found = table.read([self.out])
        self.assertEqual(sum(cell != "" for name in ("food", "noise") for cell in found.cells[name]), 10)
        self.assertEqual(self.annotate(served, "--max-requests", "10")[0], 3)
        self.assertEqual(len(served.requests), 10)
        self.assertEqual(self.annotate(served, "--max-requests", "48")[0], 0)
        self.all_right()
        self.assertEqual(len(served.requests), 48)

    def test_tokens(self):
        served = self.serve(lambda request, _: right(request))
        code, said = self.annotate(served, "--max-tokens", "1000")
        self.assertEqual(code, 3)
        self.assertIn("--max-tokens", said)
        self.assertLessEqual(52 * len(served.requests), 1000)
        self.assertGreater(len(served.requests), 10)
        self.assertEqual(self.annotate(served)[0], 0)
        self.all_right()

    def test_what_a_person_checked_stays(self):
        served = self.serve(lambda request, _: right(request))
        self.assertEqual(self.annotate(served)[0], 0)
        labels = Labelled.read(self.out, "review")
        labels.set("noise", 4, "unknown", "random")
        labels.set("noise", 23, "unknown", "random")
        labels.save()
        (self.folder / "concepts.yaml").write_text(CONCEPTS.replace("How loud", "How noisy"))
        self.assertEqual(
            self.annotate(served, "--max-requests", "60")[0], 3
        )  # no answer for some, not even a checked one
        self.assertEqual(self.annotate(served)[0], 0)
        found = table.read([self.out])
        self.assertEqual((found.cells["noise"][4], found.cells["noise source"][4]), ("unknown", "person random"))
        self.assertEqual(found.cells["noise=high"][4], "0.8")
        self.assertEqual(len(served.requests), 48 + 24)

    def test_what_a_person_checked_is_never_lost(self):
        served = self.serve(lambda request, _: right(request))
        self.assertEqual(self.annotate(served)[0], 0)
        labels = Labelled.read(self.out, "review")
        labels.set("noise", 4, "unknown", "random")
        labels.save()
        before = self.out.read_bytes()
        (self.folder / "concepts.yaml").write_text(CONCEPTS.replace("      unknown: It does not say.\n", ""))
        code, said = self.annotate(served, "--overwrite")
        self.assertEqual((code, self.out.read_bytes()), (2, before))
        self.assertIn("row 6, column 'noise': found 'unknown'", said)

    def test_another_question_is_asked_anew_and_the_others_are_not(self):
        served = self.serve(lambda request, _: right(request))
        self.assertEqual(self.annotate(served)[0], 0)
        (self.folder / "concepts.yaml").write_text(CONCEPTS.replace("How loud", "How noisy"))
        self.assertEqual(self.annotate(served)[0], 0)
        self.assertEqual(len(served.requests), 48 + 24)


# Kills itself with the signal that no program can catch, at the given call of the given function.
KILLED = """
import os, signal, sys
from sparsecbm_annotation import __main__, labelled, ledger
where, count, after = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "after"
owner = ledger.Ledger if where in ("keep", "spend") else labelled
whole, calls = getattr(owner, where), [0]
def dying(*given):
    calls[0] += 1
    if calls[0] == count and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    result = whole(*given)
    if calls[0] == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, where, dying)
sys.exit(__main__.main(sys.argv[4:]))
"""


class Killed(Annotating):
    def test_killed_at_five_moments_nothing_is_asked_twice_and_no_label_is_lost(self):
        served = self.serve(lambda request, _: right(request))
        moments = [
            ("spend", 2, "before"),  # before the first request is sent
            ("keep", 5, "after"),  # an answer has just been kept
            ("spend", 20, "after"),  # a request is about to be sent
            ("keep", 15, "after"),
            ("write", 1, "before"),  # all is answered, nothing is written
        ]
        for where, count, when in moments:
            command = [
                sys.executable,
                "-c",
                KILLED,
                where,
                str(count),
                when,
                *self.arguments(served, "--parallel", "1"),
            ]
            result = subprocess.run(
                command, env=os.environ | {"PYTHONPATH": str(TESTS.parent)}, capture_output=True, text=True, check=False
            )
            self.assertEqual(result.returncode, -signal.SIGKILL, result.stdout + result.stderr)
            self.assertFalse(self.out.exists())
        code, said = self.annotate(served)
        self.assertEqual(code, 0, said)
        self.all_right()
        self.assertEqual(len(served.requests), 48)
        self.assertEqual(set(served.answered.values()), {1})

    def test_killed_while_requests_are_under_way_only_those_are_asked_again(self):
        stuck = threading.Event()

        def answer(request, _):
            if len(served.requests) > 12 and not stuck.is_set():
                return lambda handler: (stuck.wait(20), hang_up(handler))
            return right(request)

        served = self.serve(answer)
        command = [sys.executable, "-m", "sparsecbm_annotation", *self.arguments(served, "--parallel", "3")]
        running = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(TESTS.parent)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while len(served.requests) < 15 and time.monotonic() < until:
            time.sleep(0.05)
        running.kill()
        running.wait()
        stuck.set()
        self.assertEqual(self.annotate(served)[0], 0)
        self.all_right()
        self.assertEqual(len(served.requests), 48 + 3)
        self.assertEqual(set(served.answered.values()), {1})


class Questions(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = pathlib.Path(temporary.name) / "concepts.yaml"

    def refused(self, content, *said):
        self.path.write_text(content)
        with self.assertRaises(table.DataError) as caught:
            concepts.read(self.path)
        for part in said:
            self.assertIn(part, str(caught.exception))

    def test_errors_have_line_and_column(self):
        good = CONCEPTS
        self.refused(
            good.replace("    question: How loud is it?\n", ""),
            "line 8, column 3",
            "concepts.noise.question: expected this field",
        )
        self.refused(good.replace("question: How", "qustion: How"), "concepts.noise")
        self.refused(
            good.replace("good: It praises it.", "good: 3"), "line 6, column 7", "concepts.food.classes.good: found 3"
        )
        self.refused(good.replace("good: It", "yes=no: It"), "line 6", "expected a name without =")
        self.refused(good.replace("      bad: It finds fault with it.\n", ""), "line 5, column 5", "two classes")
        self.refused(good.replace("bad: It", "good: It"), "line 7, column 7", "is no YAML", "duplicate")
        self.refused(good.replace("bad: It", "Good: It"), "line 7, column 7", "capitals")
        self.refused(
            good + "    examples:\n      - text: a\n        answer: loud\n",
            "line 16, column 9",
            "found the answer 'loud'",
        )
        self.refused(good.replace("about:", "about: ["), "is no YAML", "line")
        self.refused("- food\n", "line 1, column 1")
        self.refused("concepts: {}\n", "line 1, column 1", "one concept")
        self.refused(good + "colour: red\n", "line 14, column 1", "colour: there is no such field")

    def test_numbers_may_be_names_of_classes(self):
        self.path.write_text(
            "concepts:\n  stars:\n    question: How many?\n    classes:\n      1: bad\n      5: good\n"
        )
        self.assertEqual(list(concepts.read(self.path).concepts["stars"].classes), ["1", "5"])

    def test_the_example_is_sound(self):
        concepts.write_template(self.path)
        self.assertEqual(len(concepts.read(self.path).concepts), 2)
        with self.assertRaises(table.DataError):
            concepts.write_template(self.path)


class Probabilities(unittest.TestCase):
    def shares(self, classes, content, tokens, *, alone=True, constraint=prompts.NONE):
        concept = concepts.Concept(question="?", classes=dict.fromkeys(classes, "x"))
        question = prompts.Question(None, {"c": concept}, alone)
        form = prompts.Form("m", constraint, True, 1)
        spelt = [
            server.Token(text, math.log(own), [server.Alternative(each, math.log(p)) for each, p in others.items()])
            for text, own, others in tokens
        ]
        return answers.read(question, server.Reply(content, "stop", spelt), form)["c"]

    def expect(self, found, **wanted):
        for name, share in wanted.items():
            self.assertAlmostEqual(found[name.replace("_", " ")], share, places=6)

    def test_one_token_each(self):
        self.expect(
            self.shares(["yes", "no"], "yes", [("yes", 0.6, {"yes": 0.6, "no": 0.2, "well": 0.2})]), yes=0.75, no=0.25
        )

    def test_several_tokens_and_a_common_beginning(self):
        tokens = [(" very", 0.5, {" very": 0.5, "good": 0.3}), (" good", 0.9, {" good": 0.9, " bad": 0.1})]
        found = self.shares(["very good", "very bad", "good"], " very good", tokens)
        self.expect(found, very_good=0.45 / 0.8, very_bad=0.05 / 0.8, good=0.3 / 0.8)

    def test_inside_json(self):
        tokens = [
            ('{"', 1.0, {}),
            ("c", 1.0, {}),
            ('": "', 1.0, {}),
            ("no", 0.7, {"no": 0.7, "yes": 0.3}),
            ('"}', 1.0, {}),
        ]
        self.expect(self.shares(["yes", "no"], '{"c": "no"}', tokens, constraint=prompts.SCHEMA), yes=0.3, no=0.7)

    def test_a_class_that_begins_another(self):
        tokens = [("good", 0.9, {"bad": 0.1}), (" enough", 0.4, {"\n": 0.6})]
        found = self.shares(["good", "good enough", "bad"], "good enough", tokens)
        self.expect(found, good=0.54, good_enough=0.36, bad=0.1)

    def test_tokens_that_do_not_spell_the_answer_are_not_believed(self):
        self.expect(self.shares(["yes", "no"], "yes", [("x", 0.6, {"no": 0.4})]), yes=1.0, no=0.0)


if __name__ == "__main__":
    unittest.main()
