"""Second copies of a file, told by what they hold: an identifier may be the same in all files, or blank."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_denoiseg.data.dicom.files import need
from monai_denoiseg.data.dicom.planes import planes_of

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def first_copies(headers: Mapping[Path, Any]) -> list[Path]:
    """The files of a series without second copies.

    A copy is equal byte for byte; or it has the identifier (SOPInstanceUID), the place, the scaling and the pixels of another
    file. Careless anonymisers give all files one identifier: those are different planes and stay.

    Args:
        headers: pydicom's datasets by file.

    Returns:
        The files in their order, of copies the first.

    Raises:
        ValueError: for files whose planes cannot be used, see :func:`~monai_denoiseg.data.dicom.planes.planes_of`.

    >>> import numpy as np, shutil, tempfile
    >>> from monai_denoiseg.data.dicom import simulate_series
    >>> from monai_denoiseg.data.dicom.files import read_header
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = simulate_series(folder, np.zeros((2, 4, 4)), SOPInstanceUID="1.2.3")
    ...     files.append(Path(shutil.copy(files[0], f"{folder}/copy.dcm")))
    ...     [path.name for path in first_copies({path: read_header(path) for path in files})]
    ['IM0001.dcm', 'IM0002.dcm']
    """
    alike: dict[Any, list[Path]] = {}
    for file, header in headers.items():
        places = tuple(plane._replace(file=Path()) for plane in planes_of(file, header))
        known = alike.setdefault((str(header.get("SOPInstanceUID", "")), places), [])
        placed = all(plane.position is not None for plane in places)
        if not any(filecmp.cmp(one, file, shallow=False) or (placed and _same_pixels(one, file)) for one in known):
            known.append(file)
    kept = {file for files in alike.values() for file in files}
    return [file for file in headers if file in kept]


def _same_pixels(one: Path, other: Path) -> bool:
    """Whether two files store the same values; those compressed differently count as different."""
    stored = []
    for path in (one, other):
        dataset = need().dcmread(path, force=True)
        stored.append(next((bytes(dataset[name].value) for name in _PIXELS if name in dataset), None))
    return stored[0] is not None and stored[0] == stored[1]
