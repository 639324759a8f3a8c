"""Read a DICOM series as an image in (Z)YX order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.data.axes import Arrangement, arrange, check_frame, put_in_order
from monai_denoiseg.data.dicom.files import need
from monai_denoiseg.data.dicom.planes import Plane
from monai_denoiseg.data.dicom.series import Series, open_series
from monai_denoiseg.data.stored import StoredImage, stored_image


def dicom_axes(count: int, axes: str | None, spatial_dims: int | None) -> str:
    """Letters of the axes of a stack of planes.

    Args:
        count: number of planes.
        axes: the user's word, of which T counts: the planes are separate images.
        spatial_dims: 2, 3, or None.

    >>> dicom_axes(20, None, 3), dicom_axes(20, "TYX", 2), dicom_axes(1, None, None)
    ('ZYX', 'TYX', 'YX')
    """
    if axes is not None and "T" in axes.upper() and "Z" not in axes.upper():
        return "TYX"
    return "YX" if count == 1 and spatial_dims != 3 else "ZYX"


def dicom_layout(path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None) -> Arrangement:
    """Return spatial shape, axes and number of frames of a series, without reading pixels.

    Args:
        path: see :func:`~monai_denoiseg.data.dicom.series.open_series`.
        axes: see :func:`dicom_axes`.
        spatial_dims: 2, 3, or ``None`` for what the files suggest.

    Raises:
        ValueError: when it is not one regular stack, or the axes do not fit ``spatial_dims``.
    """
    return _arrange(open_series(path, spatial_dims), path, axes, spatial_dims)


def _arrange(series: Series, path: str | os.PathLike, axes: str | None, spatial_dims: int | None) -> Arrangement:
    letters = dicom_axes(series.shape[0], axes, spatial_dims)
    return arrange(series.shape[-len(letters) :], letters, str(path), spatial_dims)


def read_dicom(
    path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None, frame: int | None = None
) -> StoredImage:
    """Read a series in ``[Z, ]Y, X`` order; stored values are scaled by slope and intercept (to HU in CT).

    Values are not inverted where low ones are to be shown bright (MONOCHROME1), and padding stays.

    Args:
        path: see :func:`~monai_denoiseg.data.dicom.series.open_series`.
        axes: see :func:`dicom_axes`.
        spatial_dims: 2, 3, or ``None`` for what the files suggest.
        frame: the plane to read, where ``axes`` says that planes are separate images.

    Returns:
        Array (integers where the scaling keeps them so, else float32) and metadata. ``affine`` ``(4, 4)`` maps (z, y, x), of a
        plane (y, x, 0), to mm to the right, front and head, as for NIfTI. Nothing about the patient is in the metadata.

    Raises:
        ValueError: when it is not one regular stack, there is no such frame, or it is compressed in a way nothing here decodes.

    >>> import tempfile
    >>> from monai_denoiseg.data.dicom import simulate_series
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = simulate_series(f"{folder}/scan", np.arange(24).reshape(2, 3, 4), spacing=(5.0, 1.0, 1.0))
    ...     image = read_dicom(f"{folder}/scan")
    >>> image.array.tolist()[1][0], image.meta["spacing"]
    ([12, 13, 14, 15], (5.0, 1.0, 1.0))
    """
    series = open_series(path, spatial_dims)
    arrangement = _arrange(series, path, axes, spatial_dims)
    check_frame(arrangement, frame, str(path))
    planes, affine, spacing = series.planes, series.affine.copy(), series.spacing
    if arrangement.frame_axis is not None and frame is not None:
        planes = planes[frame : frame + 1]
        affine[:, 3] += affine[:, 0] * frame  # the place of this plane
    stack = _pixels(planes)
    flat = len(arrangement.shape) == 2
    if flat and arrangement.frame_axis is None:
        stack = stack[0]
    columns = [1, 2, 0, 3] if flat else [0, 1, 2, 3]
    sizes = None if spacing is None else spacing[-len(arrangement.shape) :]
    return stored_image(put_in_order(stack, arrangement), arrangement, sizes, "mm", affine[:, columns])


def _pixels(planes: Sequence[Plane]) -> np.ndarray:
    """``(Z, Y, X)`` of scaled values."""
    slopes, intercepts = (np.array([getattr(plane, name) for plane in planes]) for name in ("slope", "intercept"))
    whole = bool((slopes == np.rint(slopes)).all() and (intercepts == np.rint(intercepts)).all())
    frames: dict[Path, np.ndarray] = {}
    last = {plane.file: i for i, plane in enumerate(planes)}
    stack: np.ndarray | None = None
    for i, plane in enumerate(planes):
        if plane.file not in frames:
            frames[plane.file] = _decoded(plane.file)
        stored = frames[plane.file][plane.frame]
        if stack is None:
            exact = np.int32 if stored.dtype.itemsize < 4 and np.abs(slopes).max() <= 2**14 else np.int64
            kept = np.float32 if not whole or stored.dtype.kind == "f" else exact
            stack = np.empty((len(planes), *plane.size), kept)
        stack[i] = stored if (plane.slope, plane.intercept) == (1, 0) else stored * plane.slope + plane.intercept
        if last[plane.file] == i:
            del frames[plane.file]
    assert stack is not None
    if stack.dtype.kind == "f":
        return stack
    least = next(kind for kind in (np.int16, np.uint16, np.int32, np.int64) if _holds(kind, stack))
    return stack.astype(least)


def _holds(kind: Any, values: np.ndarray) -> bool:
    limits = np.iinfo(kind)
    return bool(limits.min <= values.min() and values.max() <= limits.max)


def _decoded(path: Path) -> np.ndarray:
    """``(frames, Y, X)`` as stored."""
    pydicom = need()
    dataset = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:  # an old file without preamble
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        pixels = np.asarray(dataset.pixel_array)
    except Exception as error:
        if not syntax.is_compressed:
            raise ValueError(f"{path}: its pixels cannot be read, it may be damaged or not copied to its end: {error}") from error
        raise ValueError(
            f"{path}: its pixels are compressed as {syntax.name} and cannot be decoded: pip install 'monai_denoiseg[dicom]' (or "
            f"python-gdcm) brings the decoders; or decompress it, for instance with gdcmconv --raw ({error})"
        ) from error
    return pixels if pixels.ndim == 3 else pixels[None]
