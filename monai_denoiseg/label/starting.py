"""A first segmentation of an image nobody has annotated or trained on: Self2Seg, alone on this image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.data import LoadItemd, SavePredictiond
from monai_denoiseg.label.options import number, text, whole_number
from monai_denoiseg.label.usable import named
from monai_denoiseg.self2seg.loop import Self2Seg

SCRIBBLES = {2: 0, 3: 1}
"""MONAI Label's values of scribbles (background, foreground) and the regions they mean, where the client names none."""

SCRIBBLE_NAMES = ("background_scribbles", "foreground_scribbles")
"""Names 3D Slicer gives the segments of scribbles."""

LARGEST = 1e15
"""Largest intensity; squares of larger ones and their sums leave the range of float32."""

OPTIONS: dict[str, Any] = {"experts": "noise2fast", "lam": 0.05, "start": "threshold", "time_budget": 60.0, "min_size": 15}
"""What a request may set, with the defaults."""


def self2seg_options(request: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a request, checked and complete.

    Args:
        request: an inference request; other keys are passed over, numbers may be text.

    Raises:
        ValueError: for a value that is no number, or out of range.

    >>> self2seg_options({"lam": "0.1", "model": "self2seg"})["lam"]
    0.1
    """
    found: dict[str, Any] = {}
    for key, default in OPTIONS.items():
        given = request.get(key)
        given = given[0] if isinstance(given, list) and given else given  # clients also send the list they were shown
        given = default if given in (None, "") else given
        read = text if isinstance(default, str) else whole_number if isinstance(default, int) else number
        found[key] = read(key, given)
    check_int("min_size", found["min_size"], 0)
    check_range("lam", found["lam"], 0, float("inf"), open_high=True)
    check_range("time_budget", found["time_budget"], 0, float("inf"), open_low=True)
    return found


def self2seg_file(
    image: str | os.PathLike,
    output_dir: str | os.PathLike,
    *,
    spatial_dims: int = 2,
    scribbles: str | os.PathLike | None = None,
    regions: Mapping[int, int] | None = None,
    instances: bool = True,
    **options: Any,
) -> Path:
    """Segment one file.

    Args:
        image: file.
        output_dir: folder for the result; it is made.
        spatial_dims: 2 or 3.
        scribbles: file with the annotator's scribbles; the segmentation starts from them.
        regions: what their values mean, see :func:`scribble_values`.
        instances: number the connected pieces of the foreground; False: 1 everywhere.
        options: see :data:`OPTIONS`.

    Returns:
        The label map, in the geometry and file family of the image.

    Raises:
        ValueError: for an image or options that do not fit.

    >>> import tempfile, tifffile
    >>> generator = np.random.default_rng(0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     values = generator.normal(0, 10, (32, 32)).astype("float32")
    ...     values[4:12, 4:12] += 100
    ...     values[20:28, 20:28] += 100
    ...     tifffile.imwrite(f"{folder}/a.tif", values)
    ...     found = self2seg_file(f"{folder}/a.tif", folder, experts="constant", lam=0.1)
    ...     int(tifffile.imread(found).max())
    2
    """
    chosen = self2seg_options(options)
    smallest, expert = chosen.pop("min_size"), chosen.pop("experts")
    item: dict[Any, Any] = {"image": str(image)} | ({} if scribbles is None else {"label": str(scribbles)})
    item = _load(item, spatial_dims)
    drawn = None if scribbles is None else read_scribbles(np.asarray(item["label"][0]), regions)
    if drawn is not None:
        chosen |= {"start": "scribbles", "keep_scribbles": True}
    result = Self2Seg((expert, expert), **chosen)(torch.as_tensor(item["image"]).as_subclass(torch.Tensor), scribbles=drawn)
    labels = separate(result.labels.numpy(), smallest) if instances else result.labels.numpy()
    SavePredictiond(output_dir, {"pred": "self2seg"}, label_keys=["pred"])(item | {"pred": torch.from_numpy(labels)[None]})
    return next(path for path in Path(output_dir).iterdir() if "_self2seg." in path.name)


def scribble_values(request: Mapping[str, Any]) -> dict[int, int]:
    """Which values of a request's scribbles mean background (0) and foreground (1).

    Args:
        request: may list its segments in ``label_info``, as 3D Slicer does.

    >>> scribble_values({})
    {2: 0, 3: 1}
    >>> names = ("object 1", "background_scribbles", "foreground_scribbles")
    >>> scribble_values({"label_info": [{"name": name, "id": i} for i, name in enumerate(names, 5)]})
    {6: 0, 7: 1}
    """
    listed = request.get("label_info")
    entries = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    given = {str(entry.get("name")): entry.get("id", entry.get("idx")) for entry in entries}
    values = [given.get(name) for name in SCRIBBLE_NAMES]
    if None in values:
        return dict(SCRIBBLES)
    return {whole_number("label_info", value): region for region, value in enumerate(values)}


def _load(item: Mapping[Any, Any], spatial_dims: int) -> dict[Any, Any]:
    """Load an image and its scribbles; the error of a damaged file names it."""
    try:
        loaded = LoadItemd(spatial_dims=spatial_dims, binary_labels="keep")(item)
    except Exception as error:  # of a damaged file a library raises anything
        raise ValueError(named(item["image"], error)) from error
    largest = float(loaded["image"].abs().max())
    if largest >= LARGEST:
        raise ValueError(f"{Path(item['image']).name} holds values up to {largest:.0e}; Self2Seg takes up to {LARGEST:.0e}")
    return loaded


def read_scribbles(values: np.ndarray, meaning: Mapping[int, int] | None = None) -> torch.Tensor:
    """Bring scribbles to regions.

    Args:
        values: of the file; those without a meaning are not drawn.
        meaning: region by value; None: 2 is background, 3 foreground.

    Returns:
        int64 of the same shape: 0, 1, and -1 where nothing is drawn.

    Raises:
        ValueError: unless both regions are drawn.

    >>> read_scribbles(np.array([0, 2, 3, 1])).tolist()
    [-1, 0, 1, -1]
    """
    regions = torch.full(values.shape, IGNORE, dtype=torch.int64)
    for value, region in (SCRIBBLES if meaning is None else meaning).items():
        inside = torch.from_numpy(values == value)
        if not bool(inside.any()):
            raise ValueError(f"no {('background', 'foreground')[region]} is drawn: scribbles are needed in both")
        regions[inside] = region
    return regions


def separate(labels: np.ndarray, min_size: int = 0) -> np.ndarray:
    """Number the connected pieces of the foreground.

    Args:
        labels: ``([D,] H, W)``, 0 background.
        min_size: smaller pieces are left out, in voxels.

    Returns:
        int32 of the same shape.

    >>> separate(np.array([[1, 0, 1, 1]]), 2).tolist()
    [[0, 0, 1, 1]]
    """
    pieces, count = ndimage.label(labels > 0)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    keep = sizes >= min_size
    keep[0] = False
    numbered: np.ndarray = np.where(keep, np.cumsum(keep), 0).astype(np.int32)[pieces]
    return numbered
