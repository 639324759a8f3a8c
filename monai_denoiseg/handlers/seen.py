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


def role_of(item: Mapping[str, Any], seen: Mapping[str, Sequence[str]]) -> str:
    """What a network did with an image in its training: the content counts, whatever its name and place.

    Args:
        item: entry of a data list.
        seen: see :func:`seen_images`.

    Returns:
        ``"trained"``, ``"validated"``, or empty for a new image.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.tif").write_text("pixels")
    ...     digest = content_digest(f"{folder}/a.tif")
    ...     role_of({"image": f"{folder}/a.tif"}, {"validated": [digest]}), role_of({"image": f"{folder}/a.tif"}, {})
    ('validated', '')
    """
    if not seen:
        return ""
    digest = content_digest(item["image"])
    return next((role for role in ROLES if digest in seen.get(role, ())), "")
