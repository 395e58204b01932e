"""Tables of training/annotate: probabilities are labels, what a person said counts for more, and is measured alone."""

import pathlib
import sys
import tempfile
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import columns, data, output, table, targets

ROWS = """\
text,food,food=good,food=bad,food source,origin,origin source,stars
a,good,0.9,0.1,"model m, log probabilities",local,market,1
b,bad,0.9,0.1,"model m, log probabilities",far,farm,2
c,good,0.6,0.4,person random,local,farm,1
d,bad,0.6,0.4,person unsure,local,farm,2
e,,,,,far,market,1
"""


class Provenance(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        path = pathlib.Path(temporary.name) / "labelled.csv"
        path.write_text(ROWS)
        self.table = table.read([path])

    def part(self, **options):
        said = columns.Columns("text", "stars", ["food"], **options)
        self.schema = columns.find([self.table], said).schema
        return columns.examples(self.table, said, self.schema)[0]

    def test_a_class_beside_its_probabilities(self):
        part = self.part()
        self.assertEqual(self.schema.classes, [["bad", "good"]])
        # The model's; changed by hand; two that a person checked; nothing.
        wanted = [[0.1, 0.9], [1, 0], [0, 1], [1, 0], [0, 0]]
        self.assertTrue(torch.allclose(part.concepts[:, 0], torch.tensor(wanted)))
        self.assertEqual(part.checked[:, 0].tolist(), [False, False, True, True, False])

    def test_where_labels_come_from_is_no_concept(self):
        self.assertEqual(list(columns.sources(self.table)), ["text", "food", "origin", "origin source", "stars"])

    def test_what_a_person_said_counts_for_more(self):
        part = self.part(person_weight=3.0)

        class Tokens:
            device = torch.device("cpu")

        tokens = Tokens()
        tokens.part = part
        weights = targets.Targets(tokens).concept_weights[:, 0]
        self.assertEqual(weights.tolist(), [1, 1, 3, 3, 0])

    def test_kept_when_divided_and_joined(self):
        part = self.part()
        again = data.joined([part.take([2, 0]), part.take([3])])
        self.assertEqual(again.checked[:, 0].tolist(), [True, False, True])
        self.assertEqual(again.trust[:, 0].tolist(), [5, 1, 5])

    def test_accuracy_on_checked_labels_alone(self):
        part = self.part()
        logits = torch.tensor([[0.0, 1.0]] * 5)[:, None]  # always good
        found = output.on_checked(logits, part.gold, part.checked, self.schema)
        self.assertEqual(
            found, {"labels": 2, "concept_accuracy": 0.5, "concepts": {"food": {"labels": 2, "accuracy": 0.5}}}
        )
        self.assertIn("2 concept labels", output.checked_line({"checked": found})[0])
        self.assertIsNone(output.on_checked(logits, part.gold, torch.zeros(5, 1, dtype=torch.bool), self.schema))


if __name__ == "__main__":
    unittest.main()
