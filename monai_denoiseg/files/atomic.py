"""Files that are never half-written and never silently overwritten."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

logger = logging.getLogger(__name__)


def save_atomically(content: Any, path: str | Path) -> None:
    """``torch.save`` through a temporary file beside the target, so that a kill leaves the old file or the new one.

    Args:
        content: what ``torch.save`` takes.
        path: target file; its folder is made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_atomically({"a": torch.ones(1)}, Path(folder) / "sub" / "a.pt")
    ...     sorted(p.name for p in Path(folder).rglob("*"))
    ['a.pt', 'sub']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save(content, scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def set_aside(path: str | Path) -> Path | None:
    """Rename an existing file to the next free ``name.N.suffix``, so that a new run overwrites nothing.

    Args:
        path: a file that may exist.

    Returns:
        The new name, or None if there was no file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = Path(folder) / "model.pt"
    ...     _ = model.write_text("old")
    ...     set_aside(model).name, model.exists(), set_aside(model)
    ('model.1.pt', False, None)
    """
    path = Path(path)
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    path.rename(kept)
    logger.warning("%s exists from an earlier run: kept as %s", path, kept.name)
    return kept
