"""Whatever goes wrong while a file is read: one error, which names the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class UnreadableError(ValueError):
    """A file that cannot be read; the message begins with its name.

    >>> issubclass(UnreadableError, ValueError)
    True
    """


@contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Turn an error of any library into one that names the file.

    Libraries raise what they like for a damaged file (``zlib.error``, ``struct.error``, ``EOFError``, ``IndexError``, ...), and
    few of them say which file it is.

    Args:
        path: the file that is read in the ``with`` block.

    Raises:
        UnreadableError: in place of the error, unless that is an ``ImportError``, or a ``ValueError`` or ``OSError`` that names
            the file.

    >>> with naming("a.tif"):
    ...     raise EOFError("file ended early")
    Traceback (most recent call last):
        ...
    monai_denoiseg.data.errors.UnreadableError: a.tif cannot be read, it may be damaged or not copied to its end: file ended early
    """
    try:
        yield
    except ImportError:
        raise
    except MemoryError as error:
        raise UnreadableError(
            f"{path} needs more memory than there is ({str(error) or 'no more is given'}): its header may be damaged; an image "
            "that is truly so large can be read in parts from TIFF or OME-Zarr"
        ) from error
    except Exception as error:
        text = str(error)
        named = str(path) in text
        if named and isinstance(error, (ValueError, OSError)):
            raise
        raise UnreadableError(text if named else _told(path, error)) from error


def _told(path: str | os.PathLike, error: Exception) -> str:
    text = " ".join(str(error).split())
    # A bare key or nothing at all explains itself only with its type.
    reason = f"{type(error).__name__}: {text}" if text == "" or isinstance(error, LookupError) else text
    missing = "imagecodecs" in text
    way_out = " (run `pip install imagecodecs`, or save it uncompressed)" if missing else ""
    return f"{path} cannot be read{'' if missing else ', it may be damaged or not copied to its end'}: {reason}{way_out}"
