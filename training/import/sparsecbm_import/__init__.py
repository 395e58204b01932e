"""Imports files of the SparseCBM reference code as a checkpoint (docs/reference/checkpoint.md), without running that
code."""
