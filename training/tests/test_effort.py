"""Checks how much work is planned for how much data, and what a time limit makes of it."""

import pathlib
import sys
import tempfile
import types
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import options, recipe, targets  # noqa: E402
from sparsecbm_training.recipe import Recipe, Size  # noqa: E402
from sparsecbm_training.run import SECONDS_OUTSIDE, Run  # noqa: E402
from sparsecbm_training.table import DataError  # noqa: E402

RECIPES = pathlib.Path(__file__).resolve().parents[1] / "recipes"
SMALL = Size(texts=1_246, tokens=33, concepts=4, weights=5_300_000)


class Effort(unittest.TestCase):
    def test_costly_steps_are_fewer(self):
        cheap = recipe.fitted_to(Recipe(), SMALL, "standard")
        self.assertEqual(cheap.steps, round(0.8 * cheap.dense_steps))
        costly = recipe.fitted_to(Recipe(), SMALL._replace(tokens=120, concepts=20), "standard")
        self.assertEqual(costly.dense_steps, cheap.dense_steps)
        self.assertLess(costly.steps, cheap.steps)
        spent = (costly.steps + costly.average_steps) * 20 * 120 * SMALL.weights * costly.batch
        self.assertAlmostEqual(spent / recipe.MOST["standard"], 1.0, delta=0.02)
        huge = recipe.fitted_to(Recipe(), SMALL._replace(weights=10**12), "standard")
        self.assertEqual(huge.steps, recipe.LEAST_STEPS)

    def test_what_is_given_stays(self):
        given = Recipe(steps=7, prunings=2, batch=5, average_steps=0)
        fitted = recipe.fitted_to(given, SMALL._replace(weights=10**12), "fast")
        self.assertEqual((fitted.steps, fitted.prunings, fitted.batch, fitted.average_steps), (7, 2, 5, 0))

    def test_the_shipped_recipe_leaves_no_steps_open(self):
        given = options.parse(["--options", str(RECIPES / "cebab.toml"), "--look"])
        wanted = options.recipe_of(given)
        fitted = recipe.fitted_to(wanted, SMALL, given.quality)
        for name in (*recipe.STAGES, "batch", "prunings", "whole_batches", "dense_rate"):
            self.assertEqual(getattr(fitted, name), getattr(wanted, name), name)


class Limit(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.out = pathlib.Path(temporary.name)

    def run_of(self, limit):
        return Run(self.out, {"dense CBM": 100.0, "sparse CBM": 300.0, "measuring": 100.0}, {}, False, limit)

    def test_one_too_short_for_a_tenth_of_the_steps_is_refused(self):
        run = self.run_of(50.0)
        with self.assertRaisesRegex(DataError, "found 50 s; .* about 155 s here; expected 160s or more"):
            run.stage("dense CBM", lambda: {"left": run.steps_left(1.0, 1.0)})

    def test_what_has_no_steps_is_left_time(self):
        run = self.run_of(SECONDS_OUTSIDE + 200.0)
        left = run.stage("dense CBM", lambda: {"left": run.steps_left(1.0, 1.0)})["left"]
        self.assertIn(left, (39, 40))  # a fifth of what is not outside


class Following(unittest.TestCase):
    def test_the_distance_counts_real_classes_and_no_shift(self):
        real = torch.tensor([[True, True, True], [True, True, False]])
        part = types.SimpleNamespace(
            concepts=torch.zeros(4, 2, 3), labels=torch.ones(4, 1), known=torch.ones(4, 2), weights=torch.ones(4),
            trust=torch.ones(4, 2),
        )  # fmt: skip
        own = targets.Targets(types.SimpleNamespace(part=part, device=torch.device("cpu")))
        logits = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
        logits[:, 1, 2] = -10000
        own.follow(logits, real)
        chosen = torch.arange(4)
        self.assertAlmostEqual(float(own.distance(logits + 5 * real, chosen)), 0.0, places=5)
        flat = torch.zeros(4, 2, 3).masked_fill(~real, -10000)
        self.assertAlmostEqual(float(own.distance(flat, chosen)), 1.0, places=4)


if __name__ == "__main__":
    unittest.main()
