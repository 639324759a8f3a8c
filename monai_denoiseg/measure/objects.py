"""Measure every object, or every structure, of one image."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from monai_denoiseg.measure.columns import chosen_columns
from monai_denoiseg.measure.scale import Scale, scale_of

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = ("mean", "median", "std", "sum", "min", "max", "p5", "p95")
OBJECT = "object"
"""The structure of objects that are numbered."""


def measure_labels(
    labels: NDArray[Any],
    image: NDArray[Any] | None = None,
    denoised: NDArray[Any] | None = None,
    *,
    probabilities: NDArray[Any] | None = None,
    spacing: Sequence[float] | Any = None,
    unit: str | None = None,
    classes: Sequence[str] | None = None,
    measure: Sequence[str] | str | None = "auto",
) -> pd.DataFrame:
    """Measure the objects of a label image, by :func:`skimage.measure.regionprops_table`.

    Args:
        labels: ``([D,] H, W)`` integers: objects by number, or classes; 0 is background.
        image: ``(C, [D,] H, W)`` raw intensities.
        denoised: likewise.
        probabilities: ``(K, [D,] H, W)`` of the network: for classes of each class, else of background and others.
        spacing: voxel size, ([Z, ]Y, X); None (or NaN) where unknown.
        unit: its unit.
        classes: names of semantic classes, background first: a row for each, also if it is not there; None (or empty) for
            objects.
        measure: groups of columns, see :func:`~monai_denoiseg.measure.columns.chosen_columns`.

    Returns:
        One row an object, in the order of the numbers: ``label``, ``structure``, and the columns of docs/measurements.md.
        Without groups of columns it is empty.

    Raises:
        ValueError: when the labels are no 2 or 3-dimensional integers, or another array has another shape.

    >>> labels = np.array([[0, 1, 1], [0, 0, 2]])
    >>> table = measure_labels(labels, 10.0 * np.arange(6).reshape(1, 2, 3), spacing=[0.5, 0.5], unit="um")
    >>> table[["label", "area", "area_um2", "mean_raw", "touches_border"]].values.tolist()
    [[1, 2, 0.5, 15.0, True], [2, 1, 0.25, 50.0, True]]
    """
    import pandas as pd  # seldom needed, and slow to import

    labels = np.asarray(labels)
    _check(labels, image=image, denoised=denoised, probabilities=probabilities)
    groups, scale = chosen_columns(measure, labels.ndim, classes), scale_of(spacing, unit, labels.ndim)
    if not groups:
        return pd.DataFrame()
    table = _plain(labels, groups, scale)
    channels = {"raw": image, "denoised": denoised} if "intensity" in groups else {}
    table |= _intensities(labels, {name: array for name, array in channels.items() if array is not None})
    if "probability" in groups and probabilities is not None:
        table |= _probability(labels, probabilities, bool(classes))
    frame = pd.DataFrame(table)
    if classes:
        frame = _every_class(frame, classes)
    names = pd.Series([classes[n] if classes else OBJECT for n in frame["label"]], dtype=object)
    frame.insert(1, "structure", names)
    return frame


def _check(labels: NDArray[Any], **arrays: NDArray[Any] | None) -> None:
    if labels.ndim not in (2, 3) or labels.dtype.kind not in "iu":
        raise ValueError(f"`labels` must be integers ([D, ]H, W), got {labels.dtype} {labels.shape}")
    for name, array in arrays.items():
        if array is not None and np.asarray(array).shape[1:] != labels.shape:
            raise ValueError(f"`{name}` must be (channels, *{labels.shape}) as `labels`, got {np.asarray(array).shape}")


def _plain(labels: NDArray[Any], groups: Sequence[str], scale: Scale) -> dict[str, Any]:
    """Columns that the labels alone tell."""
    axes = "zyx"[-labels.ndim :]
    found = regionprops_table(labels, properties=["label", "num_pixels", "bbox", *(["centroid"] * ("centroid" in groups))])
    low = {axis: found[f"bbox-{i}"] for i, axis in enumerate(axes)}
    high = {axis: found[f"bbox-{i + len(axes)}"] for i, axis in enumerate(axes)}
    table: dict[str, Any] = {"label": found["label"].astype(np.int64)}
    if "size" in groups:
        table |= scale.size_columns(found["num_pixels"].astype(np.int64)) | {"unit": scale.unit}
    if "centroid" in groups:
        table |= {f"centroid_{axis}": found[f"centroid-{i}"] for i, axis in enumerate(axes)}
    if "bbox" in groups:
        table |= {f"bbox_{axis}_min": low[axis] for axis in axes} | {f"bbox_{axis}_max": high[axis] for axis in axes}
    if "shape" in groups:
        table |= _lengths(labels, scale)
    if "solidity" in groups:
        table["solidity"] = _solidity(labels)
    if "border" in groups:
        sides = [(low[axis] == 0) | (high[axis] == size) for axis, size in zip(axes, labels.shape, strict=True)]
        table["touches_border"] = np.any(sides, axis=0)
    return table


def _solidity(labels: NDArray[Any]) -> NDArray[np.float64]:
    """Share of its convex hull that an object fills; NaN for objects of a volume that are flat, which have none."""
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        found = regionprops_table(labels, properties=["solidity"])["solidity"]
    solidity: NDArray[np.float64] = np.where(np.isfinite(found), found, np.nan)
    return solidity


def _lengths(labels: NDArray[Any], scale: Scale) -> dict[str, Any]:
    names = {"axis_major_length": "major_axis", "axis_minor_length": "minor_axis", "equivalent_diameter_area": "diameter"}
    found = regionprops_table(labels, properties=list(names), spacing=scale.sizes)
    ending = "px" if not scale.known else scale.unit
    return {f"{short}_{ending}": found[name] for name, short in names.items()}


def _statistics(mask: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[np.float64]:
    """:data:`STATISTICS` of the voxels of one object in one channel."""
    inside = values[mask].astype(np.float64)
    low, median, high = np.percentile(inside, [5, 50, 95])
    total = inside.sum()
    return np.array([total / len(inside), median, inside.std(), total, inside.min(), inside.max(), low, high])


def _intensities(labels: NDArray[Any], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Statistics of each channel of each image, named ``mean_raw`` or, of several channels, ``mean_raw_2``."""
    table: dict[str, Any] = {}
    for name, array in arrays.items():
        for number, channel in enumerate(array, 1):
            found = regionprops_table(labels, np.asarray(channel), properties=[], extra_properties=[_statistics])
            ending = name if len(array) == 1 else f"{name}_{number}"
            table |= {f"{one}_{ending}": found[f"_statistics-{i}"] for i, one in enumerate(STATISTICS)}
    return table


def _probability(labels: NDArray[Any], probabilities: NDArray[Any], semantic: bool) -> dict[str, Any]:
    """Mean probability, within an object, that its voxels are no background; within a class, that they are of it."""
    values = np.asarray(probabilities, np.float64)
    numbers = np.unique(labels)
    numbers = numbers[numbers > 0]
    if semantic:
        means = [values[number][labels == number].mean() for number in numbers]
        return {"probability": np.asarray(means, np.float64)}
    inside = values[0] if len(values) == 1 else 1 - values[0]
    where = np.searchsorted(numbers, labels[labels > 0])
    sums = np.bincount(where, inside[labels > 0], minlength=len(numbers))
    return {"probability": sums / np.maximum(1, np.bincount(where, minlength=len(numbers)))}


def _every_class(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Add the classes that are not there, of size 0."""
    numbers = range(1, len(classes))
    full = frame.set_index("label").reindex(numbers).reset_index()
    for column in full:
        if str(column).startswith(("area", "volume")):
            full[column] = full[column].fillna(0).astype(frame[column].dtype)
        elif column == "touches_border":
            full[column] = full[column].eq(True)
        elif column == "unit":
            full[column] = full[column].bfill().ffill()
    return full
