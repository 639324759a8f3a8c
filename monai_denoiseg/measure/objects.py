"""Measure every object, or every structure, of one image."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from monai_denoiseg.measure.columns import chosen_columns
from monai_denoiseg.measure.regions import STATISTICS, Regions
from monai_denoiseg.measure.scale import Scale, scale_of

if TYPE_CHECKING:
    import pandas as pd

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
    """Measure the objects of a label image.

    Values are those of :func:`skimage.measure.regionprops` and :func:`numpy.percentile`. Sizes, places, intensities and
    axes of 100,000 objects take seconds; convex hulls are scikit-image's own, a millisecond an object.

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
    regions = Regions.of(labels)
    table = _plain(regions, groups, scale)
    channels = {"raw": image, "denoised": denoised} if "intensity" in groups else {}
    table |= _intensities(regions, {name: array for name, array in channels.items() if array is not None})
    if "probability" in groups and probabilities is not None:
        table |= _probability(regions, probabilities, bool(classes))
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


def _plain(regions: Regions, groups: Sequence[str], scale: Scale) -> dict[str, Any]:
    """Columns that the labels alone tell."""
    axes = "zyx"[-len(regions.shape) :]
    table: dict[str, Any] = {"label": regions.numbers}
    if "size" in groups:
        table |= scale.size_columns(regions.sizes) | {"unit": scale.unit}
    if "centroid" in groups:
        table |= {f"centroid_{axis}": column for axis, column in zip(axes, regions.centroids().T, strict=True)}
    low, high = regions.boxes() if {"bbox", "border"} & {*groups} else (np.empty((0, len(axes)), np.int64),) * 2
    if "bbox" in groups:
        table |= {f"bbox_{axis}_min": column for axis, column in zip(axes, low.T, strict=True)}
        table |= {f"bbox_{axis}_max": column for axis, column in zip(axes, high.T, strict=True)}
    if "shape" in groups:
        table |= _lengths(regions, scale)
    if "solidity" in groups:
        table["solidity"] = _solidity(regions)
    if "border" in groups:
        table["touches_border"] = ((low == 0) | (high == regions.shape)).any(axis=1)
    return table


def _solidity(regions: Regions) -> NDArray[np.float64]:
    """Share of its convex hull that an object fills; NaN for objects of a volume that are flat, which have none."""
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        found = regionprops_table(regions.numbered(), properties=["solidity"])["solidity"]
    solidity: NDArray[np.float64] = np.where(np.isfinite(found), found, np.nan)
    return solidity


def _lengths(regions: Regions, scale: Scale) -> dict[str, Any]:
    """Axes of the ellipse (ellipsoid) of the same inertia, and the diameter of the disc (ball) of the same size."""
    spread, dims = regions.covariances(scale.sizes), len(regions.shape)
    inertia = np.trace(spread, axis1=1, axis2=2)[:, None, None] * np.eye(dims) - spread
    small, *_, large = moments = np.linalg.eigvalsh(inertia).clip(0).T  # ascending
    if dims == 2:
        squares = 16 * large, 16 * small
    else:
        total = moments.sum(0)
        squares = 10 * (total - 2 * small), 10 * (total - 2 * large)
    diameter = (2 * dims * regions.sizes * scale.voxel / np.pi) ** (1 / dims)
    ending = "px" if not scale.known else scale.unit
    columns = {"major_axis": np.sqrt(squares[0].clip(0)), "minor_axis": np.sqrt(squares[1].clip(0)), "diameter": diameter}
    return {f"{name}_{ending}": column for name, column in columns.items()}


def _intensities(regions: Regions, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Statistics of each channel of each image, named ``mean_raw`` or, of several channels, ``mean_raw_2``."""
    table: dict[str, Any] = {}
    for name, array in arrays.items():
        for number, channel in enumerate(array, 1):
            ending = name if len(array) == 1 else f"{name}_{number}"
            columns = regions.statistics(np.asarray(channel)).T
            table |= {f"{one}_{ending}": column for one, column in zip(STATISTICS, columns, strict=True)}
    return table


def _probability(regions: Regions, probabilities: NDArray[Any], semantic: bool) -> dict[str, Any]:
    """Mean probability, within an object, that its voxels are no background; within a class, that they are of it."""
    values = np.asarray(probabilities)
    if semantic:
        own = [regions.means(values[number])[row] for row, number in enumerate(regions.numbers)]
        return {"probability": np.asarray(own, np.float64)}
    means = regions.means(values[0])
    return {"probability": means if len(values) == 1 else 1 - means}


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
