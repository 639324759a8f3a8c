"""A picture of an image with its labels over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from monai_denoiseg.pictures import panel_images, to_png_bytes


def draw_overlay(
    image: NDArray[Any], labels: NDArray[Any], *, spacing: Any = None, classes: Sequence[str] | None = None
) -> bytes:
    """Draw objects as outlines, or classes as colours, over an image, as a PNG.

    Args:
        image: ``(C, [D,] H, W)``.
        labels: ``([D,] H, W)``. A plane is shown pixel by pixel, a volume by three planes through its largest object.
        spacing: voxel size, for the proportions of a volume.
        classes: names of semantic classes; None (or empty) for objects.

    >>> import numpy as np
    >>> draw_overlay(np.zeros((1, 8, 8)), np.eye(8, dtype=int))[1:4]
    b'PNG'
    """
    kind = "classes" if classes else "instances"
    arrays = {"input": image, kind: labels} | ({} if spacing is None else {"spacing": spacing})
    return to_png_bytes(panel_images(arrays, at_least=1, at_most=1 << 30)[kind])
