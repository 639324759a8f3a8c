"""Files that say where their voxels lie (NIfTI, DICOM, NRRD, MetaImage): results in the same place."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor

from monai_denoiseg.data.dicom import DICOM_SUFFIX
from monai_denoiseg.data.dicom.series import open_series
from monai_denoiseg.data.itk_files import ITK_SUFFIXES, itk_affine, write_itk
from monai_denoiseg.data.nifti import INTENT_LABEL, NIFTI_SUFFIXES, axis_directions, write_nifti
from monai_denoiseg.data.reader import split_name
from monai_denoiseg.data.stored import is_sheared
from monai_denoiseg.files import target_of, writing

VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, DICOM_SUFFIX, *ITK_SUFFIXES)


def has_place(path: str | os.PathLike) -> bool:
    """Whether a file is of a kind that says where its voxels lie.

    Args:
        path: any image.

    >>> has_place("a.nii.gz"), has_place("a.nrrd"), has_place("a.tif")
    (True, True, False)
    """
    return split_name(path)[1] in VOLUME_SUFFIXES


def result_ending(path: str | os.PathLike) -> str:
    """End of the name of a result: of the family of the image, which keeps its geometry.

    Args:
        path: the image.

    >>> [result_ending(name) for name in ("a.nii", "a.dcm", "a.nhdr", "a.mhd", "a.png")]
    ['.nii.gz', '.nii.gz', '.nrrd', '.mha', '.tif']
    """
    suffix = split_name(path)[1]
    endings = {".nrrd": ".nrrd", ".nhdr": ".nrrd", ".mha": ".mha", ".mhd": ".mha"}
    return endings.get(suffix, ".nii.gz" if suffix in VOLUME_SUFFIXES else ".tif")


def write_volume(array: np.ndarray, source: str | os.PathLike, target: str | os.PathLike, label: bool = False) -> None:
    """Write an array in the place of the image it stems from: see :func:`result_ending` for the format.

    Of a DICOM series the file gets the affine and nothing else: no name, no date, no description.

    Args:
        array: ``(C, [T, ][Z, ]Y, X)``.
        source: the image.
        target: file to write.
        label: whether the values are labels.

    Raises:
        ValueError: when the shape is not that of the source.

    >>> import tempfile
    >>> from monai_denoiseg.data.dicom import simulate_series
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = simulate_series(f"{folder}/scan", np.zeros((2, 3, 4)), spacing=(5, 1, 2))
    ...     write_volume(np.ones((1, 2, 3, 4), "u2"), f"{folder}/scan", f"{folder}/a.nii.gz", label=True)
    ...     nibabel.load(f"{folder}/a.nii.gz").affine.diagonal().tolist()
    [-2.0, -1.0, 5.0, 1.0]
    """
    suffix = split_name(source)[1]
    if suffix in ITK_SUFFIXES:
        write_itk(array, source, target)
    elif suffix == DICOM_SUFFIX:
        _write_beside_dicom(array, source, target, label)
    else:
        write_nifti(array, source, target, label)


def _write_beside_dicom(array: np.ndarray, source: str | os.PathLike, target: str | os.PathLike, label: bool) -> None:
    series = open_series(source, array.ndim - 1)
    if series.shape != (1, *array.shape[1:])[-3:]:
        raise ValueError(f"{target_of(Path(target))}: shape {array.shape[1:]} is not that of {source}, {series.shape}")
    stored: Any = array.reshape(array.shape[0], *series.shape).transpose(3, 2, 1, 0)
    image = nibabel.Nifti1Image(stored if array.shape[0] > 1 else stored[..., 0], series.affine[:, [2, 1, 0, 3]])
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, 1)
    sheared = is_sheared(series.affine)  # a qform is a rotation: it would put the voxels elsewhere
    image.set_qform(None if sheared else image.affine, 0 if sheared else 1)
    if sheared and series.spacing:
        image.header.set_zooms((*series.spacing[::-1], *image.header.get_zooms()[3:]))
    if label:
        image.header.set_intent(INTENT_LABEL, ())
    with writing(target) as part:
        nibabel.save(image, part)


def stored_directions(path: str | os.PathLike) -> str | None:
    """Where the axes of an image point as stored, for instance "LPS"; None for files that do not tell.

    Args:
        path: any image file or series.

    >>> stored_directions("a.tif") is None
    True
    """
    suffix = split_name(path)[1]
    if suffix in NIFTI_SUFFIXES:
        return axis_directions(path)
    if suffix not in VOLUME_SUFFIXES or not Path(path).exists():
        return None
    affine = open_series(path, 3).affine if suffix == DICOM_SUFFIX else itk_affine(path)
    return "".join(code or "?" for code in nibabel.aff2axcodes(affine[:, [2, 1, 0, 3]]))


def turned_like(label: MetaTensor, image: MetaTensor) -> MetaTensor:
    """Flip the axes of a label of a DICOM series so that it lies as the series does.

    Programs store the same grid in several ways: a label drawn on what dcm2niix converted has its rows in the other order.

    Args:
        label: ``(1, [Z, ]Y, X)`` with its affine.
        image: of the same shape.

    Returns:
        The label, on the grid of the image where flips bring it there, else as it was.

    >>> import torch
    >>> image = MetaTensor(torch.zeros(1, 2, 3, 4), affine=torch.eye(4))
    >>> affine = torch.diag(torch.tensor([1.0, -1.0, 1.0, 1.0]))
    >>> affine[1, 3] = 2.0
    >>> label = MetaTensor(torch.arange(24).reshape(1, 2, 3, 4), affine=affine)
    >>> turned_like(label, image)[0, 0, :, 0].tolist()
    [8, 4, 0]
    """
    if label.shape[1:] != image.shape[1:] or label.affine.shape != image.affine.shape:
        return label
    dims = label.ndim - 1
    for count in range(dims + 1):
        for flipped in itertools.combinations(range(dims), count):
            affine = np.array(label.affine, dtype=float)
            for axis in flipped:
                affine[:, -1] += affine[:, axis] * (label.shape[axis + 1] - 1)
                affine[:, axis] *= -1
            wanted = np.array(image.affine, dtype=float)
            steps = np.abs(affine - wanted)[:-1, :dims].max(0) * (np.array(label.shape[1:]) - 1)
            size = np.linalg.norm(wanted[:-1, :dims], axis=0).min()
            if steps.max() < size / 4 and np.abs(affine - wanted)[:-1, -1].max() < size / 4:
                turned = torch.flip(label.as_tensor(), [axis + 1 for axis in flipped])
                return MetaTensor(turned, affine=torch.as_tensor(affine), meta=label.meta) if flipped else label
    return label
