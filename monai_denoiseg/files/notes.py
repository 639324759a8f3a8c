"""A note that a file carries itself (an extended attribute), where a hidden folder beside it would be in the way."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ATTRIBUTE = "user.monai_denoiseg"


def write_notes(notes: Mapping[Path, Mapping[str, Any]]) -> bool:
    """Give files their notes. Linux can, on most file systems; copies over a network may lose them.

    Args:
        notes: plain values, by file or folder.

    Returns:
        Whether all files have theirs.

    >>> write_notes({Path("no such file"): {"set": "image-a"}})
    False
    """
    if not hasattr(os, "setxattr"):
        return False
    try:
        for path, note in notes.items():
            os.setxattr(path, ATTRIBUTE, json.dumps(note).encode(), follow_symlinks=False)
    except OSError:  # a file system without them, or a note too long for it
        return False
    return True


def read_note(path: str | os.PathLike) -> dict[str, Any] | None:
    """The note of a file; None where there is none.

    Args:
        path: file or folder, existing or not.

    >>> read_note("no such file") is None
    True
    """
    if not hasattr(os, "getxattr"):
        return None
    with suppress(OSError, ValueError):
        found = json.loads(os.getxattr(path, ATTRIBUTE, follow_symlinks=False))
        if isinstance(found, dict) and {"set", "source", "settings", "print", "names"} <= found.keys():
            return found
    return None
