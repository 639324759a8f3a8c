"""Labelled crops at another scale, with the noise of the camera and not that of the interpolation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import IGNORE

__all__ = ["RescaledCrop", "window_at"]

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class RescaledCrop:
    """Cut a window out of a labelled image and scale it, with unscaled noise.

    Few annotations show objects of few sizes, and a network misses objects of a size it has never seen. Scaling a *noisy* image
    does harm: interpolation correlates the noise in a way no camera does, and the network learns that. A denoised image can be
    scaled freely, and its noise, ``image - denoised`` at the same or another place, is added unscaled.

    Args:
        patch_size: ``([D,] H, W)`` of the result in voxels.
        target: makes the classes the network is trained on from the labels of an item, ``{"label": ..., "spacing": ...}``
            (:func:`~monai_denoiseg.heads.target_label`): borders keep their width at every scale. None takes the
            classes as they stand in ``"label"``; distances (StarDist, further channels of the label) are scaled with
            the image, but those not known (-1) stay so.

    Raises:
        ValueError: when an edge of the patch is no integer of at least 1.

    >>> item = {"image": torch.rand(1, 40, 40), "denoised": torch.full((1, 40, 40), 0.5)}
    >>> item["label"] = torch.zeros(1, 40, 40, dtype=torch.int64)
    >>> patch = RescaledCrop((16, 16))(item, start=(8, 8), size=(8, 8), noise_start=(0, 0))
    >>> patch["image"].shape, bool(torch.allclose(patch["image"], item["image"][:, :16, :16]))
    (torch.Size([1, 16, 16]), True)
    """

    def __init__(self, patch_size: Sequence[int], target: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None) -> None:
        self.patch_size = tuple(check_int("patch_size", int(size), 1) for size in patch_size)
        self.target = target

    def __call__(
        self, item: Mapping[str, Any], start: Sequence[int], size: Sequence[int], noise_start: Sequence[int]
    ) -> dict[str, Any]:
        """Make the crop.

        Args:
            item: ``image`` and ``denoised`` ``(C, [D,] H, W)`` in one unit, and ``label``, or with ``target`` ``instances``: the
                labels as annotated, -1 where they are not. Other entries are kept.
            start: first voxel of the window that is scaled to the size of the patch.
            size: size of that window in voxels.
            noise_start: first voxel of the window, of the size of the patch, whose noise is added.

        Returns:
            The item with ``image`` and ``label`` of the size of the patch, without ``denoised`` and ``instances``.
        """
        window = window_at(start, size)
        patch = {key: value for key, value in item.items() if key not in ("denoised", "instances")}
        patch["image"] = self._image(item["image"], item["denoised"], window, window_at(noise_start, self.patch_size))
        if self.target is None:
            patch["label"] = self._scaled(item["label"][window], size)
        else:
            shown: dict[str, Any] = {"label": self._nearest(item["instances"][window], size)}
            if "spacing" in item:
                shown["spacing"] = item["spacing"]
            patch["label"] = self.target(shown)["label"]
        return patch

    def _image(self, image: Tensor, denoised: Tensor, window: tuple[slice, ...], place: tuple[slice, ...]) -> Tensor:
        if window == place:
            return image[window]  # what the sum below is, without its rounding
        signal = denoised[window]
        if signal.shape[1:] != self.patch_size:
            mode = _LINEAR[len(self.patch_size)]
            signal = functional.interpolate(signal[None], size=self.patch_size, mode=mode, align_corners=False)[0]
        return signal + (image[place] - denoised[place])

    def _nearest(self, label: Tensor, size: Sequence[int]) -> Tensor:
        """The nearest voxel along each axis, by whole numbers: labels of any type stay exact."""
        for axis, (n, wanted) in enumerate(zip(size, self.patch_size, strict=True), 1):
            if n != wanted:
                label = label.index_select(axis, torch.arange(1, 2 * wanted, 2, device=label.device) * n // (2 * wanted))
        return label

    def _scaled(self, label: Tensor, size: Sequence[int]) -> Tensor:
        nearest = self._nearest(label, size)
        if len(nearest) > 1:
            factors = [wanted / n for wanted, n in zip(self.patch_size, size, strict=True)]
            distances = nearest[1:]
            scaled = torch.where(distances == IGNORE, distances, distances * (sum(factors) / len(factors)))
            nearest = torch.cat([nearest[:1], scaled])
        return nearest


def window_at(start: Sequence[int], size: Sequence[int]) -> tuple[slice, ...]:
    """Slices of all channels of a window: first voxel and size along each axis.

    >>> window_at((2,), (3,))
    (slice(None, None, None), slice(2, 5, None))
    """
    return (slice(None), *(slice(first, first + n) for first, n in zip(start, size, strict=True)))
