"""What a network's segmentation head is made of, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import CLASSES


def count_channels(n_classes: int | None, classes: Sequence[str]) -> int:
    """Number of class channels.

    Args:
        n_classes: the user's number, or None.
        classes: names of semantic classes; empty for background, foreground, border.

    Raises:
        ValueError: when the number is negative or contradicts the names.

    >>> count_channels(None, []), count_channels(None, ["background", "liver"]), count_channels(0, [])
    (3, 2, 0)
    """
    if n_classes is None:
        return len(classes) or len(CLASSES)
    check_int("n_classes", n_classes, 0)
    if classes and n_classes != len(classes):
        raise ValueError(
            f"`n_classes` is {n_classes}, but `classes` names {len(classes)}: {', '.join(classes)}; leave `n_classes` out"
        )
    return n_classes


def check_rays(rays: Any, spatial_dims: int, classes: Sequence[str]) -> Tensor:
    """Directions of a StarDist head as float32 ``(n_rays, spatial_dims)``; of another head ``(0, spatial_dims)``.

    Args:
        rays: the user's directions, or None.
        spatial_dims: 2 or 3.
        classes: names of semantic classes, which such a head cannot tell apart.

    Raises:
        ValueError: when the shape is wrong, the rays are too few, or there are semantic classes.

    >>> check_rays(None, 2, []).shape
    torch.Size([0, 2])
    """
    if rays is None:
        return torch.zeros(0, spatial_dims)
    directions = torch.as_tensor(rays, dtype=torch.float32)
    if directions.dim() != 2 or directions.shape[1] != spatial_dims or len(directions) < spatial_dims + 1:
        raise ValueError(
            f"`rays` must be (n_rays, {spatial_dims}) with at least {spatial_dims + 1} rays, got shape {tuple(directions.shape)}"
        )
    if classes:
        raise ValueError(f"a StarDist head finds objects, not the `classes` {', '.join(classes)}: leave one of them out")
    return directions
