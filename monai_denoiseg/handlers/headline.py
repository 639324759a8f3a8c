"""The scores of an evaluation: of new images first, and how certain they are."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monai_denoiseg.metrics.bootstrap import bootstrap_interval

logger = logging.getLogger(__name__)

LABELLED = ("ap", "dice")
"""Scores of which every labelled image has one, maybe NaN."""
_BOUNDED = ("ap", "seg", "precision", "recall", "f1", "dice", "psnr", "si_psnr", "ssim")
_OF_COUNTS = ("ap", "seg", "precision", "recall", "f1")


def headline(
    rows: Sequence[Mapping[str, Any]], summary: Callable[[bool], dict[str, Any]], reduction: str = "image_mean"
) -> dict[str, Any]:
    """Put the scores of new images first, those of the training's images beside them.

    Args:
        rows: scores of each image; ``seen`` says what the training did with it.
        summary: gives the scores of the new images, or (True) of those of the training.
        reduction: ``"pooled"`` scores are no means over images, and have no interval.

    Returns:
        The scores; ``n_images``, ``n_scored`` (images whose labels are scored; without labels, images with a clean reference);
        ``intervals`` (95 %, by score); and where images of the training are among the scored ones: ``n_trained``,
        ``n_validated``, ``headline`` (``"new images"``, or ``"images of the training"`` where no new one is scored) and
        ``seen``, their scores.

    >>> rows = [{"image": "a", "ap": 0.5, "seen": ""}, {"image": "b", "ap": 0.9, "seen": "trained"}]
    >>> found = headline(rows, lambda known: {"ap": 0.9 if known else 0.5})
    >>> found["ap"], found["n_scored"], found["headline"], found["seen"]["ap"]
    (0.5, 1, 'new images', 0.9)
    """
    scored = _scored(rows)
    seen, new = ([row for row in scored if bool(row.get("seen")) == known] for known in (True, False))
    first = bool(seen) and not new
    metrics = summary(first) | {"n_images": len(rows), "n_scored": len(seen if first else new)}
    metrics["intervals"] = _intervals(seen if first else new, reduction, metrics.get("intervals", {}))
    if not seen:
        return metrics
    counts = {role: sum(row["seen"] == role for row in seen) for role in ("trained", "validated")}
    told = "%d of the %d scored images were trained on, %d chose the threshold: "
    numbers = (counts["trained"], len(scored), counts["validated"])
    if first:
        logger.warning(told + "no other is scored, so the scores say nothing of new images", *numbers)
    else:
        logger.warning(told + "the scores are those of the %d others", *numbers, len(new))
    metrics |= {"n_trained": counts["trained"], "n_validated": counts["validated"]}
    metrics["headline"] = "images of the training" if first else "new images"
    of_seen = summary(True) | {"n_scored": len(seen)}
    metrics["seen"] = of_seen | {"intervals": _intervals(seen, reduction, of_seen.get("intervals", {}))}
    return metrics


def _scored(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The images with scores of their labels; where no image has any, those with a clean reference."""
    for names in (LABELLED, ("psnr",)):
        if found := [row for row in rows if any(math.isfinite(row.get(name, math.nan)) for name in names)]:
            return found
    return []


def _intervals(rows: Sequence[Mapping[str, Any]], reduction: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the summary, and of the scores it says nothing of: Dice comes from either."""
    of_images = ("ap_",) if "dice" in own else ("ap_", "dice_")
    names = dict.fromkeys(key for row in rows for key in row if key in _BOUNDED or key.startswith(of_images))
    names = dict.fromkeys(name for name in names if name not in own)
    if reduction == "pooled":
        names = dict.fromkeys(name for name in names if name not in _OF_COUNTS and not name.startswith("ap_"))
    found = {name: list(bootstrap_interval([row.get(name, math.nan) for row in rows])) for name in names}
    return {name: ends for name, ends in found.items() if all(map(math.isfinite, ends))} | dict(own)


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinities by None, which JSON knows.

    Args:
        values: plain values, maybe dictionaries of such.

    >>> finite({"ap": math.nan, "seen": {"ap": 1.0}})
    {'ap': None, 'seen': {'ap': 1.0}}
    """

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return finite(value)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {key: plain(value) for key, value in values.items()}
