"""How handlers ask for labels, and what they know of an item's voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def known_spacing(item: Any) -> Tensor | None:
    """Voxel size of an item, None where its file does not tell.

    Args:
        item: an item of a batch; ``spacing`` holds the voxel size along each axis, NaN if unknown.

    >>> known_spacing({"spacing": torch.tensor([5.0, 1.0, 1.0])}), known_spacing({"spacing": torch.tensor([float("nan")] * 3)})
    (tensor([5., 1., 1.]), None)
    """
    spacing = item.get("spacing") if isinstance(item, Mapping) else None
    if spacing is None:
        return None
    known = torch.as_tensor(spacing).as_subclass(Tensor).detach().float().cpu().reshape(-1)
    return known if bool(torch.isfinite(known).all()) else None


def predicted_labels(labels: Callable[..., Any], probabilities: Tensor, threshold: float, item: Any) -> Tensor:
    """Instances or classes of one image.

    Args:
        labels: callable ``(probabilities, threshold, spacing=...)``, see :func:`~monai_denoiseg.heads.label_rule`.
        probabilities: ``(K, [D,] H, W)``.
        threshold: foreground threshold.
        item: the item of the batch the image came with, for its voxel size.

    Returns:
        ``(1, [D,] H, W)`` on the CPU.

    >>> from monai_denoiseg.heads import label_rule
    >>> predicted_labels(label_rule(["background", "liver"]), torch.tensor([[[0.1]], [[0.9]]]), 0.5, {})
    tensor([[[1]]], dtype=torch.int32)
    """
    spacing = item.get("spacing") if isinstance(item, Mapping) else None
    return torch.as_tensor(labels(probabilities.float().cpu(), threshold, spacing=spacing))
