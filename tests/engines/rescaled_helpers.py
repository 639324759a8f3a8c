"""What the tests of scaled crops share: a network whose denoised image is known, and images that can be told apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from monai_denoiseg.engines import RescaledLabels
from monai_denoiseg.heads import as_head

PATCHES = {2: (16, 16), 3: (4, 8, 8)}


class Halving(nn.Module):
    """A network whose denoised image is known: half of its input. It sees to it that it is asked as in inference."""

    def __init__(self, spatial_dims: int = 2, channels: int = 1, n_classes: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.n_classes, self.spatial_dims, self.in_channels, self.denoises, self.head = (
            n_classes,
            spatial_dims,
            channels,
            True,
            as_head(n_classes=n_classes),
        )
        self.multiple, self.receptive_radius = [1] * spatial_dims, [1] * spatial_dims
        self.seen: list[tuple[tuple[int, ...], Any]] = []

    def intensity(self, image: torch.Tensor) -> torch.Tensor:
        return torch.full((1, 2, self.in_channels), -5.0)

    def forward(self, image: torch.Tensor, intensity: torch.Tensor) -> torch.Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen.append((tuple(image.shape), intensity.tolist()))
        scores = image.new_zeros(image.shape[0], self.n_classes, *image.shape[2:])
        return torch.cat([scores, image / 2 * self.weight], 1)

    def activate(self, output: torch.Tensor) -> torch.Tensor:
        return output


def make_items(n: int, shape: tuple[int, ...], channels: int = 1) -> list[dict[str, Any]]:
    """Images whose values tell which image they are of."""
    items = []
    for i in range(n):
        image = 1000.0 * i + torch.rand(channels, *shape)
        items.append({"image": image, "label": torch.full((1, *shape), i), "labelled": True})
    return items


def make(items: list[dict[str, Any]], network: Any = None, **options: Any) -> RescaledLabels:
    spatial = items[0]["image"].ndim - 1
    network = Halving(spatial, items[0]["image"].shape[0]) if network is None else network
    return RescaledLabels(items, [True] * len(items), network, PATCHES[spatial], amp="off", **options)


def show(scaled: RescaledLabels, item: dict[str, Any], n: int) -> list[dict[str, Any]]:
    found = [scaled(item) for _ in range(n)]
    return [patch for patch in found if patch is not None]
