"""Which of the scored images a network knows from its training: their scores flatter it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_denoiseg.data.digest import content_digest

ROLES = ("trained", "validated")
"""Images whose annotation was trained on, and those that chose checkpoint and threshold."""


def seen_images(network: Any) -> dict[str, list[str]]:
    """Digests of the images a network has seen, by role, as its file tells.

    Args:
        network: any; of one that tells nothing, nothing is known.

    >>> seen_images(None)
    {}
    """
    data = (getattr(network, "training_info", None) or {}).get("data") or {}
    return {role: list(data[role]) for role in ROLES if data.get(role)}


def role_of(pixels: str, path: str, seen: Mapping[str, Sequence[str]]) -> str:
    """What a network did with an image in its training: the pixels count, whatever the file's name, place and compression.

    Args:
        pixels: :func:`~monai_denoiseg.data.digest.pixel_digest` of the image as read.
        path: its file, whose bytes count too: it may have been read along other axes.
        seen: see :func:`seen_images`.

    Returns:
        ``"trained"``, ``"validated"``, or empty for a new image.

    >>> import numpy as np
    >>> from monai_denoiseg.data.digest import pixel_digest
    >>> pixels = pixel_digest(np.zeros((1, 4, 4)))
    >>> role_of(pixels, "a.tif", {"validated": [pixels]}), role_of(pixels, "a.tif", {})
    ('validated', '')
    """
    for digest in (lambda: pixels, lambda: content_digest(path)) if seen else ():
        known = digest()
        if role := next((role for role in ROLES if known in seen.get(role, ())), ""):
            return role
    return ""
