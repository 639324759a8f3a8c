"""Labels that are none: lossy files, classes in place of objects, an object that reads as "not annotated"."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage import measure

from monai_denoiseg.constants import IGNORE
from monai_denoiseg.data.png import PIL_SUFFIXES
from monai_denoiseg.data.reader import split_name
from monai_denoiseg.data.tiff import TIFF_SUFFIXES

JPEG_IN_TIFF = frozenset({6, 7, 33007, 34892})
"""Numbers of TIFF's JPEG compressions that lose something."""

FEW, MANY = 10, 200
"""Up to so many numbers may be classes; from so many of the 254 on, 255 is one more object."""


def refuse_lossy(path: str | os.PathLike) -> None:
    """Raise if a label file is compressed as JPEG, which changes the numbers at every edge.

    The content counts, not the name: only the header is read.

    Args:
        path: label file of any format.

    Raises:
        ValueError: naming the file and what to do.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.zeros((8, 8), np.uint8)).save(f"{folder}/a.jpg")
    ...     try:
    ...         refuse_lossy(f"{folder}/a.jpg")
    ...     except ValueError as error:
    ...         print(str(error).replace(folder, "labels"))
    label labels/a.jpg is compressed as JPEG, which changes numbers at every edge of an object: save the labels anew as TIFF \
or PNG, not by conversion of this file
    """
    suffix, jpeg = split_name(path)[1], False
    if suffix in PIL_SUFFIXES:
        with Image.open(path) as image:
            jpeg = image.format in ("JPEG", "MPO")
    elif suffix in TIFF_SUFFIXES:
        with tifffile.TiffFile(path) as tif:
            jpeg = int(tif.pages[0].compression) in JPEG_IN_TIFF  # type: ignore[union-attr]
    if jpeg:
        raise ValueError(
            f"label {path} is compressed as JPEG, which changes numbers at every edge of an object: save the labels anew as "
            "TIFF or PNG, not by conversion of this file"
        )


def refuse_hidden_object(stored: NDArray, ignored: NDArray, dtype: str, name: str) -> None:
    """Raise if the largest number of a small type is one object more, and would be read as "not annotated".

    Args:
        stored: label values of the file.
        ignored: where the largest value of the type is.
        dtype: of the file.
        name: the file, for the message.

    Raises:
        ValueError: naming both ways out.

    >>> numbers = np.arange(256)
    >>> refuse_hidden_object(numbers, numbers == 255, "uint8", "label a.png")
    Traceback (most recent call last):
        ...
    ValueError: label a.png holds 254 objects and the value 255, which means "not annotated" in files of 8 bits, but looks like \
one more object: save the labels with 16 bits, or pass ignore_value=-1 if 255 is an object, ignore_value=255 if it marks what \
is not annotated
    """
    if np.dtype(dtype) != np.uint8 or not ignored.any():
        return
    objects = len(np.unique(stored[~ignored & (stored > 0)]))
    if objects >= MANY:
        raise ValueError(
            f'{name} holds {objects} objects and the value 255, which means "not annotated" in files of 8 bits, but looks like '
            "one more object: save the labels with 16 bits, or pass ignore_value=-1 if 255 is an object, ignore_value=255 if it "
            "marks what is not annotated"
        )


@dataclass(frozen=True)
class LabelFigures:
    """What tells objects from other labels.

    Args:
        numbers: different numbers above 0.
        several: numbers that lie in several separate pieces, see :func:`label_figures`.
        pieces: separate pieces of all numbers together.
        background: whether there is a 0.
        annotated: whether any voxel is annotated.
    """

    numbers: int
    several: int
    pieces: int
    background: bool
    annotated: bool

    @property
    def like_classes(self) -> bool:
        """Whether numbers stand for kinds of things: few, and most of them in many pieces."""
        things = self.numbers - (not self.background)  # without a 0, one of the numbers is the background
        return 0 < things <= FEW and self.several >= things and self.pieces > 2 * self.numbers


def label_figures(labels: NDArray) -> LabelFigures:
    """Count numbers and separate pieces of a label image.

    Pieces touch by a face, an edge or a corner. A number counts as being in several pieces only if one of them lies within the
    image: an object that is cut by the edge of the image, or runs through voxels that are not annotated, may
    come apart.

    Args:
        labels: ``([D,] H, W)`` integers, -1 where not annotated.

    >>> label_figures(np.array([[0, 0, 0, 0, 0], [0, 7, 0, 7, 0], [0, 0, 0, 0, 0]]))
    LabelFigures(numbers=1, several=1, pieces=2, background=True, annotated=True)
    """
    annotated = labels != IGNORE
    pieces, count = measure.label(np.where(annotated, labels, 0), connectivity=labels.ndim, return_num=True)
    if not count:
        return LabelFigures(0, 0, 0, bool((labels == 0).any()), bool(annotated.any()))
    first = np.zeros(count + 1, np.int64)
    first[pieces.ravel()] = labels.ravel()  # every piece has one number
    numbers, of = np.unique(first[1:], return_inverse=True)
    within = np.ones(count + 1, bool)
    within[np.unique(pieces[_beside_the_unknown(~annotated)])] = False
    whole = np.bincount(of, weights=within[1:])
    several = (np.bincount(of) > 1) & (whole > 0)
    return LabelFigures(len(numbers), int(several.sum()), int(count), bool((labels == 0).any()), True)


def _beside_the_unknown(unknown: NDArray) -> NDArray:
    """Where the edge of the image, or a voxel that is not annotated, is next."""
    beside = np.zeros(unknown.shape, bool)
    for axis in range(unknown.ndim):
        if unknown.shape[axis] == 1:
            continue
        ends = np.moveaxis(beside, axis, 0)
        ends[0] = ends[-1] = True
        before, after = np.moveaxis(unknown, axis, 0)[:-1], np.moveaxis(unknown, axis, 0)[1:]
        ends[:-1] |= after
        ends[1:] |= before
    return beside
