"""What an annotator's label file means: named segments, scribbles, outlines, in the terms of a bundle's labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile

from monai_denoiseg.constants import IGNORE
from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.nifti import NIFTI_SUFFIXES, write_nifti
from monai_denoiseg.data.reader import image_layout, split_name
from monai_denoiseg.files import writing
from monai_denoiseg.label.outlines import IGNORED, draw_outlines, read_outlines

HIDDEN = (*IGNORED, "not annotated", "unlabelled", "unlabeled")
"""Names (in lower case) of a segment whose voxels are not annotated."""

EMPTY = ("annotated background", "background scribbles")
"""Names of a segment that marks background: where there is one, voxels in no segment are not annotated."""


def read_segments(
    values: np.ndarray, segments: Sequence[str], classes: Sequence[str] = (), numbers: Sequence[int | None] = ()
) -> np.ndarray:
    """Bring a label map of named segments to the values the training takes.

    Args:
        values: integers, 0 where there is no segment, -1 where the file itself says that nothing is annotated.
        segments: names of the segments; segments without a name that counts are objects.
        classes: names of semantic classes in the order of their values; empty for instances, whose numbers stay.
        numbers: the values a client gave the segments, see :func:`values_of_segments`.

    Returns:
        int32 of the same shape, -1 where not annotated.

    Raises:
        ValueError: for a segment that is no class, and with classes for values that no segment has.

    >>> read_segments(np.array([0, 1, 2, 3]), ["cell", "not annotated", "annotated background"]).tolist()
    [-1, 1, -1, 0]
    >>> read_segments(np.array([0, 1, 2]), ["spleen", "liver"], ["background", "liver", "spleen"]).tolist()
    [0, 2, 1]
    >>> read_segments(np.array([0, 2, 7]), ["spleen", "liver"], ["background", "liver", "spleen"], [7, 2]).tolist()
    [0, 1, 2]
    """
    label = values.astype(np.int32)
    names = [name.strip().lower() for name in segments]
    known = [name.lower() for name in classes]
    places = values_of_segments(label, len(names), numbers)
    stray = sorted({int(value) for value in np.unique(label) if value > 0} - set(places)) if known else []
    if stray:
        called = ", ".join(f"{place}: {name}" for place, name in zip(places, segments, strict=True))
        raise ValueError(
            f"the label holds the value {stray[0]}, but its segments are {called}; send `label_info` with their `idx`"
        )
    result = label.copy()
    for value, name in zip(places, names, strict=True):
        inside = label == value
        if name in HIDDEN:
            result[inside] = IGNORE
        elif name in EMPTY:
            result[inside] = 0
        elif known and name in known:
            result[inside] = known.index(name)
        elif known and inside.any():
            raise ValueError(f"a segment is called {segments[places.index(value)]!r}; the classes are {', '.join(classes)}")
    if any(name in EMPTY for name in names):
        result[label == 0] = IGNORE
    return result


def values_of_segments(label: np.ndarray, count: int, numbers: Sequence[int | None] = ()) -> list[int]:
    """Which value of a label map each segment has: its place in the list, or where the map says otherwise the client's number.

    3D Slicer numbers the segments it exports from 1 on, in the order of the list; the ``idx`` it sends also counts those it
    leaves out, such as a background. Other clients mean their ``idx``. So the numbers count where they are in another order than
    the list, or where the map holds values that are no places in it.

    Args:
        label: the map.
        count: number of segments.
        numbers: the client's; None where it gave none.

    >>> values_of_segments(np.array([0, 1, 2]), 2, [2, 4]), values_of_segments(np.array([0, 4]), 2, [2, 4])
    ([1, 2], [2, 4])
    """
    places = list(range(1, count + 1))
    given = [number for number in numbers if number is not None]
    if len(given) != count or len(set(given)) != count:
        return places
    outside = bool((label > count).any())
    return given if outside or given != sorted(given) else places


def segment_names(info: Mapping[str, Any]) -> list[str]:
    """Names of the segments of a label in the order of the list, as 3D Slicer submits them.

    Args:
        info: what MONAI Label keeps of a label; ``label_info`` lists its segments.

    >>> segment_names({"label_info": [{"name": "cell", "idx": 1}, {"name": "not annotated", "idx": 3}]})
    ['cell', 'not annotated']
    """
    return [str(entry.get("name", "")) for entry in _entries(info)]


def segment_values(info: Mapping[str, Any]) -> list[int | None]:
    """The value a client gave each segment; None where it gave none.

    Args:
        info: what MONAI Label keeps of a label; ``label_info`` lists its segments.

    >>> segment_values({"label_info": [{"name": "cell", "idx": 1}, {"name": "not annotated", "idx": "three"}]})
    [1, None]
    """
    numbers = [entry.get("idx") for entry in _entries(info)]
    return [number if isinstance(number, int) and not isinstance(number, bool) else None for number in numbers]


def _entries(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = info.get("label_info")
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def prepare_label(
    label: str | os.PathLike,
    image: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    segments: Sequence[str] = (),
    numbers: Sequence[int | None] = (),
    classes: Sequence[str] = (),
    spatial_dims: int = 2,
    axes: str | None = None,
) -> Path:
    """Return the file a training reads an annotation from; where names must be understood first, it is written.

    Args:
        label: the annotator's file: any format the package reads, or outlines from QuPath (``.xml``).
        image: its image.
        folder: where rewritten labels go.
        segments: names of the segments, see :func:`segment_names`.
        numbers: values of the segments, see :func:`segment_values`.
        classes: names of semantic classes, background first; empty for instances.
        spatial_dims: 2 or 3.
        axes: axes of the image, see :class:`~monai_denoiseg.data.FileReader`.

    Returns:
        ``label`` itself if it needs no rewriting, else a file in ``folder`` whose negative voxels are not annotated.

    Raises:
        ValueError: for a format that is not supported, a label that does not fit its image, or a segment that is no class.

    >>> prepare_label("labels/a.tif", "a.tif", "work").as_posix()
    'labels/a.tif'
    """
    label = Path(label)
    if label.suffix.lower() == ".xml":
        shape = image_layout(image, axes, spatial_dims).shape
        if len(shape) != 2:
            raise ValueError(f"label {label} holds outlines, which are for 2D images; the image {image} is a volume")
        return _write(draw_outlines(read_outlines(label), shape, classes), image, Path(folder))
    if not split_name(label)[1]:
        raise ValueError(f"label {label}: unsupported file format; save it as .nii.gz or .tif")
    if not any(name.strip().lower() in (*HIDDEN, *EMPTY) for name in segments) and not (classes and segments):
        return label
    item: dict[Any, Any] = {"image": str(image), "label": str(label)}
    values = LoadItemd(spatial_dims=spatial_dims, axes=axes, binary_labels="keep")(item)["label"][0].numpy()
    return _write(read_segments(values, segments, classes, numbers), image, Path(folder))


def _write(values: np.ndarray, image: str | os.PathLike, folder: Path) -> Path:
    """Write an int32 label in the file family of its image."""
    stem, suffix = split_name(image)
    if suffix in NIFTI_SUFFIXES and nibabel.load(image).shape[: values.ndim][::-1] == values.shape:
        target = folder / f"{stem}.nii.gz"
        write_nifti(values[None], image, target, label=True)
        return target
    target = folder / f"{stem}.tif"
    with writing(target) as part:
        tifffile.imwrite(part, values, photometric="minisblack")
    return target
