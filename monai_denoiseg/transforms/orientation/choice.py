"""How the images of a training may be turned, in words."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.checks import check_option
from monai_denoiseg.transforms.blindspot.struct_mask import exchangeable

ORIENTATIONS = ("turns", "flips", "fixed")
"""Flips and quarter turns; flips alone; none: what has a left and a right side is shown as it is."""


def may_turn(orientations: str = "turns", struct_mask: Any = None) -> bool:
    """Whether images are shown in quarter turns.

    Args:
        orientations: one of :data:`ORIENTATIONS`.
        struct_mask: see :func:`~monai_denoiseg.transforms.blindspot.exchangeable`.

    Raises:
        ValueError: for another word, or a mask that does not fit.

    >>> may_turn("turns"), may_turn("flips"), may_turn("turns", [[1, 1, 1]])
    (True, False, False)
    """
    fits = exchangeable(struct_mask, in_plane=True)
    return check_option("orientations", orientations, ORIENTATIONS) == "turns" and fits


def may_flip(orientations: str = "turns") -> bool:
    """Whether images are shown flipped.

    Args:
        orientations: one of :data:`ORIENTATIONS`.

    >>> may_flip("flips"), may_flip("fixed")
    (True, False)
    """
    return check_option("orientations", orientations, ORIENTATIONS) != "fixed"
