"""Quick checks of masks and saliency. Run: python -m unittest discover -s training/tests"""

import pathlib
import sys
import types
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import masks, saliency  # noqa: E402


class Packing(unittest.TestCase):
    def test_round_trip(self):
        random = torch.Generator().manual_seed(0)
        for block, rows, columns in ((1, 6, 13), (4, 8, 16), (4, 12, 3)):
            mask = torch.rand(3, rows // block, columns, generator=random) < 0.5
            mask = mask.repeat_interleave(block, 1)
            packed = masks.pack(mask, block)
            self.assertEqual(tuple(packed.shape), (3, rows // block, -(-columns // 8)))
            self.assertTrue(torch.equal(masks.unpack(packed, rows, columns), mask))

    def test_lowest_bit_first(self):
        mask = torch.zeros(1, 1, 10, dtype=torch.bool)
        mask[0, 0, [0, 9]] = True
        self.assertEqual(masks.pack(mask, 1).tolist(), [[[1, 2]]])


class WholeBlocks(unittest.TestCase):
    def test_a_layer_that_does_not_divide_into_blocks_is_named(self):
        weights = {"a.weight": torch.ones(8, 3), "b.weight": torch.ones(6, 4)}
        model = types.SimpleNamespace(layers=["a", "b"], weights=weights)
        with self.assertRaisesRegex(ValueError, "b has 6 outputs, not a multiple of 4"):
            saliency.expect_whole_blocks(model)


class Choosing(unittest.TestCase):
    def test_exact_share_and_monotone(self):
        random = torch.Generator().manual_seed(0)
        alive = torch.ones(2, 5, 20, dtype=torch.bool)
        for kept in (0.5, 0.1):
            chosen = masks.choose(torch.rand(2, 5, 20, generator=random), alive, kept, 0.3)
            self.assertEqual(chosen.flatten(1).sum(1).tolist(), [kept * 100] * 2)
            self.assertFalse((chosen & ~alive).any())
            alive = chosen

    def test_distinct_lowers_overlap(self):
        random = torch.Generator().manual_seed(0)
        common = torch.rand(1, 40, 40, generator=random).square()
        saliencies = common * (0.5 + torch.rand(3, 40, 40, generator=random))
        alive = torch.ones(3, 40, 40, dtype=torch.bool)
        overlaps = [
            masks.mean_overlap(masks.overlap({"x": masks.choose(saliencies, alive, 0.1, distinct)}))
            for distinct in (0.0, 0.5, 2.0)
        ]
        self.assertGreater(overlaps[0], overlaps[1])
        self.assertGreater(overlaps[1], overlaps[2])


class Saliency(unittest.TestCase):
    """Both forms against the formulas, with the Fisher matrix of each block formed and inverted."""

    def setUp(self):
        random = torch.Generator().manual_seed(0)
        self.damping, self.count = 1e-3, 6
        self.weight = torch.randn(8, 5, generator=random)
        self.gradients = torch.randn(self.count, 8, 5, generator=random)

    def fisher(self, row, column):
        g = self.gradients[:, 4 * row : 4 * row + 4, column].double()
        return self.damping * torch.eye(4, dtype=torch.float64) + g.T @ g / self.count

    def test_single_weights(self):
        measured = saliency.WeightSaliency(self.weight, self.damping, self.count)
        for gradient in self.gradients:
            measured.add(gradient)
        for row in range(2):
            for column in range(5):
                w = self.weight[4 * row : 4 * row + 4, column].double()
                expected = w.square() / (2 * self.fisher(row, column).inverse().diagonal())
                torch.testing.assert_close(
                    measured.value()[4 * row : 4 * row + 4, column].double(), expected, rtol=1e-3, atol=1e-6
                )

    def test_blocks(self):
        measured = saliency.BlockSaliency(self.weight, self.damping)
        for gradient in self.gradients:
            measured.add(gradient)
        for row in range(2):
            for column in range(5):
                w = self.weight[4 * row : 4 * row + 4, column].double()
                expected = 0.5 * w @ self.fisher(row, column) @ w
                torch.testing.assert_close(measured.value()[row, column].double(), expected, rtol=1e-4, atol=1e-6)


if __name__ == "__main__":
    unittest.main()

