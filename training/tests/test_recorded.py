"""The exchange of 40 reviews of CEBaB with a real llama.cpp server and a real small model, as tests/parts/annotate
recorded it: what was asked is asked again, word for word, and the same labels come out. The model itself does not run
here."""

import contextlib
import gzip
import io
import json
import pathlib
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS.parents[1] / "tests/annotate")]

try:
    import ruamel.yaml  # noqa: F401
except ImportError as error:  # the environment of training need not hold what annotation does
    raise unittest.SkipTest("needs requirements-annotation.txt") from error

import real
from chat_server import ChatServer

from sparsecbm_annotation import agreement


class Recorded(unittest.TestCase):
    def test_the_recorded_exchange_gives_the_recorded_labels(self):
        recorded = json.loads(gzip.decompress((TESTS / "exchange.json.gz").read_bytes()))
        known = {json.dumps(one["request"], sort_keys=True): one for one in recorded["exchange"]}

        def answer(request, _):
            one = known.get(json.dumps(request, sort_keys=True))
            if one is None:
                return 404, {}, b'{"error": {"message": "not recorded"}}'
            return one["status"], {}, json.dumps(one["answer"]).encode()

        served = ChatServer(answer, recorded["models"])
        self.addCleanup(served.close)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            found = real.label(pathlib.Path(folder), served.url, recorded["model"])
        for name in real.CONCEPTS:
            self.assertEqual(found.cells[name], recorded["labels"][name])
            for i in range(len(found)):
                shares = [found.cells[f"{name}={each}"][i] for each in ("positive", "negative", "unknown")]
                self.assertAlmostEqual(sum(shares), 1.0, places=3)
        self.assertEqual(set(served.answered.values()), {1})
        print("recorded, not run: " + "; ".join(agreement.told(each) for each in real.agreements(found)))


if __name__ == "__main__":
    unittest.main()
