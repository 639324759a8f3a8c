"""Images written window by window: OME-Zarr and BigTIFF that appear under their name only when they are complete."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tifffile

from monai_denoiseg.checks import check_option
from monai_denoiseg.data.label_colours import shown_in_colours
from monai_denoiseg.data.ngff import ngff_attributes, require_zarr
from monai_denoiseg.data.tiff import CLASSIC_LIMIT
from monai_denoiseg.data.tiff_meta import describe_to_tifffile
from monai_denoiseg.files import explained, open_updating, remove, replace_by
from monai_denoiseg.units import UNNAMED

SUFFIXES = {"ome-zarr": ".ome.zarr", "tiff": ".tif"}
"""File name ending by output format."""

_LARGEST_CHUNK = {"Z": 64, "Y": 256, "X": 256}


class Sink(Protocol):
    """An image being written: ``part`` is where, ``target`` where it will be."""

    target: Path
    part: Path

    def write(self, frame: int, window: tuple[slice, ...], data: np.ndarray) -> None:
        """Write ``data``, ``(C, *window)``, to a window of the spatial axes of a frame."""

    def finish(self) -> None:
        """Give the complete image its name, in place of what bore it before."""


class OmeZarrSink:
    """Write an OME-Zarr (NGFF 0.5, zarr format 3) of one resolution by windows.

    Chunks divide ``tile``: windows on the grid of the tiles never share a chunk, so one that was written stays as it is whatever
    happens while its neighbour is written.

    Args:
        target: final folder.
        shape: ``(T, C, [Z,] Y, X)``; axes T and C of length 1 are left out.
        dtype: data type.
        tile: spatial shape of the windows that will be written.
        spacing: voxel size of the spatial axes, None if unknown.
        unit: its unit.
        resume: go on with what an interrupted run left; else that is removed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = OmeZarrSink(Path(folder, "a.ome.zarr"), (1, 1, 4, 6), "uint16", tile=(4, 3), spacing=(0.5, 0.5), unit="um")
    ...     for x in (0, 3):
    ...         sink.write(0, (slice(0, 4), slice(x, x + 3)), np.full((1, 4, 3), x))
    ...     sink.finish()
    ...     require_zarr().open(f"{folder}/a.ome.zarr/0", mode="r")[0].tolist()
    [0, 0, 0, 3, 3, 3]
    """

    def __init__(
        self,
        target: Path,
        shape: Sequence[int],
        dtype: Any,
        *,
        tile: Sequence[int],
        spacing: Sequence[float] | None = None,
        unit: str | None = None,
        resume: bool = False,
    ) -> None:
        self.target, self.part = target, part_path(target)
        axes, lengths = _kept(shape, "TCZYX")
        self.axes = axes
        if not (resume and self.part.is_dir()):
            with explained(target):
                self._begin(lengths, np.dtype(dtype), tile, spacing, unit)
        self._array: Any = require_zarr().open_array(str(self.part / "0"), mode="r+")

    def _begin(
        self, lengths: list[int], dtype: np.dtype, tile: Sequence[int], spacing: Sequence[float] | None, unit: str | None
    ) -> None:
        remove(self.part)
        self.part.parent.mkdir(parents=True, exist_ok=True)
        group = require_zarr().open_group(str(self.part), mode="w", zarr_format=3)
        spatial = self.axes[-len(tile) :]
        chunks = [1] * (len(self.axes) - len(tile)) + chunk_shape(tile, spatial)
        group.create_array(
            "0",
            shape=lengths,
            chunks=[max(1, min(c, n)) for c, n in zip(chunks, lengths, strict=True)],
            dtype=dtype,
            fill_value=0,
            dimension_names=[letter.lower() for letter in self.axes],
        )
        sizes = dict(zip(spatial, spacing or [1.0] * len(tile), strict=True))
        name = self.target.name.removesuffix(SUFFIXES["ome-zarr"])
        group.attrs.update(ngff_attributes(name, self.axes, sizes, unit if spacing else None))

    def write(self, frame: int, window: tuple[slice, ...], data: np.ndarray) -> None:
        """See :class:`Sink`."""
        key = _key(self.axes, frame, window)
        with explained(self.target):
            self._array[key] = data if "C" in self.axes else data[0]

    def finish(self) -> None:
        """See :class:`Sink`."""
        replace_by(self.part, self.target)


class TiffSink:
    """Write a TIFF file by windows: pixels in one piece, not compressed.

    Up to 4 GB ImageJ opens it as a hyperstack. Beyond that, and for 32-bit labels, it is an OME-TIFF, as BigTIFF above 4 GB.

    Args:
        target: final file.
        shape: ``(T, C, [Z,] Y, X)``; axes T and C of length 1 are left out.
        dtype: data type.
        spacing: voxel size of the spatial axes, None if unknown.
        unit: its unit.
        resume: go on with what an interrupted run left; else that is removed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = TiffSink(Path(folder, "a.tif"), (1, 1, 4, 6), "uint16")
    ...     sink.write(0, (slice(0, 4), slice(3, 6)), np.full((1, 4, 3), 7))
    ...     sink.finish()
    ...     tifffile.imread(f"{folder}/a.tif")[3].tolist()
    [0, 0, 0, 7, 7, 7]
    """

    def __init__(
        self,
        target: Path,
        shape: Sequence[int],
        dtype: Any,
        *,
        spacing: Sequence[float] | None = None,
        unit: str | None = None,
        resume: bool = False,
    ) -> None:
        self.target, self.part = target, part_path(target)
        self.axes, self.shape = _kept(shape, "TZCYX")
        if not (resume and self.part.is_file()):
            self._begin(np.dtype(dtype), None if spacing is None else [float(size) for size in spacing], unit or UNNAMED)
        with tifffile.TiffFile(self.part) as tif:
            self._start = int(tif.series[0].dataoffset)
            self._kind = np.dtype(tif.byteorder + tif.series[0].dtype.char)

    def _begin(self, kind: np.dtype, sizes: list[float] | None, unit: str) -> None:
        big = int(np.prod(self.shape)) * kind.itemsize > CLASSIC_LIMIT
        imagej = not big and kind.name in ("uint8", "uint16", "float32")
        about = describe_to_tifffile(self.axes, sizes, unit, not imagej, imagej)
        if imagej and kind == np.uint16:  # nothing but labels is written so
            about = shown_in_colours(about)
        with explained(self.target):
            remove(self.part)
            self.part.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(
                self.part,
                shape=tuple(self.shape),
                dtype=kind,
                byteorder="<",
                ome=not imagej,
                imagej=imagej,
                bigtiff=big,
                photometric="minisblack",
                **about,
            )

    def write(self, frame: int, window: tuple[slice, ...], data: np.ndarray) -> None:
        """See :class:`Sink`."""
        # Plain writing, not a memory map: a full disk is then an error, not a signal that ends the program.
        letters = [letter for letter in self.axes if letter not in "YX"]
        spans = {"T": slice(frame, frame + 1), "C": slice(0, data.shape[0]), "Z": window[0]}
        data = np.ascontiguousarray(data.astype(self._kind, copy=False))
        rows, columns, width = window[-2], window[-1], self.shape[-1]
        whole_rows = columns.stop - columns.start == width
        with explained(self.target), open_updating(self.part) as file:
            for place in itertools.product(*[range(spans[letter].start, spans[letter].stop) for letter in letters]):
                index = dict(zip(letters, place, strict=True))
                plane = data[index.get("C", 0)]
                plane = plane[index.get("Z", 0) - window[0].start] if data.ndim == 4 else plane
                number = int(np.ravel_multi_index(place, self.shape[:-2])) if place else 0
                first = (number * self.shape[-2] + rows.start) * width + columns.start
                for i, part in enumerate([plane] if whole_rows else plane):
                    file.seek(self._start + (first + i * width) * self._kind.itemsize)
                    _write_all(file, memoryview(part).cast("B"))

    def finish(self) -> None:
        """See :class:`Sink`."""
        replace_by(self.part, self.target)


def open_sink(target: Path, shape: Sequence[int], dtype: Any, output_format: str, *, tile: Sequence[int], **options: Any) -> Sink:
    """Open a :class:`OmeZarrSink` or :class:`TiffSink`.

    Args:
        target: final file or folder.
        shape: ``(T, C, [Z,] Y, X)``.
        dtype: data type.
        output_format: ``"ome-zarr"`` or ``"tiff"``.
        tile: spatial shape of the windows that will be written.
        options: ``spacing``, ``unit`` and ``resume``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_sink(Path(folder, "a.tif"), (3, 1, 8, 8), "float32", "tiff", tile=(8, 8)).axes
    'TYX'
    """
    if check_option("output_format", output_format, SUFFIXES) == "tiff":
        return TiffSink(target, shape, dtype, **options)
    return OmeZarrSink(target, shape, dtype, tile=tile, **options)


def part_path(target: Path) -> Path:
    """Where an output is while it is written: beside its final place, hidden.

    Args:
        target: the final path.

    >>> part_path(Path("a.tif")).name
    '.a.tif.part'
    """
    return target.with_name(f".{target.name}.part")


def chunk_shape(tile: Sequence[int], axes: str) -> list[int]:
    """The largest chunks of a sensible size that divide tiles evenly.

    Args:
        tile: spatial shape of the tiles.
        axes: their letters.

    >>> chunk_shape((96, 512, 300), "ZYX")
    [48, 256, 150]
    """
    chunks = []
    for edge, letter in zip(tile, axes, strict=True):
        parts = next(n for n in range(1, edge + 1) if edge % n == 0 and (edge // n <= _LARGEST_CHUNK[letter]))
        # A prime number of voxels has no divisor but 1: better a large chunk than very many.
        chunks.append(edge // parts if edge // parts * 8 > _LARGEST_CHUNK[letter] else edge)
    return chunks


def _kept(shape: Sequence[int], order: str) -> tuple[str, list[int]]:
    """Axes and lengths as stored: T and C only where there are several."""
    letters = "TC" + "ZYX"[-(len(shape) - 2) :]
    lengths = dict(zip(letters, (int(n) for n in shape), strict=True))
    axes = "".join(letter for letter in order if letter in lengths and (letter not in "TC" or lengths[letter] > 1))
    return axes, [lengths[letter] for letter in axes]


def _key(axes: str, frame: int, window: tuple[slice, ...]) -> tuple[Any, ...]:
    head: list[Any] = [frame] if "T" in axes else []
    return (*head, *([slice(None)] if "C" in axes else []), *window)


def _write_all(file: Any, data: memoryview) -> None:
    while len(data):
        data = data[file.write(data) :]
