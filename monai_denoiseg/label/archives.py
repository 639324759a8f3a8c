"""Archives a client uploads: looked into before MONAI Label unpacks them, which follows any name within."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO

from monai_denoiseg.label.names import plain_name

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Endings MONAI Label unpacks."""

MOST_MEMBERS = 100_000


def check_archive(stream: IO[bytes], name: str, largest: int) -> None:
    """Check that an archive unpacks into one folder, as ordinary files, of bounded size.

    Args:
        stream: the archive.
        name: its file name.
        largest: bytes it may unpack to.

    Raises:
        ValueError: when it does not, or is no archive.

    >>> import io
    >>> check_archive(io.BytesIO(b"hello"), "a.zip", 10)
    Traceback (most recent call last):
        ...
    ValueError: a.zip is no archive that can be unpacked: File is not a zip file
    """
    if not name.lower().endswith(ENDINGS):
        raise ValueError(f"{name} is no archive; endings that can be unpacked are {', '.join(ENDINGS)}")
    total = 0
    try:
        for number, (member, size) in enumerate(_zip(stream) if name.lower().endswith(".zip") else _tar(stream), 1):
            total += size
            parts = member.rstrip("/").split("/")
            if not all(part in ("", ".") or plain_name(part) for part in parts) or member.startswith("/"):
                raise ValueError(f"{name} holds {member!r}, which leaves the folder it is unpacked to")
            if total > largest or number > MOST_MEMBERS:
                raise ValueError(f"{name} unpacks to more than {largest:,} bytes or {MOST_MEMBERS:,} files")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError) as error:
        raise ValueError(f"{name} is no archive that can be unpacked: {error}") from error
    finally:
        stream.seek(0)


def _zip(stream: IO[bytes]) -> Iterator[tuple[str, int]]:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if (member.external_attr >> 28) == 0xA:  # what Unix calls a symbolic link
                raise zipfile.BadZipFile(f"{member.filename!r} is a link")
            if member.flag_bits & 1:
                raise zipfile.BadZipFile(f"{member.filename!r} is encrypted")
            yield member.filename, member.file_size


def _tar(stream: IO[bytes]) -> Iterator[tuple[str, int]]:
    with tarfile.open(fileobj=stream) as archive:
        for member in archive:
            if not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"{member.name!r} is a link or a device")
            yield member.name, member.size
