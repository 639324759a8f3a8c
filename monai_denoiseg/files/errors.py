"""Errors of the disk that name the file and the way out."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_TORCH_CANNOT_WRITE = ("inline_container", "PytorchStreamWriter")


class WriteError(OSError):
    """A file could not be written: the disk is full. Its message names the file; ``errno`` is that of the system."""


class WriteForbiddenError(WriteError, PermissionError):
    """A file could not be written: it is not allowed."""


@contextmanager
def explained(target: str | os.PathLike) -> Iterator[None]:
    """Turn "no space left on device", "permission denied" and what torch makes of them into one error that names the file.

    Args:
        target: the file that is written in the block.

    Raises:
        WriteError: an ``OSError`` with the ``errno`` of its cause (a ``PermissionError`` where that was one).

    >>> with explained("out/a.tif"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
        ...
    monai_denoiseg.files.errors.WriteError: cannot write out/a.tif: no space left on the disk; make room or choose another folder
    """
    try:
        yield
    except WriteError:
        raise  # an inner block has named the file
    except OSError as error:
        if not _is_about(error, Path(target)):
            raise
        if error.errno in _FULL:
            raise _full(Path(target), error.errno) from error
        if error.errno in _FORBIDDEN:
            raise _forbidden(Path(target), error.errno) from error
        raise
    except RuntimeError as error:
        if any(word in str(error) for word in _TORCH_CANNOT_WRITE):
            raise _full(Path(target), errno.ENOSPC) from error
        raise


def _is_about(error: OSError, target: Path) -> bool:
    """Whether an error is about the target or its folder, not about a file that was read meanwhile."""
    name = error.filename if error.filename2 is None else error.filename2  # of a copy the second is the target
    if name is None:
        return True
    named, folder = Path(os.fsdecode(name)).absolute(), target.absolute().parent
    return named.is_relative_to(folder) or folder.is_relative_to(named)


def _full(target: Path, number: int) -> WriteError:
    free = free_space(target)
    reason = "no space left on the disk" if number != errno.EFBIG else "the file is larger than allowed"
    left = f" ({readable_size(free)} free)" if free is not None and free < 1e9 and number == errno.ENOSPC else ""
    return _numbered(WriteError(f"cannot write {target}: {reason}{left}; make room or choose another folder"), number)


def _forbidden(target: Path, number: int) -> WriteError:
    reason = "the disk is read-only" if number == errno.EROFS else "permission denied"
    return _numbered(WriteForbiddenError(f"cannot write {target}: {reason}; choose a folder you may write to"), number)


def _numbered(error: WriteError, number: int) -> WriteError:
    error.errno = number
    return error


def free_space(path: str | os.PathLike) -> int | None:
    """Bytes free where a file is or would be; None where that cannot be found out.

    Args:
        path: file or folder, existing or not.

    >>> free_space("some/new/file") > 0
    True
    """
    absolute = Path(path).absolute()
    for folder in (absolute, *absolute.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return None


def readable_size(size: float) -> str:
    """A number of bytes for people.

    Args:
        size: bytes.

    >>> readable_size(512), readable_size(35_200_000), readable_size(1.26e12)
    ('512 bytes', '35 MB', '1.3 TB')
    """
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(size) >= unit:
            number = size / unit
            return f"{number:.1f} {name}" if abs(number) < 10 else f"{number:.0f} {name}"
    return f"{size:.0f} bytes"
