"""NIfTI files in (Z)YX order in memory, and back to X, Y, Z on disk with the header of the image they stem from."""

from __future__ import annotations

import gzip
import logging
import math
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from monai_denoiseg.data.axes import Arrangement, arrange, check_frame, put_in_order
from monai_denoiseg.data.stored import StoredImage, is_sheared, stored_image, voxel_sizes
from monai_denoiseg.files import target_of, writing

logger = logging.getLogger(__name__)

NIFTI_SUFFIXES = (".nii.gz", ".nii")
INTENT_LABEL = 1002
"""NIfTI code of "values are indices into a set of labels"."""


def nifti_layout(path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None) -> Arrangement:
    """Return spatial shape ``([Z, ]Y, X)``, axes and number of frames of a NIfTI file from its header alone.

    The stored axes are X, Y, Z and, if there is a fourth, the channel. NIfTI calls the fourth time, but most files keep
    channels there (sequences of an examination, probabilities); a true time series is one only if the user says so. A fifth
    axis is the channel, and the fourth then time.

    Args:
        path: the file.
        axes: the user's word. Only its T counts, as the order of a NIfTI file is fixed: with Z the fourth axis is time, without
            Z the third (``"TYX"``: every slice is a separate image).
        spatial_dims: 2, 3, or ``None`` for what the file suggests.

    Raises:
        ValueError: when the axes do not fit ``spatial_dims``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), "u1"), np.eye(4)), f"{folder}/a.nii.gz")
    ...     nifti_layout(f"{folder}/a.nii.gz", spatial_dims=3).shape, nifti_layout(f"{folder}/a.nii.gz", "TYX", 2).frames
    ((4, 5, 6), 4)
    """
    return _arrange(tuple(nibabel.load(path).shape), axes, str(path), spatial_dims)


def _arrange(shape: tuple[int, ...], axes: str | None, name: str, spatial_dims: int | None) -> Arrangement:
    given = (axes or "").upper()
    if spatial_dims == 2 and "T" not in given and (flat := _flat_axis(shape)) is not None:
        plane = iter("XY")  # a sagittal or coronal plane: the axis of length 1 is its Z, whichever that is
        letters = "".join("Z" if i == flat else next(plane) for i in range(3)) + "TC"[-(len(shape) - 3) :] * (len(shape) > 3)
        return arrange(shape, letters, name, spatial_dims)
    third = "T" if "T" in given and "Z" not in given else "Z"
    fourth = "T" if len(shape) == 5 or ("T" in given and third == "Z") else "C"
    letters = f"XY{third}{fourth}C"
    if len(shape) > len(letters):
        raise ValueError(f"{name} has {len(shape)} axes of lengths {shape}; NIfTI images of up to 5 axes are supported")
    return arrange(shape, letters[: len(shape)], name, spatial_dims)


def _flat_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of length 1 of a plane that is stored as a volume across X or Y; None for other shapes."""
    flat = [i for i, n in enumerate(shape[:3]) if n == 1]
    return flat[0] if len(shape) >= 3 and len(flat) == 1 and flat[0] < 2 else None


def read_nifti(
    path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None, frame: int | None = None
) -> StoredImage:
    """Read a NIfTI file in ``[C, ][Z, ]Y, X`` order; stored values are scaled as its header says.

    Args:
        path: the file.
        axes: as in :func:`nifti_layout`.
        spatial_dims: as in :func:`nifti_layout`.
        frame: index along time of the image to read, for a file of several.

    Returns:
        Array and metadata. ``affine`` ``(4, 4)`` maps (z, y, x) (of a plane (y, x, 0)) to the file's world coordinates.
        ``spacing`` is that of the header in (Z)YX order (where it says none, that of the affine), ``unit`` mm if it says none.

    Raises:
        ValueError: when the axes do not fit ``spatial_dims``, or there is no such frame.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), "i2"), np.diag([0.5, 0.5, 3, 1])), f"{folder}/a.nii.gz")
    ...     image = read_nifti(f"{folder}/a.nii.gz")
    >>> image.array.shape, image.meta["spacing"], image.meta["unit"], image.meta["affine"][:3, 0].tolist()
    ((4, 5, 6), (3.0, 0.5, 0.5), 'mm', [0.0, 0.0, 3.0])
    """
    file = nibabel.load(path)
    shape = tuple(file.shape)
    arrangement = _arrange(shape, axes, str(path), spatial_dims)
    check_frame(arrangement, frame, str(path))
    affine = np.array(file.affine, dtype=float)
    if arrangement.frame_axis is None:
        stored = np.asanyarray(file.dataobj)
    else:
        chosen = tuple(slice(frame, frame + 1) if i == arrangement.frame_axis else slice(None) for i in range(len(shape)))  # type: ignore[operator]
        stored = np.asanyarray(file.dataobj[chosen])
        if arrangement.frame_axis == 2:
            affine[:, 3] += affine[:, 2] * frame  # the place of this slice
    spatial_dims = len(arrangement.shape)
    kept = list(arrangement.order[-spatial_dims:])
    columns = [*kept, *(i for i in range(3) if i not in kept), 3]
    sizes = _voxel_size(file, affine, str(path))
    spacing = None if sizes is None else [sizes[i] for i in kept]
    array = put_in_order(stored.astype(stored.dtype.newbyteorder("="), copy=False), arrangement)
    return stored_image(array, arrangement, spacing, _unit(file), affine[:, columns])


def _voxel_size(file: Any, affine: np.ndarray, name: str) -> tuple[float, ...] | None:
    """Size of a voxel along x, y, z: that of the header, unless the affine that viewers use says something else or is sheared."""
    header = np.array([float(size) for size in (*file.header.get_zooms()[:3], 1.0, 1.0)[:3]])
    real = np.sqrt((affine[:3, :3] ** 2).sum(0))
    n = min(len(file.shape), 3)
    if not (np.isfinite(real).all() and real[:n].min() > 0):
        return None
    if is_sheared(affine):
        return tuple(voxel_sizes(affine[:, [2, 1, 0, 3]], name)[::-1].tolist())
    if np.allclose(header[:n], real[:n], rtol=1e-2, atol=0):
        return tuple(header.tolist())
    logger.warning("%s: pixdim %s differs from the voxel size of the affine, %s; taken is the affine's", name, header, real)
    return tuple(real.tolist())


def _unit(file: Any) -> str:
    stored = file.header.get_xyzt_units()[0]
    return {"meter": "m", "micron": "um"}.get(stored, "mm")


def axis_directions(path: str | os.PathLike) -> str | None:
    """Where the axes of a NIfTI file point as stored: "RAS" for right, anterior, superior; None for other files.

    Args:
        path: any image file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.diag([-1, 1, 1, 1])), f"{folder}/a.nii")
    ...     axis_directions(f"{folder}/a.nii"), axis_directions("a.tif")
    ('LAS', None)
    """
    if not str(path).lower().endswith(NIFTI_SUFFIXES) or not Path(path).is_file():
        return None
    affine: Any = nibabel.load(path).affine  # type: ignore[attr-defined]
    return "".join(code or "?" for code in nibabel.aff2axcodes(affine))


def write_nifti(array: np.ndarray, source: str | os.PathLike, target: str | os.PathLike, label: bool = False) -> None:
    """Write an array beside the header of the file it stems from, whole or not at all.

    Every byte of the header is the source's, but for data type, number of axes and channels and scaling of the values (none).
    Labels and channels do not take over the source's intent and display range, which described other values. Extensions go along.

    Args:
        array: ``(C, [T, ][Z, ]Y, X)``; one channel is no axis, several are the last of the file. The planes of a volume that are
            separate images are its Z.
        source: NIfTI file with the geometry.
        target: file to write; gzip if it ends in ``.gz``.
        label: whether the values are labels.

    Raises:
        ValueError: when the shape is not that of the source.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), "i2"), np.diag([-1, 1, 3, 1])), f"{folder}/a.nii.gz")
    ...     write_nifti(np.ones((1, 4, 5, 6), "u2"), f"{folder}/a.nii.gz", f"{folder}/b.nii.gz", label=True)
    ...     written = nibabel.load(f"{folder}/b.nii.gz")
    ...     written.shape, written.get_data_dtype().name, nibabel.aff2axcodes(written.affine)
    ((6, 5, 4), 'uint16', ('L', 'A', 'S'))
    """
    source, target = Path(source), Path(target)
    file = nibabel.load(source)
    dims, channels = array.ndim - 1, array.shape[0]
    full = (*file.shape[: max(dims, 3)], 1)[: max(dims, 3)]
    stored = array.transpose(*range(dims, 0, -1), 0)  # (X, Y, [Z, [T, ]]C)
    if dims == 2 and (flat := _flat_axis(full)) is not None:
        stored = np.expand_dims(stored, flat)
    if stored.shape[:-1] != full[: stored.ndim - 1] or math.prod(full) != math.prod(stored.shape[:-1]):
        raise ValueError(
            f"{target_of(target)}: shape {array.shape[1:]} is not that of {source}, {file.shape[:3]} in X, Y, Z order"
        )
    spatial = full if len(file.shape) > 2 or channels > 1 else full[:2]  # a plane stays one, channels are the fourth axis
    stored = stored.reshape(*spatial, *((channels,) if channels > 1 else ()))
    header = _header_for(file, source, stored, label or channels > 1, label)
    image = type(file)(stored, None, header)  # without affine: nibabel leaves that of the header alone
    for key in header:  # it does repair other entries
        image.header[key] = header[key]
    with writing(target) as part:
        nibabel.save(image, part)


def _header_for(file: Any, source: Path, stored: np.ndarray, new_intent: bool, label: bool) -> Any:
    """The header as it stands on the disk (nibabel changes some of it on loading), made to fit the array."""
    with gzip.open(source) if source.name.lower().endswith(".gz") else source.open("rb") as stream:
        raw = stream.read(type(file.header).sizeof_hdr)
    header = type(file.header)(raw, check=False, extensions=file.header.extensions)
    pixdim = header["pixdim"].copy()
    header.set_data_dtype(stored.dtype)
    header.set_slope_inter(None, None)  # nibabel writes 1 and 0
    header.set_data_shape(stored.shape)
    header["pixdim"] = pixdim  # nibabel sets those beyond the shape to 1
    if new_intent:
        header["cal_min"] = header["cal_max"] = 0
        header.set_intent(INTENT_LABEL if label else 0, ())
    return header
