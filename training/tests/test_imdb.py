import io
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from sparsecbm_training import imdb

HEADER = "Review,Sentiment," + ",".join(imdb.CONCEPTS)


def read(*lines):
    return imdb.rows(io.StringIO("\n".join([HEADER, *lines])), "some.csv")


class Imdb(unittest.TestCase):
    def test_dirty_labels_are_put_right_and_counted(self):
        reviews, changed = read(
            '"Dull, and long.","Negative ",negative,Unkown,,positive,unknown,Positive, NEGATIVE,unknown',
            "Fun!,positive,positive,Unkown,unknown,positive,unknown,no majority,negative,unknown",
        )
        self.assertEqual([review["rating"] for review in reviews], ["negative", "positive"])
        self.assertEqual(reviews[0]["text"], "Dull, and long.")
        found = [reviews[0][name] for name in imdb.CONCEPTS]
        self.assertEqual(
            found, ["negative", "unknown", "unknown", "positive", "unknown", "positive", "negative", "unknown"]
        )
        self.assertEqual(
            changed,
            {
                ("sentiment", "Negative "): 1,
                ("storyline", "Unkown"): 2,
                ("emotional arousal", ""): 1,
                ("directing", "Positive"): 1,
                ("directing", "no majority"): 1,
                ("background setting", " NEGATIVE"): 1,
            },
        )

    def test_what_is_not_known_is_named(self):
        with self.assertRaisesRegex(ValueError, "row 1: acting: found 'splendid', expected one of negative"):
            read("Fun!,positive,splendid,,,,,,,")
        with self.assertRaisesRegex(ValueError, "row 1: sentiment: found ''"):
            read("Fun!,,positive,,,,,,,")
        with self.assertRaisesRegex(ValueError, r"no column \['sentiment'"):
            imdb.rows(io.StringIO("review,acting\n"), "some.csv")


if __name__ == "__main__":
    unittest.main()
