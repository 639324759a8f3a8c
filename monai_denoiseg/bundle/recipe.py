"""The plan of a training, from its images: patch, batch and normalisation, where the user leaves them to it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.bundle.fingerprint import Fingerprint, take_fingerprint
from monai_denoiseg.bundle.settings.task_defaults import AUTO
from monai_denoiseg.bundle.target import choose_target, shape_at
from monai_denoiseg.checks import per_axis
from monai_denoiseg.data import intensity_statistics

logger = logging.getLogger(__name__)

Item = Mapping[str, Any]

OBJECTS: dict[int, dict[str, Any]] = {
    2: {"patch_size": [64, 64], "batch_size": 32, "normalisation": "dataset", "target_spacing": None},
    3: {"patch_size": [32, 64, 64], "batch_size": 2, "normalisation": "image", "target_spacing": None},
}
"""For numbered objects, by number of axes."""
VOXELS = {2: 1 << 14, 3: 1 << 17}
"""Most voxels of a patch, by number of axes."""
STEP = 1 << 17
"""Voxels of a step, from which the batch follows."""
ANNOTATED = 2
"""Least crops of annotated images in a step, however many others there are: one crop alone may show one class only."""
MOST = 8
"""Most crops of a step that is made larger for :data:`ANNOTATED`."""
STRIDE = 8
"""The edges of a patch are multiples of this, where the images are larger."""


@dataclass(frozen=True)
class Recipe:
    """What a training does with its images.

    Args:
        patch_size: size of the crops, (Z)YX, in voxels.
        batch_size: crops a step.
        normalisation: see :class:`~monai_denoiseg.networks.DenoiSegNet`.
        limits: intensities beyond which the network sees the limit; None for none.
        statistics: mean and deviation to normalise with; None: those of all training images.
        kind: of the images: ``"ct"``, ``"rgb"``, ``"other"``; empty where nothing was looked at.
        target_spacing: voxel size that images are brought to; None for any.
        target_unit: its unit, that of the annotated images; None where nobody knows.

    >>> print(Recipe([32, 48, 32], 2, "image", kind="other"))
    no Hounsfield units, 2 crops of 32 x 48 x 32 a step, each image normalised by itself
    """

    patch_size: list[int]
    batch_size: int
    normalisation: str
    limits: list[float] | None = None
    statistics: tuple[float, float] | None = None
    kind: str = ""
    target_spacing: list[float] | None = None
    target_unit: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The values of the settings it stands for."""
        return {key: getattr(self, key) for key in OBJECTS[2]}

    def about(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return asdict(self)

    def __str__(self) -> str:
        """In words."""
        kinds = {"ct": "CT", "rgb": "colours", "other": "no Hounsfield units"}
        patch = " x ".join(map(str, self.patch_size))
        parts = [kinds.get(self.kind, ""), f"{self.batch_size} crops of {patch} a step"]
        if self.limits is None:
            parts.append("each image normalised by itself" if self.normalisation == "image" else "normalised by all images")
        else:
            low, high = self.limits
            parts.append(f"intensities clipped to {low:.4g} to {high:.4g}, normalised by those of the classes")
        if self.target_spacing:
            sizes = " x ".join(f"{size:.4g}" for size in self.target_spacing)
            parts.append(f"segmented at voxels of {sizes} {self.target_unit or ''}".rstrip())
        return ", ".join(part for part in parts if part)


def plan_recipe(
    items: Sequence[Item], load: Callable[[Any], Item], settings: Item, previous: Mapping[str, Any] | None = None
) -> Recipe:
    """Plan a training.

    Numbered objects have the same patch whatever the images. With ``classes`` the annotated images are looked at: the patch is as
    large as the median of them, as far as the memory of a step goes; CT, known by its units, is clipped and normalised by the
    intensities of its classes (other contrasts, such as padding, then do not matter), any other image by its own. Images of
    other voxel sizes than most are resampled (:func:`~monai_denoiseg.bundle.target.choose_target`). What the user has
    set stays. A training that goes on keeps its plan, whatever has been annotated since.

    Args:
        items: data list of the training, by file.
        load: see :func:`~monai_denoiseg.bundle.fingerprint.take_fingerprint`.
        settings: plain settings: ``classes``, ``spatial_dims`` and those that may be ``"auto"``.
        previous: plan of the run that goes on (:func:`~monai_denoiseg.bundle.resume.previous_recipe`); None for a new run.

    Raises:
        ValueError: when ``patch_size`` has not one value an axis.

    Source: nnU-Net's fingerprint and rules (Isensee et al. 2021), for the memory and time of a laptop.

    >>> plan_recipe([], dict, {"classes": None, "spatial_dims": 2, "patch_size": 32}).settings
    {'patch_size': [32, 32], 'batch_size': 32, 'normalisation': 'dataset', 'target_spacing': None}
    """
    dims, classes = settings["spatial_dims"], settings.get("classes")
    given = {key: settings[key] for key in OBJECTS[dims] if settings.get(key, AUTO) != AUTO}
    if "patch_size" in given:
        given["patch_size"] = list(per_axis("patch_size", given["patch_size"], dims))
    if previous is not None:
        return Recipe(**{**OBJECTS[dims], **previous, **given})
    found = take_fingerprint(items, load, len(classes)) if classes else None
    if found is None:
        return Recipe(**(OBJECTS[dims] | given))
    given = {"target_spacing": choose_target(found, settings), **given}
    recipe = _for_classes(found, given, bool(settings.get("first_stage")), least_crops(settings.get("labelled_fraction")))
    logger.info("plan: %s", recipe)
    return recipe


def least_crops(labelled_fraction: float | None) -> int:
    """The smallest batch with :data:`ANNOTATED` crops of annotated images, but no more than :data:`MOST` crops.

    Args:
        labelled_fraction: share of them in a batch; None where all images are drawn alike.

    >>> least_crops(1.0), least_crops(0.5), least_crops(0.3), least_crops(0.01), least_crops(None)
    (2, 4, 7, 8, 2)
    """
    if not labelled_fraction:
        return ANNOTATED
    return min(MOST, math.ceil(ANNOTATED / labelled_fraction))


def _for_classes(found: Fingerprint, given: Mapping[str, Any], staged: bool, least: int) -> Recipe:
    """The plan by a fingerprint; of two stages, both normalise alike."""
    target = given["target_spacing"]
    patch = given.get("patch_size") or patch_for(shape_at(found, target))
    batch = given.get("batch_size") or max(least, STEP // math.prod(patch))
    ct = found.kind == "ct" and given.get("normalisation") != "image" and not staged
    low, high, mean, spread = found.foreground
    norm = OBJECTS[len(patch)]["normalisation"] if staged else "dataset" if ct else "image"
    limits, statistics = ([low, high], (mean, spread)) if ct and low < high else (None, None)
    return Recipe(
        patch, batch, given.get("normalisation", norm), limits, statistics, found.kind, target, found.unit if target else None
    )


def patch_for(shape: Sequence[int]) -> list[int]:
    """A patch for images of this shape: as large, but no more than :data:`VOXELS`; the longest edges are cut first.

    Args:
        shape: (Z)YX, in voxels.

    >>> patch_for((36, 50, 35)), patch_for((164, 126, 120)), patch_for((5, 500, 500)), patch_for((600, 40))
    ([32, 48, 32], [48, 48, 56], [5, 160, 160], [408, 40])
    """
    edges = [n if n < STRIDE else n // STRIDE * STRIDE for n in shape]
    while math.prod(edges) > VOXELS[len(edges)]:
        longest = max(range(len(edges)), key=lambda axis: edges[axis])
        edges[longest] -= STRIDE
    return edges


def training_statistics(dataset: Any, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Mean and deviation that a network normalises with, ``(C,)`` each: those of the plan, else of all training images.

    Args:
        dataset: items with an ``image``.
        recipe: the plan.

    >>> recipe = Recipe([8, 8], 2, "dataset", [-100.0, 200.0], (40.0, 30.0))
    >>> training_statistics([], recipe)
    (tensor([40.]), tensor([30.]))
    """
    if recipe.statistics is None:
        return intensity_statistics(dataset)
    mean, spread = recipe.statistics
    return torch.tensor([mean]), torch.tensor([spread])
