"""Small images, their regions and costs, for several of these test files."""

from __future__ import annotations

import torch
from torch import Tensor

TWO = ["constant", "constant"]
TINY = {"features": 4, "blocks": 2, "max_iterations": 10}


def noisy(labels: Tensor, noise: float, channels: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return labels.float() + noise * torch.randn(channels, *labels.shape, generator=generator)


def square(size: int = 24) -> Tensor:
    labels = torch.zeros(size, size, dtype=torch.long)
    labels[size // 4 : -size // 4, size // 3 : -size // 3] = 1
    return labels


def three_bars(size: int = 24) -> Tensor:
    return (torch.arange(size) * 3 // size).expand(size, size).contiguous()


def random_cost(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def noisy_disc(size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    image = 0.3 + 0.3 * (x**2 + y**2 < 0.4) + 0.15 * torch.randn(size, size, generator=torch.Generator().manual_seed(0))
    return ((image - 0.6) ** 2 - (image - 0.3) ** 2)[None, None].to(dtype)
