"""Which groups of columns there are, and which of them a table has by default."""

from __future__ import annotations

from collections.abc import Sequence

from monai_denoiseg.checks import check_option

COLUMNS = ("size", "centroid", "bbox", "shape", "solidity", "intensity", "border", "probability")
"""Groups of columns."""
ALL, AUTO, NONE = "all", "auto", "none"
WORDS = (AUTO, ALL, NONE, *COLUMNS)
"""What the setting ``measure`` may hold."""
EXPORTS = ("geojson", "roi", "overlay")
"""What the setting ``export`` may hold."""
_HULL = "solidity"


def chosen_columns(measure: Sequence[str] | str | None, spatial_dims: int, classes: Sequence[str] | None = None) -> list[str]:
    """Groups of columns to measure, in the order of the table.

    Args:
        measure: names of :data:`COLUMNS`, ``"all"`` or ``"none"`` (as None); ``"auto"`` is all but what takes long, the convex
            hull of volumes and of classes, and the axes of classes, which are no single bodies.
        spatial_dims: 2 or 3.
        classes: names of semantic classes; None (or empty) for objects.

    Raises:
        ValueError: for an unknown name.

    >>> chosen_columns(["bbox", "size"], 2), "solidity" in chosen_columns("auto", 3), chosen_columns("none", 2)
    (['size', 'bbox'], False, [])
    """
    words = [measure] if isinstance(measure, str) else list(measure or [])
    wanted: set[str] = set()
    for word in words:
        check_option("measure", word, WORDS)
        if word == AUTO:
            slow = ({_HULL, "shape"} if classes else set()) | ({_HULL} if spatial_dims == 3 else set())
            wanted |= {*COLUMNS} - slow
        elif word != NONE:
            wanted |= {*COLUMNS} if word == ALL else {word}
    return [name for name in COLUMNS if name in wanted]
