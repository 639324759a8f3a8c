"""What image files hold, from a look at some of them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_denoiseg.data.dicom import holds_dicom
from monai_denoiseg.data.lazy import can_stream, open_lazy
from monai_denoiseg.data.reader import FileReader, image_layout

SMALL = 32 << 20
"""Bytes of a file up to which it may be read for this."""


@dataclass(frozen=True)
class FileFacts:
    """What one file holds.

    Args:
        shape: spatial shape.
        channels: of each image; 0 if not known without reading it all.
        axes: letters of the axes that are used, the frames apart.
        frames: images along time, 0 for a file of one.
        dtype: data type of the file; empty if not known.
        spacing: voxel size, None where the file does not tell.
        unit: of the voxel size.
    """

    shape: tuple[int, ...]
    channels: int
    axes: str
    frames: int
    dtype: str
    spacing: tuple[float, ...] | None
    unit: str


def file_facts(path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None) -> FileFacts:
    """Look at a file; a large one is not read.

    Args:
        path: image file.
        axes: see :class:`~monai_denoiseg.data.FileReader`.
        spatial_dims: likewise.

    Raises:
        OSError: when it cannot be read.
        ValueError: likewise.

    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((32, 48), "uint16"))
    ...     found = file_facts(f"{folder}/a.npy")
    >>> found.shape, found.channels, found.axes, found.dtype
    ((32, 48), 1, 'YX', 'uint16')
    """
    layout = image_layout(path, axes, spatial_dims)
    if _size(Path(path)) <= SMALL:
        stored = FileReader(axes, spatial_dims=spatial_dims, frame=0 if layout.frames else None).read(path)[0]
        channels = stored.array.shape[0] if stored.meta["original_channel_dim"] == 0 else 1
        spacing = stored.meta.get("spacing")
        known = (str(stored.meta["dtype"]), None if spacing is None else tuple(spacing), str(stored.meta.get("unit", "")))
    elif can_stream(path):
        with open_lazy(path, axes, spatial_dims) as image:
            channels, known = image.channels, (str(image.dtype), image.spacing, image.unit or "")
    else:
        channels, known = 0 if layout.has_channel else 1, ("", None, "")
    return FileFacts(layout.shape, channels, layout.letters, layout.frames, *known)


def _size(path: Path) -> float:
    """Bytes of a file, or of the files of a DICOM series; a Zarr folder is never small."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.iterdir()) if holds_dicom(path) else math.inf


def in_words(facts: Sequence[FileFacts]) -> str:
    """Put the facts of several files into a line.

    Args:
        facts: of at least one file.

    >>> one = FileFacts((32, 48), 1, "YX", 0, "uint16", (0.5, 0.5), "um")
    >>> in_words([one, FileFacts((64, 64), 1, "YX", 5, "uint8", None, "")])
    '1 channel, 32 x 48 to 64 x 64, voxel size 0.5 x 0.5 um or unknown, axes YX, 5 frames, uint16 or uint8'
    """

    def each(values: Sequence[str]) -> str:
        return " or ".join(dict.fromkeys(value for value in values if value))

    shapes = sorted({one.shape for one in facts})
    sizes = " to ".join(" x ".join(map(str, shape)) for shape in dict.fromkeys((shapes[0], shapes[-1])))
    channels = each([str(one.channels or "several") for one in facts])
    voxels = each(
        [
            "unknown" if one.spacing is None else f"{' x '.join(f'{v:g}' for v in one.spacing)} {one.unit}".rstrip()
            for one in facts
        ]
    )
    frames = each([str(one.frames or "") for one in facts])
    parts = [
        f"{channels} channel{'' if channels == '1' else 's'}",
        sizes,
        f"voxel size {voxels}",
        f"axes {each([one.axes for one in facts])}",
        f"{frames} frames" if frames else "",
        each([one.dtype for one in facts]),
    ]
    return ", ".join(part for part in parts if part)
