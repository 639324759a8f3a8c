"""Is a file still the one that was written? Is an image the one a result was made of?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WHOLE = 1 << 28
"""Files up to this size are compared by their whole content; of larger ones time and size must agree."""
_END = 1 << 16


def fingerprint(path: str | os.PathLike) -> dict[str, Any]:
    """What a file, or a folder such as a zarr store, is recognised by: size, times, and content up to 256 MB.

    Args:
        path: file or folder.

    Returns:
        ``size`` in bytes, ``times`` (a digest of names, sizes and times of change), ``content`` (a digest, or None).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a").write_bytes(b"abc")
    ...     sorted(fingerprint(f"{folder}/a").items())[1]
    ('size', 3)
    """
    size, times = _looks(Path(path))
    return {"size": size, "times": times, "content": _content(Path(path)) if size <= WHOLE else None}


def is_unchanged(path: str | os.PathLike, known: dict[str, Any]) -> bool:
    """Whether a file is the one a fingerprint was taken of. Copies count as the same, if they are small enough to be compared.

    Args:
        path: file or folder, existing or not.
        known: what :func:`fingerprint` returned.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a")
    ...     _ = file.write_bytes(b"abc")
    ...     before = fingerprint(file)
    ...     _ = file.write_bytes(b"abd")
    ...     is_unchanged(file, before)
    False
    """
    path = Path(path)
    if not path.exists():
        return False
    size, times = _looks(path)
    if size != known.get("size"):
        return False
    if times == known.get("times"):
        return True
    return known.get("content") is not None and size <= WHOLE and _content(path) == known["content"]


def describe_source(path: str | os.PathLike) -> dict[str, Any]:
    """What an input image is recognised by, at little cost: its path, size, time of change, and its first and last bytes.

    Args:
        path: file or folder, existing or not.

    >>> describe_source("a.tif")["size"] is None
    True
    """
    path = Path(path)
    try:
        size, times = _looks(path)
    except OSError:
        size, times = None, None
    if size is None:
        return {"path": str(path), "size": None, "times": None, "ends": None}
    return {"path": str(path.resolve()), "size": size, "times": times, "ends": _ends(path)}


def is_same_image(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two descriptions are of one image, perhaps moved or changed meanwhile.

    Args:
        one: of :func:`describe_source`.
        other: another.

    >>> is_same_image({"path": "a", "size": 1}, {"path": "a", "size": 2})
    True
    """
    moved = one.get("ends") is not None and all(one.get(key) == other.get(key) for key in ("size", "ends"))
    return one.get("path") == other.get("path") or moved


def is_same_content(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two descriptions are of one image that has not changed.

    Args:
        one: of :func:`describe_source`.
        other: another.

    >>> is_same_content({"size": 1, "times": "x", "ends": "y"}, {"size": 1, "times": "z", "ends": "y"})
    False
    """
    return all(one.get(key) == other.get(key) for key in ("size", "times", "ends"))


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield "", path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield file.relative_to(path).as_posix(), file


def _looks(path: Path) -> tuple[int, str]:
    total, digest = 0, hashlib.blake2b(digest_size=16)
    for name, file in _files(path):
        stat = file.stat()
        total += stat.st_size
        digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return total, digest.hexdigest()


def _content(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, file in _files(path):
        digest.update(f"{name}\0{file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _ends(path: Path) -> str | None:
    """Digest of the beginning and the end of a file; of a folder, of the names and sizes of its files."""
    digest = hashlib.blake2b(digest_size=16)
    if path.is_dir():
        for name, file in _files(path):
            digest.update(f"{name}\0{file.stat().st_size}\n".encode())
        return digest.hexdigest()
    try:
        with path.open("rb") as stream:
            digest.update(stream.read(_END))
            stream.seek(max(stream.seek(0, os.SEEK_END) - _END, 0))
            digest.update(stream.read(_END))
    except OSError:  # an image that cannot be read is reported when its turn comes
        return None
    return digest.hexdigest()
