"""Tables that cannot be trained on, and what is said of each: the column, the row, what was found, what was
expected."""

import contextlib
import io
import json
import pathlib
import random
import sys
import tempfile
import unittest
from unittest import mock

import pandas

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import __main__  # noqa: E402

ROWS = 60
WORDS = "the food was good bad nice loud slow great room waiter music never again always".split()


def rows(count=ROWS):
    draw = random.Random(0)
    return [
        {"review": " ".join(draw.choices(WORDS, k=12)), "food": draw.choice(["good", "bad"]),
         "noise": draw.choice(["low", "high"]), "stars": draw.choice([1, 2, 3])}
        for _ in range(count)
    ]  # fmt: skip


def as_csv(table, separator=","):
    return pandas.DataFrame(table).to_csv(index=False, sep=separator)


class BadTables(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.table = rows()

    def refused(self, content, *said, name="table.csv", options=(), more=(), text="review", label="stars"):
        """That the command stops with code 2, says all of `said` in one error, and writes nothing."""
        path = self.folder / name
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        out = self.folder / "out"
        errors = io.StringIO()
        command = [str(path), *more, "--text", text, "--label", label, "--out", str(out), *options]
        # Nothing is loaded for a table that cannot be trained on.
        unused = mock.patch.object(__main__, "find_backbone", side_effect=AssertionError("not refused"))
        with unused, contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            code = __main__.main(command)
        message = errors.getvalue()
        self.assertEqual(code, 2, message)
        self.assertTrue(message.startswith("error: "), message)
        for part in said:
            self.assertIn(part, message)
        self.assertFalse(out.exists())

    def changed(self, row, column, value):
        self.table[row][column] = value
        return self.table

    def lines(self):
        return [json.dumps(row) for row in self.table]

    def test_no_such_file(self):
        self.refused(None, "table.csv", "no such file")

    def test_unknown_ending(self):
        self.refused(b"x", "'.xlsx'", "expected a .csv", name="table.xlsx")

    def test_empty_file(self):
        self.refused(b"", "is empty")

    def test_header_alone(self):
        self.refused("review,food,stars\n", "no rows")

    def test_no_such_column(self):
        self.refused(as_csv(self.table), "--label", "'starz'", "did you mean 'stars'?", label="starz")

    def test_text_and_label_the_same(self):
        self.refused(as_csv(self.table), "two columns", label="review")

    def test_duplicate_header(self):
        self.refused("review,food,food,stars\na,b,c,1\n", "'food' twice", "columns 2 and 3")

    def test_header_without_a_name(self):
        self.refused("review,,stars\na,b,1\n", "column 2 has no name")

    def test_row_too_long(self):
        self.refused(as_csv(self.table) + "a,good,low,1,more\n", f"row {ROWS + 2}", "found 5 fields", "expected 4")

    def test_row_too_short(self):
        self.refused(as_csv(self.table) + "a,good\n", f"row {ROWS + 2}", "found 2 fields", "expected 4")

    def test_quotation_mark_never_closed(self):
        self.refused(as_csv(self.table) + '"a,good,low,1\n', "never closed")

    def test_not_unicode(self):
        self.refused(
            as_csv(self.table).encode() + "Café,good,low,1\n".encode("cp1252"), f"line {ROWS + 2}", "0xe9", "--encoding"
        )

    def test_a_spreadsheet_named_csv(self):
        self.refused(b"PK\x03\x04\x00\x00abc", "zero byte")

    def test_broken_json_line(self):
        lines = [*self.lines(), '{"review": "a", ']
        self.refused("\n".join(lines), f"row {ROWS + 1}", "is no JSON", name="table.jsonl")

    def test_json_line_that_is_no_object(self):
        self.refused("\n".join([*self.lines(), "[1, 2]"]), f"row {ROWS + 1}", "expected an object", name="table.jsonl")

    def test_json_field_twice(self):
        line = '{"review": "a", "review": "b", "stars": 1}'
        self.refused("\n".join([*self.lines(), line]), f"row {ROWS + 1}", "'review' twice", name="table.jsonl")

    def test_damaged_parquet(self):
        self.refused(b"PAR1 nothing", "is no Parquet file", name="table.parquet")

    def test_label_of_one_class(self):
        self.refused(as_csv([row | {"stars": 3} for row in self.table]), "'stars'", "found '3' in every row")

    def test_label_of_50000_classes(self):
        many = [{"review": f"text {i}", "food": "ab"[i % 2], "stars": i} for i in range(50_000)]
        self.refused(as_csv(many), "'stars'", "50,000 different classes", "at most 100")

    def test_text_of_numbers(self):
        self.refused(as_csv([row | {"review": i} for i, row in enumerate(self.table)]), "'review'", "found numbers")

    def test_text_that_is_none(self):
        self.refused(
            "\n".join(map(json.dumps, self.changed(4, "review", 17))),
            "row 5",
            "'review'",
            "found 17",
            name="table.jsonl",
        )

    def test_no_concept(self):
        left = [{"review": row["review"], "stars": row["stars"], "same": 1} for row in self.table]
        self.refused(as_csv(left), "no column for a concept", "'same' is '1' in every row")

    def test_constant_concept(self):
        self.refused(
            as_csv([row | {"food": "good"} for row in self.table]),
            "'food'",
            "every row",
            options=["--concepts", "food"],
        )

    def test_too_few_rows(self):
        self.refused(as_csv(self.table[:12]), "found 12 rows", "at least 40")

    def test_negative_probability(self):
        table = self.changed(7, "food", {"good": 1.5, "bad": -0.5})
        options = ["--concepts", "food"]
        self.refused("\n".join(map(json.dumps, table)), "row 8", "-0.5 for 'bad'", name="table.jsonl", options=options)

    def test_probabilities_that_are_no_json(self):
        table = self.changed(2, "food", "{good}")
        self.refused(as_csv(table), "row 4", "'food'", "is no JSON", options=["--concepts", "food"])

    def test_list_in_place_of_a_class(self):
        table = self.changed(2, "stars", [1, 2])
        self.refused("\n".join(map(json.dumps, table)), "row 3", "'stars'", "[1, 2]", name="table.jsonl")

    def test_negative_weight(self):
        table = [row | {"weight": -1 if i == 3 else 1} for i, row in enumerate(self.table)]
        self.refused(as_csv(table), "row 5", "'weight'", "0 or more", options=["--weight", "weight"])

    def test_label_order_of_other_classes(self):
        self.refused(as_csv(self.table), "--label-order", "'4'", options=["--label-order", "1", "2", "4"])

    def test_edit_of_no_concept(self):
        table = [row | {"id": i, "edit": "colour" if i == 9 else ""} for i, row in enumerate(self.table)]
        self.refused(as_csv(table), "row 11", "'colour'", "'food', 'noise'", options=["--pairs", "id", "edit"])

    def test_files_of_other_columns(self):
        other = self.folder / "other.csv"
        other.write_text("review,stars\na,1\n")
        self.refused(as_csv(self.table), "other.csv", "lacks 'food', 'noise'", more=[str(other)])

    def test_validation_without_the_label(self):
        other = self.folder / "other.csv"
        other.write_text("review,food,noise\na,good,low\n")
        self.refused(as_csv(self.table), "--validation", "'stars'", options=["--validation", str(other)])

    def test_class_that_training_never_sees(self):
        other = self.folder / "other.csv"
        other.write_text(as_csv([row | {"review": "x " + row["review"], "food": "odd"} for row in self.table]))
        self.refused(as_csv(self.table), "'food'", "'odd'", "no row to train on", options=["--validation", str(other)])

    def test_a_group_for_all(self):
        table = [row | {"user": "one"} for row in self.table]
        self.refused(as_csv(table), "5 at least", "--group", options=["--group", "user"])

    def test_options_out_of_range(self):
        for options, said in ((["--sparsity", "1.5"], "--sparsity"), (["--max-length", "3"], "--max-length")):
            self.refused(as_csv(self.table), said, "expected", options=options)

    def test_nothing_to_resume(self):
        self.refused(None, "no such file", options=["--resume"])


if __name__ == "__main__":
    unittest.main()
