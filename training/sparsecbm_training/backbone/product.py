"""The product of a linear layer."""

import torch
import torch.nn.functional as F


def product(inputs, weight, bias):
    """Of a batch [B, S, in] with [out, in]; or of K batches in one, [K·B, S, in], each with its own of [K, out, in]."""
    if weight.dim() == 2:
        return F.linear(inputs, weight, bias)
    result = torch.baddbmm(bias, inputs.reshape(len(weight), -1, inputs.shape[-1]), weight.transpose(1, 2))
    return result.view(*inputs.shape[:-1], -1)
