"""Crops of annotated images for networks that tell classes apart: around each class, in other shapes and contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.data.batches import plain
from monai_denoiseg.data.class_places import ClassPlaces
from monai_denoiseg.intensity import check_limits
from monai_denoiseg.transforms.augment import RandAppearance, draw_matrix, warped_crop

KEPT = ("labelled", "intensity", "spacing")

STRENGTHS = {"none": 0.0, "mild": 0.5}
"""Values of `augmentation`: the probability of each kind of change."""


class AnnotatedCrops:
    """Cut a crop out of an annotated item, the ``substitute`` of :class:`~monai_denoiseg.data.PatchCollate`.

    The middle of a crop lies near a voxel of a class, each class of the image (the background is one) drawn as often as the
    others: organs of a few voxels are seen as often as large ones. The crop is rotated, scaled and bent, and its contrast is
    changed, with the given probability each. What interpolation does to noise is not what a denoiser should learn: changed crops
    carry ``augmented`` and are left out of the denoising loss (:class:`BlindSpotBatch`). Where it learns, ``unchanged`` of
    the crops are cut as they are.

    Args:
        patch_size: ``([D,] H, W)`` of the crops in voxels.
        prob: probability of a change of shape, and of each change of contrast, in [0, 1].
        angle: largest rotation about each axis, in degrees.
        scale: largest scale; the smallest is its inverse.
        bend: standard deviation of the elastic deformation, in voxels; three in ten of the changed crops have one.
        unchanged: share of crops that nothing is changed in, in [0, 1].
        limits: intensities that the network is limited to: contrast is changed between them. None for all.

    Raises:
        ValueError: when a number is out of range.

    Source: nnU-Net (Isensee et al. 2021) and MONAI's ``RandCropByLabelClasses``.

    >>> item = {"image": torch.rand(1, 20, 20, 20), "label": torch.zeros(1, 20, 20, 20, dtype=torch.int64), "labelled": True}
    >>> crop = AnnotatedCrops((8, 8, 8))(item)
    >>> crop["image"].shape, crop["augmented"]
    (torch.Size([1, 8, 8, 8]), True)
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        prob: float = 0.5,
        *,
        angle: float = 20.0,
        scale: float = 1.2,
        bend: float = 1.5,
        unchanged: float = 0.0,
        limits: Sequence[float] | None = None,
    ) -> None:
        self.patch_size = tuple(check_int("patch_size", int(size), 1) for size in patch_size)
        self.prob = check_range("prob", prob, 0, 1)
        self.unchanged, self.limits = check_range("unchanged", unchanged, 0, 1), check_limits(limits)
        self.angle, self.scale, self.bend = angle, scale, bend
        self.appearance = RandAppearance(prob)
        self.places = ClassPlaces()

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a crop with ``image``, ``label`` and ``augmented``, or None where nothing is annotated or targets are.

        Of an item at another voxel size (:class:`~monai_denoiseg.transforms.resample.TargetSpacingd`) it is cut from the
        resampled copy, or None in the share that is left unchanged: for the denoising, cut from the image as it is.
        """
        copy = item.get("respaced")
        if copy is not None and self.unchanged and float(torch.rand(())) < self.unchanged:
            return None
        item = item if copy is None else {**item, **copy}
        voxel = None if "target" in item or "label" not in item else self.places.draw(item["label"])
        if voxel is None:
            return None
        image, label = plain(item["image"]), plain(item["label"])
        centre = self._centre(voxel, image.shape[1:])
        changes = self.prob > 0 and (copy is not None or float(torch.rand(())) >= self.unchanged)
        if changes and float(torch.rand(())) < self.prob:
            matrix = draw_matrix(len(centre), self.angle, self.scale, item.get("spacing"))
            bend = self.bend * (float(torch.rand(())) < 0.3)
        else:
            matrix, bend = torch.eye(len(centre)), 0.0
        seen, classes = warped_crop(image, label, centre, self.patch_size, matrix, bend)
        kept = {key: item[key] for key in KEPT if key in item}
        seen = self.appearance(seen.clamp(*self.limits) if self.limits else seen) if changes else seen
        return {"image": seen, "label": classes, **kept, "augmented": changes or copy is not None}

    def _centre(self, voxel: Sequence[int], shape: Sequence[int]) -> list[float]:
        """Middle of a crop up to a quarter of its size away from a voxel, inside the image where it is large enough."""
        shares = torch.rand(len(voxel)).tolist()
        centre = []
        for at, n, size, share in zip(voxel, shape, self.patch_size, shares, strict=True):
            start = at - size // 2 + round((share - 0.5) * size / 2)
            start = min(max(start, 0), n - size) if n > size else (n - size) // 2
            centre.append(start + (size - 1) / 2)
        return centre


def crops_for(
    classes: Sequence[str] | None,
    patch_size: Sequence[int],
    augmentation: str,
    rescaled: Any,
    alpha: float = 0.0,
    limits: Sequence[float] | None = None,
) -> Any:
    """Choose what cuts the annotated crops of a training.

    Args:
        classes: names of semantic classes; None for objects.
        patch_size: see :class:`AnnotatedCrops`.
        augmentation: see :data:`STRENGTHS`.
        rescaled: what cuts them for objects (:class:`RescaledLabels`), and for classes whose scale is changed.
        alpha: weight of the denoising loss: where there is one, half of the crops are left as they are.
        limits: see :class:`AnnotatedCrops`.

    >>> crops_for(None, (8, 8), "none", None) is None, type(crops_for(["background", "liver"], (8, 8), "mild", None)).__name__
    (True, 'AnnotatedCrops')
    """
    if not classes or getattr(rescaled, "zoom", 1) > 1:
        return rescaled
    return AnnotatedCrops(patch_size, STRENGTHS[augmentation], unchanged=0.5 if alpha > 0 else 0.0, limits=limits)


def leave_out(mask: Tensor, hidden: Tensor, image: Tensor, augmented: Tensor) -> tuple[Tensor, Tensor]:
    """Take the blind spots out of augmented crops.

    Args:
        mask: blind spots ``(B, C, [D,] H, W)``.
        hidden: images with hidden blind spots, same shape.
        image: images, same shape.
        augmented: for each whether it is.

    Returns:
        Mask and images.

    >>> ones = torch.ones(2, 1, 1, 1)
    >>> leave_out(ones.bool(), ones * 5, ones, torch.tensor([True, False]))[1].flatten().tolist()
    [1.0, 5.0]
    """
    which = augmented.to(mask.device, torch.bool).reshape(-1, *[1] * (mask.dim() - 1))
    return mask & ~which, torch.where(which, image, hidden)
