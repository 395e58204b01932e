"""Trains a SparseCBM: a concept bottleneck model whose concepts each have their own sparse subnetwork.

The method is that of Tan, Chen, Zhang and Liu, "Sparsity-Guided Holistic Explanation for LLMs with
Interpretable Inference-Time Intervention", AAAI 2024, arXiv 2312.15033, called "the paper" in this package.
"""
