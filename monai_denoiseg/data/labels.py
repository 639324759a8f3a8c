"""The meaning of stored label values."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from scipy import ndimage

from monai_denoiseg.constants import IGNORE
from monai_denoiseg.data.label_check import FEW, label_figures, refuse_hidden_object

ROUNDING = 1e-3
"""How far a stored number may be from an integer: programs that scale labels on the way lose so much."""


def label_to_int(
    array: np.ndarray, dtype: str, ignore_value: int | None = None, name: str = "label", kind: str = "instance"
) -> np.ndarray:
    """Convert stored label values to the convention in memory: int32, 0 background, -1 not annotated.

    The data type of the file decides which stored value means "not annotated": any negative value in signed and float files,
    the largest value of the type in unsigned ones (255, 65535, 4294967295), as those cannot hold -1.

    Args:
        array: stored values, any shape and any type that holds them exactly.
        dtype: data type of the file, for instance ``"uint8"``.
        ignore_value: the one stored value that means "not annotated", instead of the rule by data type.
        name: the file, for error messages.
        kind: what the labels are, for error messages.

    Returns:
        int32 array of the same shape. Numbers within 0.001 of an integer are that integer.

    Raises:
        ValueError: for another fraction, NaN, a negative label that is not the ignore value, or a label above 2**31 - 1.

    >>> label_to_int(np.array([0, 3, 255]), "uint8").tolist(), label_to_int(np.array([0, 3, -7]), "int16").tolist()
    ([0, 3, -1], [0, 3, -1])
    >>> label_to_int(np.array([0.0, 0.5]), "float32", name="label a.tif")
    Traceback (most recent call last):
        ...
    ValueError: label a.tif holds 0.5; instance labels must be integers
    """
    array = np.asarray(array)
    if array.dtype.kind == "f":
        rounded = np.rint(array)
        wrong = array[~(np.abs(array - rounded) <= ROUNDING)]  # NaN and infinity are wrong too
        array = rounded
        if wrong.size:
            raise ValueError(f"{name} holds {wrong.flat[0]}; {kind} labels must be integers")
    ignored = ignored_voxels(array, dtype, ignore_value)
    annotated = array[~ignored]
    smallest, largest = int(annotated.min(initial=0)), int(annotated.max(initial=0))
    if smallest < 0:
        raise ValueError(f"{name} holds {smallest}; only ignore_value ({ignore_value}) may be negative")
    if largest > np.iinfo(np.int32).max:
        raise ValueError(f"{name} holds {largest}; {kind} labels must be below 2**31")
    labels = np.full(array.shape, IGNORE, np.int32)
    labels[~ignored] = annotated
    return labels


def ignored_voxels(array: np.ndarray, dtype: str, ignore_value: int | None = None) -> np.ndarray:
    """Return where stored label values mean "not annotated" (see :func:`label_to_int`).

    Args:
        array: stored values, any shape.
        dtype: data type of the file.
        ignore_value: the one stored value that means it, instead of the rule by data type.

    Returns:
        Boolean array of the same shape.

    Raises:
        ValueError: when ``ignore_value`` is no integer, which no voxel would equal.

    >>> ignored_voxels(np.array([0, 255]), "uint8").tolist()
    [False, True]
    """
    if ignore_value is not None and (isinstance(ignore_value, bool) or not isinstance(ignore_value, Integral)):
        raise ValueError(f"`ignore_value` must be an integer, or None, got {ignore_value!r}")
    stored = np.dtype(dtype)
    largest = np.iinfo(stored).max if stored.kind == "u" else None
    value = largest if ignore_value is None else ignore_value
    ignored: np.ndarray = array < 0 if value is None else array == value
    return ignored


MASK_HELP = (
    'number the objects one by one (1, 2, 3, ...), or pass binary_labels="components" to number separate pieces; if it marks a '
    "class and no single objects, name the classes with --classes, for instance --classes background,tumour"
)


def instance_labels(
    stored: np.ndarray, dtype: str, ignore_value: int | None = None, binary_labels: str = "error", name: str = "label"
) -> np.ndarray:
    """Convert instance labels to the convention in memory, after a check that they are no mask.

    Args:
        stored: ``(1, [D,] H, W)``.
        dtype: data type of the file.
        ignore_value: as in :func:`label_to_int`.
        binary_labels: what to do with one value in several separate pieces: ``"error"``, ``"components"`` or ``"keep"``.
        name: the file, for error messages.

    Returns:
        int32 of the same shape, -1 where not annotated.

    Raises:
        ValueError: for labels that are no integers, a mask with ``binary_labels="error"``, an object that would be read as not
            annotated, and classes without background (not with ``binary_labels="keep"``).

    >>> instance_labels(np.array([[[1, 0, 1]]]), "uint8", binary_labels="components").tolist()
    [[[1, 0, 2]]]
    """
    labels = label_to_int(stored, dtype, ignore_value, name)
    if ignore_value is None and _is_mask_of_largest(stored, dtype):
        if binary_labels == "error":
            raise ValueError(_holds_mask(stored, name, MASK_HELP))
        labels = ignored_voxels(stored, dtype).astype(np.int32)
    if ignore_value is None:
        refuse_hidden_object(stored, labels == IGNORE, dtype, name)
    if binary_labels != "keep":
        _refuse_classes(labels, name)
    if labels.max(initial=0) != 1 or binary_labels == "keep":
        return labels
    if binary_labels == "components":
        return np.where(labels == IGNORE, IGNORE, ndimage.label(labels[0] == 1)[0][None]).astype(np.int32)
    # Pieces may be connected through unannotated voxels, as those of an object drawn in some slices are.
    bridged = ndimage.label(labels[0] != 0)[0]
    count = len(np.unique(bridged[labels[0] == 1]))
    if count > 1:
        raise ValueError(f"{name} holds one value in {count} separate pieces, as a mask does; {MASK_HELP}")
    return labels


def _refuse_classes(labels: np.ndarray, name: str) -> None:
    """Raise for a few numbers in many pieces that fill the whole image: kinds of things, and one of them is the background."""
    if labels.min(initial=0) < 0 or not labels.all() or labels.max(initial=0) > FEW:
        return
    found = label_figures(labels[0])
    if found.like_classes:
        raise ValueError(
            f"{name} holds {found.numbers} numbers in {found.pieces} separate pieces and no background (0), as labels of "
            "classes do: number the objects one by one (1, 2, 3, ...) with 0 between them; if classes are meant, store the "
            'first as 0 and name them all with --classes; pass binary_labels="keep" if these are objects'
        )


def semantic_labels(
    stored: np.ndarray,
    dtype: str,
    n_classes: int,
    names: Sequence[str] = (),
    ignore_value: int | None = None,
    name: str = "label",
) -> np.ndarray:
    """Convert labels that give a class for each voxel to the convention in memory.

    Args:
        stored: ``(1, [D,] H, W)`` of values 0 to K - 1, or not annotated.
        dtype: data type of the file.
        n_classes: K, background included.
        names: their names, for error messages.
        ignore_value: as in :func:`label_to_int`.
        name: the file, for error messages.

    Returns:
        int32 of the same shape, -1 where not annotated.

    Raises:
        ValueError: for a value that is no class, or a mask of 0 and 255 where there are two classes.

    >>> semantic_labels(np.array([[[0, 2, 255]]]), "uint8", 3).tolist()
    [[[0, 2, -1]]]
    """
    labels = label_to_int(stored, dtype, ignore_value, name, kind="class")
    if labels.max(initial=0) >= n_classes:
        listed = ", ".join(f"{i} {text}" for i, text in enumerate(names)) or f"0 to {n_classes - 1}"
        wrong = sorted({int(value) for value in np.unique(labels) if value >= n_classes})
        more = ", ..." if len(wrong) > 5 else ""
        raise ValueError(
            f"{name} holds {', '.join(map(str, wrong[:5]))}{more}, but `classes` has {n_classes} ({listed}); "
            "name all classes in the order of their values, or pass ignore_value= if such a voxel is not annotated"
        )
    if n_classes == 2 and ignore_value is None and _is_mask_of_largest(stored, dtype):
        raise ValueError(_holds_mask(stored, name, "store the second class as 1"))
    return labels


def _is_mask_of_largest(stored: np.ndarray, dtype: str) -> bool:
    """Whether only 0 and 255 occur: they could mean background and "not annotated", but hardly ever do."""
    if np.dtype(dtype).kind != "u":
        return False
    ignored = ignored_voxels(stored, dtype)
    return bool(ignored.any() and not ignored.all() and not stored[~ignored].any())


def _holds_mask(stored: np.ndarray, name: str, way_out: str) -> str:
    largest = int(stored.max())
    return (
        f"{name} holds only 0 and {largest}, as a mask does; {way_out}. "
        f"If {largest} marks what is not annotated, pass ignore_value={largest}"
    )
