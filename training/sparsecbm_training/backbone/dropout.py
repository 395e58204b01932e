"""Dropout for every backbone, at one rate and from one generator."""

import torch


class Dropout:
    """Dropout that takes its noise from a pool, because drawing it again costs more than the matrix products."""

    def __init__(self, rate, random, dtype, device="cpu", size=1 << 23):
        pool = torch.rand(size, generator=random) >= rate
        self.pool = (pool.to(dtype) / (1 - rate)).to(device)
        self.random = random

    def __call__(self, x):
        if x.numel() >= len(self.pool):
            return torch.cat([self(half) for half in x.flatten().chunk(2)]).view_as(x)
        start = int(torch.randint(len(self.pool) - x.numel(), (1,), generator=self.random))
        return x * self.pool[start : start + x.numel()].view_as(x)


def keep(x):
    """What stands for dropout outside training."""
    return x
