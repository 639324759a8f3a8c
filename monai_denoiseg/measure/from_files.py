"""Items as an inference has them, read back from the files it wrote."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai_denoiseg.data import LoadItemd, image_layout
from monai_denoiseg.data.reader import read_result
from monai_denoiseg.engines.frames import frames_of, loaded_frames

logger = logging.getLogger(__name__)

MOST_VOXELS = 1 << 27
"""Voxels up to which an image is measured: measuring needs it in memory as a whole."""


def items_from_files(engine: Any, index: int, label_key: str, suffix: str) -> Iterator[dict[Any, Any]]:
    """Load an image with its results; of a file with several frames one after the other.

    Args:
        engine: a :class:`~monai_denoiseg.engines.FilePredictor`.
        index: of the item in its data set.
        label_key: key the labels get.
        suffix: kind of the labels, see :class:`~monai_denoiseg.heads.Head`.

    Yields:
        Items; nothing for an image that is too large, with a warning.
    """
    item = engine.dataset.data[index]
    load = next(part for part in engine.dataset.transform.transforms if isinstance(part, LoadItemd))
    shape = image_layout(item["image"], load.axes, load.spatial_dims).shape
    if math.prod(shape) > MOST_VOXELS:
        logger.warning(
            "%s has %s voxels and is not measured: that needs the whole image in memory", item["image"], f"{math.prod(shape):,}"
        )
        return
    files = engine.targets(index)
    files = {label_key: files.get(label_key, files.get(suffix)), **{k: files.get(k) for k in ("denoised", "probabilities")}}
    frames = frames_of(engine.dataset, index)
    for whole in loaded_frames(engine.dataset, index, frames) if frames > 1 else [engine.dataset[index]]:
        frame = whole.get("frame") if frames > 1 else None
        arrays = {
            key: read_result(path, len(shape), frame) for key, path in files.items() if path is not None and Path(path).exists()
        }
        yield {**whole, **arrays}
