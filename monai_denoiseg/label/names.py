"""Names a client may give: none of them leaves the study, whichever way it is written."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

LONGEST_NAME = 200
"""Bytes of a name, so that an ending and a temporary name still fit into the system's 255."""

IMAGES = (".nii.gz", ".nii", ".nrrd", ".mha", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".svs", ".xml")
"""Endings of files a client may upload to a study."""

DEPTH_OF_ENCODING = 4


def plain_name(text: object) -> bool:
    """Whether a text is the name of something in one folder: no path, no control characters, also when it is decoded again.

    Args:
        text: an id, a tag, a file name.

    >>> plain_name("case 01.v1"), plain_name("50%"), plain_name("../x"), plain_name("..%252fx")
    (True, True, False, False)
    """
    if not isinstance(text, str):
        return False
    for _ in range(DEPTH_OF_ENCODING):
        if not _is_plain(text):
            return False
        decoded = unquote(text, errors="surrogatepass")
        if decoded == text:
            return True
        text = decoded
    return False


def _is_plain(text: str) -> bool:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half a character
        return False
    if not 0 < size <= LONGEST_NAME or text in (".", "..") or (os.name == "nt" and ":" in text):
        return False
    return all(c not in "/\\" and not ord(c) < 32 and not 127 <= ord(c) < 160 for c in text)


def upload_name(text: object, endings: tuple[str, ...] = IMAGES) -> bool:
    """Whether a client may upload a file of this name to the study.

    Args:
        text: the file's name as the client gives it.
        endings: those allowed.

    >>> upload_name("a.v1.nii.gz"), upload_name("x.py"), upload_name("x.json"), upload_name("../a.tif")
    (True, False, False, False)
    """
    return plain_name(text) and isinstance(text, str) and text.lower().endswith(endings)


def inside(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """Whether a path lies in a folder, links followed.

    Args:
        path: of a file that need not exist.
        folder: the folder.

    >>> inside("study/a.tif", "study"), inside("study/../a.tif", "study")
    (True, False)
    """
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError):
        return False
