"""Imports files of the SparseCBM reference code as a checkpoint (docs/checkpoint.md), without running that code."""
