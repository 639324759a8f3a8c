"""The frames of a file that cannot be streamed: loaded one by one, and saved together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monai.transforms import apply_transform

from monai_denoiseg.data import LoadItemd, image_layout


def frames_of(dataset: Any, index: int) -> int:
    """How many images along time the file of an item holds; 0 where it holds one, or the item is one of them.

    Args:
        dataset: with a :class:`~monai_denoiseg.data.LoadItemd` among its transforms, which knows the axes.
        index: of the item.

    Raises:
        ValueError: when the file cannot be read.

    >>> from monai.data import Dataset
    >>> frames_of(Dataset([{"image": "a.tif", "frame": 3}], LoadItemd(axes="TYX", spatial_dims=2)), 0)
    0
    """
    transform = getattr(dataset, "transform", None)
    load = next((part for part in getattr(transform, "transforms", [transform]) if isinstance(part, LoadItemd)), None)
    items = getattr(dataset, "data", None)
    if load is None or items is None or "frame" in items[index]:
        return 0
    return image_layout(items[index][load.image_key], load.axes, load.spatial_dims).frames


def loaded_frames(dataset: Any, index: int, frames: int) -> Iterator[dict[str, Any]]:
    """Load the frames of an item one after the other.

    Args:
        dataset: see :func:`frames_of`.
        index: of the item.
        frames: how many.

    Yields:
        Items with ``"frame"`` and ``"frames"``, by which :class:`~monai_denoiseg.data.SavePredictiond` joins them.

    >>> from monai.data import Dataset
    >>> [item["frame"] for item in loaded_frames(Dataset([{"image": "a.tif"}], lambda item: item), 0, 2)]
    [0, 1]
    """
    for frame in range(frames):
        item: Any = apply_transform(dataset.transform, {**dataset.data[index], "frame": frame, "frames": frames})
        yield item
