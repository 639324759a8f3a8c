"""Before training: would objects as small as the annotated ones be dropped?"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.constants import FOREGROUND, IGNORE
from monai_denoiseg.processes import is_main_process
from monai_denoiseg.spacing import SLACK, voxel_size
from monai_denoiseg.transforms import ProbabilitiesToInstances


def check_sizes(
    dataset: Sequence[Mapping[str, Any]], labelled: Sequence[bool], rule: Any, n: int = 50, share: float = 0.25
) -> dict[str, Any] | None:
    """Count the annotated objects whose core is below ``min_size``, and warn once if they are more than a few.

    Inference drops objects with a smaller core (the object without its border), however well the network finds them. Cores that
    end at the edge of the image or of the annotation are not counted: more of them may lie beyond.

    Args:
        dataset: items of the training; a labelled one has ``label`` ``(1, [D,] H, W)`` with the classes background, foreground
            and border, -1 where not annotated, and perhaps ``spacing``.
        labelled: for each item, whether it is.
        rule: what makes objects of probabilities; nothing is checked for other rules than :class:`ProbabilitiesToInstances`.
        n: labelled images to look at, at most, spread over the data set.
        share: of the objects; more of them below ``min_size`` are warned of.

    Returns:
        ``min_size``, ``units``, ``objects`` and ``below``, plain enough for JSON; None where nothing was checked.

    Raises:
        ValueError: when ``n`` or ``share`` is out of range.

    >>> label = torch.zeros(1, 8, 8, dtype=torch.int64)
    >>> label[0, 1:3, 1:3], label[0, 4:7, 3:7] = 1, 1
    >>> found = check_sizes([{"label": label}], [True], ProbabilitiesToInstances(min_size=9))
    >>> found["objects"], found["below"]
    (2, 1)
    """
    check_int("n", n, 1)
    check_range("share", share, 0, 1)
    where = np.flatnonzero(labelled)
    if not isinstance(rule, ProbabilitiesToInstances) or not len(where):
        return None
    chosen = where[np.unique(np.linspace(0, len(where) - 1, n).astype(int))]
    sizes = np.concatenate([_sizes(dataset[int(i)], rule) for i in chosen])
    smallest = rule.options["min_size"]
    below = int((sizes < smallest * (1 - SLACK)).sum())
    found = {"min_size": smallest, "units": rule.units, "objects": len(sizes), "below": below}
    if found["below"] > share * len(sizes) and is_main_process():
        unit = "voxels" if rule.units == "voxel" else "in the unit of the voxel size"
        logging.getLogger(__name__).warning(
            f"{below} of {len(sizes)} annotated objects have a core (without border) below `min_size` {smallest:g} ({unit}): "
            f"objects like these are dropped from every result. Half of the cores are below {np.median(sizes):.3g}, a tenth "
            f"below {np.quantile(sizes, 0.1):.3g}: set --min_size lower."
        )
    return found


def _sizes(item: Mapping[str, Any], rule: ProbabilitiesToInstances) -> np.ndarray:
    """Sizes of the whole pieces of foreground, in the rule's units."""
    label = torch.as_tensor(item["label"])[0].cpu().numpy()
    structure = ndimage.generate_binary_structure(label.ndim, rule.options["connectivity"])
    pieces = ndimage.label(label == FOREGROUND, structure)[0]
    beyond = np.pad(label == IGNORE, 1, constant_values=True)
    inner = (slice(1, -1),) * label.ndim
    cut = np.unique(pieces[ndimage.binary_dilation(beyond)[inner]])
    counts = np.delete(np.bincount(pieces.ravel()), np.union1d([0], cut))
    if rule.units == "voxel":
        return counts
    return counts * math.prod(voxel_size(item.get("spacing"), label.ndim, "`min_size`"))
