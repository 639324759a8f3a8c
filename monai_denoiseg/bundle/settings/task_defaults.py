"""What `auto` means: for objects what the paper and its successors do, for semantic classes what anatomy needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AUTO = "auto"

OBJECTS: dict[str, Any] = {
    "alpha": 0.5,
    "denoises": True,
    "labelled_fraction": 0.5,
    "zoom": 2.0,
    "learning_rate": 0.001,
    "segmentation_loss": "cross_entropy",
    "orientations": "turns",
    "augmentation": "none",
}
"""Numbered objects: they have no upside, and occur in many sizes."""

CLASSES: dict[str, Any] = {
    "alpha": 0.0,
    "zoom": 1.0,
    "learning_rate": 0.002,
    "segmentation_loss": "dice_ce",
    "augmentation": "mild",
}
"""Organs and tissues: anatomy has a size, and in a volume a left, an upper and a front side. Denoising takes time of
its own and is learnt where the user asks for it."""


def task_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the settings that are ``"auto"`` and depend on the task alone, not on the images.

    Args:
        values: plain settings of a training.

    Returns:
        The values to take, by key; nothing for settings that are not ``"auto"`` or not there.

    >>> found = task_defaults({"classes": ["background", "liver"], "alpha": "auto", "denoises": "auto", "zoom": 1.5})
    >>> found
    {'alpha': 0.0, 'denoises': False}
    >>> task_defaults({"classes": ["background", "liver"], "alpha": "auto", "denoises": True})
    {'alpha': 0.5}
    >>> task_defaults({"classes": None, "alpha": "auto", "denoises": "auto"})
    {'alpha': 0.5, 'denoises': True}
    """
    usual = dict(OBJECTS)
    if values.get("classes"):
        alpha = values.get("alpha", AUTO)
        if alpha == AUTO:
            alpha = OBJECTS["alpha"] if values.get("denoises") is True else CLASSES["alpha"]
        usual |= CLASSES | {"alpha": alpha, "denoises": alpha > 0, "labelled_fraction": 0.5 if alpha > 0 else 1.0}
        if values.get("class_weights"):
            usual["segmentation_loss"] = OBJECTS["segmentation_loss"]  # which alone knows weights
        if values.get("zoom", AUTO) not in (AUTO, 1):
            usual["augmentation"] = "none"  # crops are scaled instead
        usual["orientations"] = "fixed" if values.get("spatial_dims") == 3 else "turns"
    return {key: value for key, value in usual.items() if values.get(key) == AUTO}
