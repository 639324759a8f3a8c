"""Prediction at the voxel size a network was trained at, with results on the grid of the image."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.heads import denoises
from monai_denoiseg.processes import unwrap
from monai_denoiseg.transforms.resample import grid_at, resample
from monai_denoiseg.units import lengths_in, unit_of

logger = logging.getLogger(__name__)


def predict_at_spacing(predict: Callable[[Tensor], Tensor], inputs: Tensor, network: Any, spacing: Any = None) -> Tensor:
    """Segment images at the voxel size of their network, and bring the probabilities back to the images' own grid.

    An image within 5 % of that size is predicted as it is. Of the others only the segmentation comes from the resampled image:
    they are denoised as they are, since resampling changes noise, and a denoised image that was resampled twice is blurred.

    Args:
        predict: called with images ``(B, C, [D,] H, W)``; returns ``(B, K + C, [D,] H, W)``.
        inputs: the images.
        network: its ``target_spacing``, if it has one, is the voxel size wanted.
        spacing: voxel size of the images, ``(spatial_dims,)`` or ``(B, spatial_dims)``; None or NaN: nobody knows.

    Returns:
        ``(B, K + C, [D,] H, W)`` on the grid of ``inputs``.

    Raises:
        ValueError: see :func:`~monai_denoiseg.transforms.resample.grid_at`.

    >>> from types import SimpleNamespace
    >>> network = SimpleNamespace(target_spacing=[1.0, 1.0], n_classes=1, denoises=False)
    >>> sizes = []
    >>> predict_at_spacing(lambda x: sizes.append(x.shape[2:]) or x, torch.rand(1, 1, 4, 6), network, [3.0, 1.0]).shape, sizes
    (torch.Size([1, 1, 4, 6]), [torch.Size([12, 6])])
    """
    own = unwrap(network)
    target = getattr(own, "target_spacing", None) or []
    if not target or spacing is None:
        return predict(inputs)
    size = list(inputs.shape[2:])
    rows = torch.as_tensor(spacing, dtype=torch.float64).as_subclass(Tensor).reshape(-1, len(size)).tolist()
    shapes = [grid_at(size, row, target) for row in rows]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError("images of several voxel sizes in one batch: predict them one by one")
    if shapes[0] == size:
        return predict(inputs)
    found = resample(predict(resample(inputs, shapes[0]))[:, : own.n_classes], size)
    return torch.cat([found, predict(inputs)[:, own.n_classes :]], 1) if denoises(own) else found


def spacing_for(network: Any, item: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """What an inferer is told of the voxel size of an item or a batch; nothing for a network that takes any.

    Args:
        network: see :func:`predict_at_spacing`.
        item: with ``spacing``, where it is known.
        name: for the warning of an image whose voxel size nobody knows.

    >>> from types import SimpleNamespace
    >>> item = {"spacing": torch.tensor([3.0, 1.0])}
    >>> spacing_for(SimpleNamespace(target_spacing=[1.0, 1.0]), item), spacing_for(SimpleNamespace(), item)
    ({'spacing': tensor([3., 1.])}, {})
    """
    target = getattr(unwrap(network), "target_spacing", None)
    if not target:
        return {}
    spacing = item.get("spacing")
    if not tells_its_size(network, spacing, name):
        return {"spacing": spacing}
    return {"spacing": lengths_in(torch.as_tensor(spacing), unit_of(item), getattr(unwrap(network), "target_unit", None))}


def tells_its_size(network: Any, spacing: Any, name: str = "") -> bool:
    """Whether the voxel size of an image is known, with a warning if not and the network was trained at one.

    Args:
        network: see :func:`predict_at_spacing`.
        spacing: voxel size of the image; None or NaN: nobody knows.
        name: of the image.

    >>> tells_its_size(None, [1.0, 1.0]), tells_its_size(None, None)
    (True, False)
    """
    known = spacing is not None and bool(torch.isfinite(torch.as_tensor(spacing)).all())
    if not known and (target := getattr(unwrap(network), "target_spacing", None)):
        logger.warning(
            "%s does not tell its voxel size and is taken as it is; the network was trained at %s: give --spacing",
            name or "an image",
            " x ".join(f"{size:.4g}" for size in target),
        )
    return known


def stays_as_it_is(network: Any, shape: Any, spacing: Any, unit: str | None = None) -> bool:
    """Whether an image is predicted on its own grid.

    Args:
        network: see :func:`predict_at_spacing`.
        shape: spatial shape of the image.
        spacing: its voxel size; None where nobody knows.
        unit: of that.

    >>> from types import SimpleNamespace
    >>> stays_as_it_is(SimpleNamespace(target_spacing=[1.0, 1.0]), (4, 6), (3.0, 1.0)), stays_as_it_is(None, (4, 6), None)
    (False, True)
    """
    own = unwrap(network)
    target = getattr(own, "target_spacing", None) or []
    sizes = lengths_in(spacing, unit, getattr(own, "target_unit", None)) if target else spacing
    return grid_at(shape, sizes, target) == list(shape)
