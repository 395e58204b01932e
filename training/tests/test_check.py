"""training/check: what a person sees next, what is saved, what is reported; the page over HTTP and the terminal."""

import contextlib
import csv
import io
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent)]

try:
    import httpx
    import ruamel.yaml  # noqa: F401
except ImportError as error:  # the environment of training need not hold what annotation does
    raise unittest.SkipTest("needs requirements-annotation.txt") from error

from sparsecbm_annotation import __main__, agreement
from sparsecbm_annotation.labelled import Labelled
from sparsecbm_annotation.session import RANDOM, UNSURE, Session
from sparsecbm_training import table

SOURCE = "model m, log probabilities"


def write(path, count=40):
    """The model is surer of later texts."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        header = "review,food,food=good,food=bad,food source,noise,noise=low,noise=high,noise source"
        writer.writerow(header.split(","))
        for i in range(count):
            sure = round(0.5 + 0.49 * i / count, 4)
            rest = round(1 - sure, 4)
            food, noise = ["good", sure, rest, SOURCE], ["high", rest, sure, SOURCE]
            writer.writerow([f"text <b>{i}</b>, long enough", *food, *noise])


class Checking(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = pathlib.Path(temporary.name) / "labelled.csv"
        write(self.path)

    def session(self, share=0.5):
        return Session(Labelled.read(self.path, None), share)


class Order(Checking):
    def test_random_and_unsure_by_turns_each_text_once(self):
        session, seen = self.session(), []
        while found := session.next():
            i, drawn = found
            seen.append(found)
            for name, chosen in (("food", "bad"), ("noise", "high")):
                session.say(i, name, chosen, drawn)
        self.assertEqual(len({i for i, _ in seen}), 40)
        self.assertEqual([drawn for _, drawn in seen[:6]], [RANDOM, UNSURE] * 3)
        unsure = [i for i, drawn in seen[:12] if drawn == UNSURE]
        self.assertEqual(unsure, sorted(unsure))  # the model is least sure of the first
        self.assertLess(max(unsure), 12)

    def test_a_text_checked_before_its_turn_counts_as_random(self):
        session = self.session()
        first = session.shuffled[0]
        for name, chosen in (("food", "bad"), ("noise", "high")):
            session.say(first, name, chosen, UNSURE)
        self.assertNotEqual(session.next()[0], first)
        self.assertEqual(session.drawn(first), [RANDOM, RANDOM])

    def test_saved_at_once_and_taken_up_again(self):
        session = self.session()
        i, drawn = session.next()
        session.say(i, "food", "bad", drawn)
        again = table.read([self.path])
        self.assertEqual((again.cells["food"][i], again.cells["food source"][i]), ("bad", "person random"))
        self.assertEqual(again.cells["food=good"][i], str(session.labelled.shares("food", i)["good"]))
        self.assertEqual(self.session().next(), (i, drawn))
        session.say(i, "noise", "high", drawn)
        self.assertNotEqual(self.session().next()[0], i)

    def test_passed_over_comes_last(self):
        session = self.session(1.0)
        first, _ = session.next()
        session.later.add(first)
        self.assertNotEqual(session.next()[0], first)

    def test_changed_by_another_program(self):
        session = self.session()
        write(self.path, 41)
        with self.assertRaisesRegex(table.DataError, "changed by another program"):
            session.say(0, "food", "bad", RANDOM)

    def test_equal_texts_are_labelled_together(self):
        lines = self.path.read_text().splitlines()
        self.path.write_text("\n".join([*lines, lines[1]]))
        session = self.session()
        self.assertEqual(session.rows[0], [0, 40])
        session.say(0, "food", "bad", UNSURE)
        self.assertEqual(session.labelled.label("food", 40), "bad")


class Report(Checking):
    def test_only_random_texts_count(self):
        session = self.session()
        session.say(3, "food", "bad", UNSURE)
        session.say(4, "food", "good", RANDOM)
        food, noise = session.report()
        self.assertEqual((food.texts, food.agreed, noise.texts), (1, 1, 0))

    def test_advice(self):
        draw = random.Random(0)
        person = [draw.choice("ab") for _ in range(60)]
        of_use = agreement.measure("c", ["a", "b"], [(each, each) for each in person])
        self.assertEqual((of_use.accuracy, of_use.kappa, of_use.advice), (1.0, 1.0, "of use as it is"))
        guessed = agreement.measure("c", ["a", "b"], [("a", each) for each in person])
        wanted = "rewrite the question, or ask a better model; most often the model says 'a' where you say 'b'"
        self.assertIn(wanted, guessed.advice)
        self.assertAlmostEqual(guessed.kappa, 0.0)
        self.assertIn("too few", agreement.measure("c", ["a", "b"], [("a", "b")] * 19).advice)
        alike = agreement.measure("c", ["a", "b"], [("a", "a")] * 30)
        self.assertEqual((alike.accuracy, alike.kappa), (1.0, None))

    def test_figures(self):
        pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
        found = agreement.measure("c", ["a", "b"], pairs)
        self.assertAlmostEqual(found.accuracy, 0.7)
        self.assertAlmostEqual(found.kappa, 0.4)  # (0.7 - 0.5) / (1 - 0.5)
        self.assertAlmostEqual(found.accuracy_range[0], 0.5625, places=4)  # Wilson, by its formula
        self.assertAlmostEqual(found.accuracy_range[1], 0.8090, places=4)


class BadTables(Checking):
    def refused(self, content, *said):
        self.path.write_text(content)
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            self.assertEqual(__main__.main(["check", str(self.path), "--report"]), 2)
        for part in said:
            self.assertIn(part, errors.getvalue())

    def test_what_is_no_labelled_table(self):
        good = self.path.read_text()
        self.refused("review,food\na,good\n", "has no labels of training/annotate")
        self.refused(
            good.replace(",good,", ",tasty,", 1), "row 2, column 'food'", "'tasty'", "expected one of 'good', 'bad'"
        )
        self.refused(
            good.replace(",0.5,", ",half,", 1), "row 2, column 'food=good'", "'half'", "expected a probability"
        )


class Terminal(Checking):
    def run_keys(self, keys, *options):
        said = io.StringIO()
        with mock.patch("sys.stdin", io.StringIO(keys)), contextlib.redirect_stdout(said):
            self.assertEqual(__main__.main(["check", str(self.path), "--terminal", *options]), 0)
        return said.getvalue()

    def test_keys(self):
        first, second = (self.session().shuffled[0], 0)
        said = self.run_keys("2\nz1aq")
        session = self.session()
        self.assertEqual([session.labelled.label(name, first) for name in ("food", "noise")], ["bad", "high"])
        self.assertEqual([session.labelled.label(name, second) for name in ("food", "noise")], ["good", "high"])
        self.assertEqual(session.counts, (2, 1))
        self.assertIn("text <b>0</b>", said)
        self.assertIn("2 of 40 texts are checked, 1 of them drawn at random", said)

    def test_blind_shows_nothing_of_the_model(self):
        said = self.run_keys("\naq", "--blind")
        self.assertNotIn("%", said.split("texts are checked")[0])
        self.assertEqual(self.session().counts, (0, 0))


class Page(Checking):
    def setUp(self):
        super().setUp()
        command = [sys.executable, "-u", "-m", "sparsecbm_annotation", "check", str(self.path), "--no-open"]
        self.served = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PYTHONPATH": str(TESTS.parent)}
        )
        self.addCleanup(self.end)
        self.address = self.served.stdout.readline().strip()
        self.assertRegex(self.address, r"^http://127\.0\.0\.1:\d+/[\w-]{32}/$")
        self.client = httpx.Client(transport=httpx.HTTPTransport(retries=5), trust_env=False)
        self.addCleanup(self.client.close)

    def end(self):
        self.served.terminate()
        self.served.wait()
        self.served.stdout.close()

    def get(self, path):
        return self.client.get(self.address + path)

    def say(self, **given):
        return self.client.post(self.address + "say", json=given)

    def test_a_person_checks(self):
        page = self.get("")
        self.assertEqual(page.status_code, 200)
        self.assertIn("default-src 'none'", page.headers["content-security-policy"])
        self.assertFalse(re.findall(r"https?://", page.text + self.get("page.js").text + self.get("page.css").text))
        found = self.get("next").json()["next"]
        self.assertEqual(found["drawn"], "random")
        self.assertEqual([each["name"] for each in found["concepts"]], ["food", "noise"])
        answer = self.say(text=found["text"], concept="food", drawn="random", **{"class": "bad"})
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(table.read([self.path]).cells["food source"][found["text"]], "person random")
        self.assertIn("food: agreed in 0 of 1", self.get("report").json()["lines"][0])
        self.say(text=found["text"], concept="", drawn="random", **{"class": None})
        self.assertNotEqual(self.get("next").json()["next"]["text"], found["text"])

    def test_strangers_are_refused(self):
        root = self.address[: self.address.index("/", 8)]
        for path in ("/", "/next", f"/{'a' * 32}/next"):
            self.assertEqual(self.client.get(root + path).status_code, 404)
        self.assertEqual(self.client.get(self.address, headers={"Host": "evil.example"}).status_code, 400)
        for given in (
            {},
            {"text": 0, "concept": "food", "class": "odd", "drawn": "random"},
            {"text": 99, "concept": "food", "class": "bad", "drawn": "random"},
        ):
            answer = self.say(**given)
            self.assertEqual(answer.status_code, 400)
            self.assertTrue(answer.json()["error"])
        self.assertEqual(self.client.post(self.address + "say", content=b"{").status_code, 400)
        self.assertEqual(self.get("text/999").status_code, 404)


if __name__ == "__main__":
    unittest.main()
