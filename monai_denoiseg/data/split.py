"""Which images of a data list go to validation."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import Any

from monai_denoiseg.checks import check_range

Item = dict[str, Any]


def split_datalist(items: Sequence[Item], validation_fraction: float = 0.15, seed: int = 0) -> tuple[list[Item], list[Item]]:
    """Split a data list by file, or by group, into training and validation part.

    All frames of a file, and all files of a group (a patient, a slide), go to the same part: they look alike. Labelled and
    unlabelled files are spread over both parts in proportion. Each part gets a labelled file if there are two; a single one
    goes to training. The split depends on the file names and the seed, not on the order of the list.

    Args:
        items: items with key ``"image"``, and ``"label"`` where labelled; ``"frame"`` where a file holds several, ``"group"``
            where files belong together.
        validation_fraction: share of the validation part, in [0, 1).
        seed: seed of the draw.

    Returns:
        ``(training, validation)``, each sorted by image and frame; validation is empty for one file or fraction 0.

    Raises:
        ValueError: for a fraction outside [0, 1).

    >>> items = [{"image": f"{i}.tif", **({"label": f"{i}.tif"} if i < 4 else {})} for i in range(10)]
    >>> train, validation = split_datalist(items, 0.3)
    >>> len(train), len(validation), count_labelled(train), count_labelled(validation)
    (7, 3, 3, 1)
    """
    check_range("validation_fraction", validation_fraction, 0, 1, open_high=True)
    files: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: (str(item["image"]), item.get("frame", 0))):
        files.setdefault(f"group {item['group']}" if item.get("group") is not None else str(item["image"]), []).append(item)
    draw = random.Random(seed)
    labelled = [name for name, frames in files.items() if count_labelled(frames)]
    unlabelled = [name for name, frames in files.items() if not count_labelled(frames)]
    draw.shuffle(labelled)
    draw.shuffle(unlabelled)
    n_labelled = n_unlabelled = 0
    if validation_fraction > 0:
        if len(labelled) > 1:
            n_labelled = min(max(round(validation_fraction * len(labelled)), 1), len(labelled) - 1)
        n_unlabelled = math.floor(validation_fraction * len(unlabelled) + 0.5)
        if n_labelled + n_unlabelled == 0 and len(files) > 1:
            n_unlabelled = 1
        n_unlabelled = min(n_unlabelled, len(unlabelled) - (not labelled))
    chosen = {*labelled[:n_labelled], *unlabelled[: max(n_unlabelled, 0)]}
    parts = ([name for name in files if name not in chosen], [name for name in files if name in chosen])
    training, validation = ([item for name in part for item in files[name]] for part in parts)
    return training, validation


def count_labelled(items: Iterable[Item]) -> int:
    """Count the items with a label.

    Args:
        items: items of a data list.

    >>> count_labelled([{"image": "a.tif"}, {"image": "b.tif", "label": "c.tif"}])
    1
    """
    return sum("label" in item for item in items)
