"""Which files of a study can be used: one damaged file must not stop a training, a strategy or a scoring of all others."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.reader import image_layout, split_name
from monai_denoiseg.engines import first_cause
from monai_denoiseg.label.outlines import read_outlines

MOST_VOXELS_IN_A_BYTE = 4096
"""Voxels a byte of a file stands for at most; zlib packs an empty image about 1000 to 1."""

BYTES_FOR_A_VOXEL = 12
"""Memory to load an image: the file's values, and those the network takes, once more while they are checked."""


def unsuitable(image: str | os.PathLike, spatial_dims: int, axes: str | None = None) -> str:
    """Why a file cannot be an image of this network, by its name and header; empty if it can.

    Args:
        image: file.
        spatial_dims: of the network.
        axes: axes of the image.

    >>> unsuitable("slide.svs", 2)
    'slide.svs: unsupported file format'
    """
    name = Path(image).name
    if not split_name(image)[1]:
        return f"{name}: unsupported file format"
    if not Path(image).is_file():
        return f"{name}: no such file"
    try:
        layout = image_layout(image, axes, spatial_dims)
    except Exception as error:  # of a damaged file a library raises anything
        return named(image, error)
    voxels = " x ".join(map(str, layout.shape))
    if math.prod(layout.shape) > MOST_VOXELS_IN_A_BYTE * (Path(image).stat().st_size + 2**10):
        return f"{name}: its header speaks of {voxels} voxels, the file has {Path(image).stat().st_size:,} bytes"
    if math.prod(layout.shape) * BYTES_FOR_A_VOXEL > memory():
        return f"{name}: its header speaks of {voxels} voxels, more than fit into memory"
    return f"{name} holds {layout.frames} images along time; store them in one file each" if layout.frames else ""


def lying_header(image: str | os.PathLike, spatial_dims: int) -> str:
    """Why a file's header cannot be true: predicting so many voxels that are not there would take for ever; empty if it can.

    Args:
        image: file.
        spatial_dims: of the network.

    >>> lying_header("missing.tif", 2)
    ''
    """
    problem = unsuitable(image, spatial_dims) if Path(image).is_file() else ""
    return problem if "its header speaks of" in problem and "memory" not in problem else ""


def image_problem(image: str | os.PathLike, spatial_dims: int, axes: str | None = None, channels: int | None = None) -> str:
    """Why a file cannot be an image of this network, all of it read; empty if it can.

    Args:
        image: file.
        spatial_dims: of the network.
        axes: axes of the image.
        channels: of the network; None for any.

    >>> image_problem("missing.tif", 2)
    'missing.tif: no such file'
    """
    problem = unsuitable(image, spatial_dims, axes)
    if problem:
        return problem
    try:
        stat = Path(image).stat()
    except OSError as error:
        return named(image, error)
    found = _read(str(image), stat.st_mtime_ns, stat.st_size, spatial_dims, axes)
    if isinstance(found, int) and channels is not None and found != channels:
        of = f"{found} channel{'s' * (found > 1)}"
        return f"{Path(image).name} has {of}, the network takes {channels} (`in_channels` in the bundle's train.json)"
    return found if isinstance(found, str) else ""


@lru_cache(maxsize=100_000)
def _read(path: str, changed: int, size: int, spatial_dims: int, axes: str | None) -> int | str:
    """Channels of an image, or why it cannot be read; a file is read again when it was changed."""
    try:
        return int(LoadItemd(spatial_dims=spatial_dims, axes=axes)({"image": path})["image"].shape[0])
    except Exception as error:
        return named(path, error)


def label_problem(
    label: str | os.PathLike,
    image: str | os.PathLike,
    spatial_dims: int,
    axes: str | None = None,
    classes: Sequence[str] = (),
    binary_labels: str = "components",
) -> str:
    """Why a label cannot be trained on together with its image; empty if it can.

    Args:
        label: file.
        image: its image, which can be read.
        spatial_dims: of the network.
        axes: axes of the image.
        classes: names of semantic classes; empty for instances.
        binary_labels: see :class:`~monai_denoiseg.data.LoadItemd`.

    >>> label_problem("notes.txt", "a.tif", 2)
    'label notes.txt: unsupported file format; save it as .nii.gz or .tif'
    """
    if is_outlines(label):
        return _outlines_problem(label)
    if not split_name(label)[1]:
        return f"label {Path(label).name}: unsupported file format; save it as .nii.gz or .tif"
    try:
        item: dict[Any, Any] = {"image": str(image), "label": str(label)}
        LoadItemd(spatial_dims=spatial_dims, axes=axes, binary_labels=binary_labels, classes=list(classes) or None)(item)
    except Exception as error:
        return _of_label(label, error)
    return ""


def _of_label(label: str | os.PathLike, error: BaseException) -> str:
    text = named(label, error)
    return text if text.startswith("label ") else f"label {text}"


def is_outlines(label: str | os.PathLike) -> bool:
    """Whether a label file holds outlines, as QuPath sends them.

    Args:
        label: file.

    >>> is_outlines("a.xml"), is_outlines("a.tif")
    (True, False)
    """
    return Path(label).suffix.lower() == ".xml"


def readable(label: str | os.PathLike) -> bool:
    """Whether a label file has an ending of a format that holds values.

    Args:
        label: file.

    >>> readable("a.nii.gz"), readable("a.xml"), readable("a.svs")
    (True, False, False)
    """
    return bool(split_name(label)[1])


def _outlines_problem(label: str | os.PathLike) -> str:
    try:
        read_outlines(label)
    except (OSError, ValueError) as error:
        return _of_label(label, error)
    return ""


def named(path: str | os.PathLike, error: BaseException) -> str:
    """What is wrong with a file, in one line that begins with its name or holds it.

    Args:
        path: the file.
        error: what reading it raised; MONAI wraps it.

    >>> named("study/a.nii.gz", OSError("Empty file"))
    'a.nii.gz: Empty file'
    """
    cause, name = first_cause(error), Path(path).name
    text = " ".join(str(cause).split()) or type(cause).__name__
    if isinstance(cause, MemoryError):
        text = "it does not fit into memory"
    return text if name in text else f"{name}: {text}"


@lru_cache(maxsize=1)
def memory() -> float:
    """Bytes of memory the machine has; infinite where the system does not tell.

    >>> memory() > 1e6
    True
    """
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
