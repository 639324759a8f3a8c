"""Hand a result to a client in the file format and under the names it asks for."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.checks import check_option
from monai_denoiseg.data.reader import FileReader, split_name
from monai_denoiseg.files import WriteError, writing
from monai_denoiseg.label.options import text

VOLUMES = (".nrrd", ".nii", ".nii.gz", ".mha")
"""Formats in which a plane is stored as a volume of one slice, as viewers of volumes expect."""

EXTENSIONS = (*VOLUMES, ".tif", ".tiff", ".png")
"""Formats a result can be asked for in; each is one file."""

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Data types a result can be asked for in: those ITK stores."""


def read_labels(path: str | Path) -> np.ndarray:
    """Read a label map a bundle wrote.

    Args:
        path: file.

    Returns:
        ``([Z,] Y, X)``.

    >>> import tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.ones((4, 5), np.uint16))
    ...     read_labels(f"{folder}/a.tif").shape
    (4, 5)
    """
    reader = FileReader()
    array: np.ndarray = reader.get_data(reader.read(str(path)))[0]
    return array


def value_names(labels: Mapping[str, int], file: str | Path) -> dict[str, int]:
    """Names of the values of a label map, for clients that name segments by them.

    Args:
        labels: names of semantic classes, or ``{"object": 1}`` for instances, which get a name each.
        file: the label map.

    >>> value_names({"liver": 1, "spleen": 2}, "unread.tif")
    {'liver': 1, 'spleen': 2}
    """
    if list(labels) != ["object"]:
        return dict(labels)
    return {f"object {value}": value for value in range(1, int(read_labels(file).max(initial=0)) + 1)}


def result_type(request: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """File ending and data type a request asks a result in; None keeps what it has.

    Args:
        request: an inference request.

    Raises:
        ValueError: for an ending or a type no result can be stored in.

    >>> result_type({"result_extension": "nrrd", "result_dtype": "u1"})
    ('.nrrd', 'uint8')
    """
    extension, dtype = request.get("result_extension") or None, request.get("result_dtype") or None
    if extension is not None:
        extension = text("result_extension", extension)
        extension = check_option("result_extension", extension if extension.startswith(".") else f".{extension}", EXTENSIONS)
    if dtype is not None:
        try:
            dtype = np.dtype(text("result_dtype", dtype)).name
        except TypeError as error:
            raise ValueError(f"`result_dtype` {dtype!r} is no data type: 'uint8', 'uint16', 'float32', ...") from error
        check_option("result_dtype", dtype, DTYPES)
    return extension, dtype


def convert(path: str | Path, extension: str | None = None, dtype: str | None = None) -> Path:
    """Store a result in another file format or data type, beside the original, which is removed.

    Args:
        path: the file; TIFF or NIfTI.
        extension: the ending asked for; None keeps the format.
        dtype: the data type asked for; None keeps it.

    Returns:
        The new file; ``path`` itself where nothing had to change.

    Raises:
        ValueError: for a format that cannot hold the result.
        ImportError: where ITK is not installed (the server's environment has it).

    >>> convert("a.nii.gz", ".nii.gz").name
    'a.nii.gz'
    """
    path = Path(path)
    stem, suffix = split_name(path)
    extension = suffix if not extension else extension if extension.startswith(".") else f".{extension}"
    if extension == suffix and not dtype:
        return path
    import itk

    try:
        image = itk.imread(str(path))
        values = np.asarray(itk.array_from_image(image))
        values = cast_to(values, dtype) if dtype else values
        if extension == ".png" and values.ndim != 2:
            raise ValueError("a volume cannot be stored as '.png'; ask for .nii.gz, .nrrd or .tif")
        changed = itk.image_from_array(values[None] if values.ndim == 2 and extension in VOLUMES else values)
        _keep_place(image, changed)
        target = path.with_name(f"{stem}{extension}" if extension != suffix else f"{stem}_{values.dtype}{suffix}")
        with writing(target) as part:
            itk.imwrite(changed, str(part), extension != ".tif")
    except (WriteError, ValueError):
        raise
    except Exception as error:  # ITK raises its own kinds
        raise ValueError(f"the result cannot be stored as {extension!r}; ask for .nii.gz, .nrrd or .tif") from error
    path.unlink()
    return target


def cast_to(values: np.ndarray, dtype: str) -> np.ndarray:
    """Bring label values to the data type asked for, or to the smallest that holds them: 3D Slicer always asks for uint8.

    Args:
        values: of a result.
        dtype: name of the type.

    Raises:
        ValueError: for an unknown type, or whole numbers asked of a denoised image.

    >>> cast_to(np.array([0, 7]), "uint8").dtype.name, cast_to(np.array([0, 300]), "uint8").dtype.name
    ('uint8', 'uint16')
    """
    try:
        wanted = np.dtype(dtype)
    except TypeError as error:
        raise ValueError(f"`result_dtype` {dtype!r} is no data type: 'uint8', 'uint16', 'float32', ...") from error
    if wanted.kind not in "iu":
        return values.astype(wanted)
    if values.dtype.kind not in "iu":
        raise ValueError(f"`result_dtype` {dtype!r} cannot hold a denoised image; ask for 'float32', or leave it out")
    if values.max(initial=0) > np.iinfo(wanted).max:
        wanted = np.min_scalar_type(int(values.max()))
    return values.astype(wanted)


def _keep_place(source: Any, target: Any) -> None:
    """Give an image the voxel size and place of another, of which it may be one slice."""
    plane = source.GetImageDimension() < target.GetImageDimension()
    target.SetSpacing([*source.GetSpacing(), *([1.0] if plane else [])])
    target.SetOrigin([*source.GetOrigin(), *([0.0] if plane else [])])
    if not plane:
        target.SetDirection(source.GetDirection())


def new_name(suffix: str = "") -> Path:
    """A file name in the temporary folder that nobody else has.

    Args:
        suffix: its ending.

    >>> new_name(".tif").suffix
    '.tif'
    """
    return Path(tempfile.gettempdir()) / f"denoiseg_{uuid.uuid4().hex}{suffix}"


def read_stats(path: str | Path) -> dict[str, Any]:
    """Read the progress of a training; empty where there is none.

    Args:
        path: what :class:`~monai_denoiseg.label.training.Progress` writes.

    >>> read_stats("missing.json")
    {}
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def served_bundles(folder: str | Path, names: str | Sequence[str] | None = None) -> dict[str, Path]:
    """The bundles of an app.

    Args:
        folder: its ``model`` folder.
        names: those wanted, as a list or separated by commas; None for all.

    Returns:
        Folders by name.

    Raises:
        ValueError: when there is none, or not one that is wanted.

    >>> from monai_denoiseg.bundle.folders import bundle_folder
    >>> sorted(served_bundles(bundle_folder("denoiseg_2d").parent, "denoiseg_3d"))
    ['denoiseg_3d']
    """
    found = {path.parents[1].name: path.parents[1] for path in sorted(Path(folder).glob("*/configs/train.json"))}
    wanted = names.split(",") if isinstance(names, str) else list(names or found)
    wanted = [name.strip() for name in wanted if name.strip()]
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise ValueError(f"no bundle {', '.join(missing) or 'at all'} in {folder}; it holds {', '.join(found) or 'none'}")
    return {name: found[name] for name in wanted}
