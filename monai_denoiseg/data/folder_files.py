"""What lies in a folder: image files, and what is no image although its name says so."""

from __future__ import annotations

import fnmatch
import logging
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.data.arrays import ZARR_SUFFIXES
from monai_denoiseg.data.dicom import holds_dicom, holds_one_image, prefix_of
from monai_denoiseg.data.ngff import image_paths, is_zarr
from monai_denoiseg.data.reader import SUPPORTED_SUFFIXES, split_name

logger = logging.getLogger(__name__)

MOST_FOLDERS = 1000
"""Folders to look into for a hint."""


def same_text(text: str) -> str:
    r"""One form for names that look alike: macOS stores an accent as a letter of its own, others do not.

    Args:
        text: any text.

    >>> same_text("a\u0301") == same_text("\u00e1")
    True
    """
    return unicodedata.normalize("NFC", text)


def stem_of(path: Path) -> str:
    """Name of a file without suffix, by which files are paired.

    Args:
        path: a file of a supported format.

    >>> stem_of(Path("images/a.ome.tif"))
    'a'
    """
    return same_text(prefix_of(path) + split_name(path)[0])


def is_zarr_folder(path: Path) -> bool:
    """Whether a path is the folder of a Zarr image.

    Args:
        path: any path.

    >>> is_zarr_folder(Path("missing.zarr"))
    False
    """
    return path.is_dir() and (path.name.lower().endswith(ZARR_SUFFIXES) or (bool(split_name(path)[1]) and is_zarr(path)))


def is_image_folder(path: Path) -> bool:
    """Whether a folder is an image itself, so that it is not looked into: a Zarr image, or a DICOM series.

    Args:
        path: any path.

    >>> is_image_folder(Path("missing"))
    False
    """
    return is_zarr_folder(path) or holds_one_image(path)


def images_within(path: Path) -> list[Path]:
    """The images of a file or Zarr folder, which may hold several (series, fields of a plate).

    What is wrong with a Zarr folder is said when its turn comes.

    Args:
        path: the file, or the folder.

    >>> images_within(Path("a.tif"))[0].name
    'a.tif'
    """
    try:
        return image_paths(path) if is_zarr_folder(path) else [path]
    except Exception:
        return [path]


def existing_folder(path: Any) -> Path:
    """Return a folder as a path.

    Args:
        path: the folder.

    Raises:
        FileNotFoundError: when it is none.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"{folder} {what}")
    return folder


def subfolder(root: Path, names: Iterable[str]) -> Path | None:
    """Find a subfolder by name, in whatever case it is written.

    Args:
        root: a folder.
        names: the names it may have, the first found counts.

    Returns:
        The folder; None where there is none.

    Raises:
        FileNotFoundError: when it is a link that leads nowhere.
        ValueError: when two folders differ in case only.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "Masks").mkdir()
    ...     subfolder(Path(folder), ("labels", "masks")).name
    'Masks'
    """
    for name in names:
        if (root / name).is_dir():
            return root / name
        wanted = same_text(name).casefold()
        alike = sorted(path for path in root.iterdir() if same_text(path.name).casefold() == wanted)
        broken = next((path for path in alike if path.is_symlink() and not is_there(path)), None)
        if broken is not None:
            raise FileNotFoundError(f"{broken} is a link that leads nowhere: mount what it leads to, or remove it")
        alike = [path for path in alike if path.is_dir()]
        if len(alike) > 1:
            raise ValueError(f"{alike[0]} and {alike[1]} differ in the case of letters only: rename or move one")
        if alike:
            logger.info("%s: %s is taken as %r", root, alike[0].name, name)
            return alike[0]
    return None


def named_files(folder: Path, pattern: str | None = None) -> tuple[list[Path], dict[Path, str]]:
    """List what has the name of an image.

    Args:
        folder: the folder.
        pattern: only names that match.

    Returns:
        The files (and Zarr folders), sorted; and what is no file, with the reason: a link that leads nowhere, a folder.

    Raises:
        OSError: when the folder may not be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "a.tif").touch()
    ...     Path(folder, "b.tif").mkdir()
    ...     files, others = named_files(Path(folder))
    ...     [path.name for path in files], {path.name: reason for path, reason in others.items()}
    (['a.tif'], {'b.tif': 'a folder'})
    """
    if holds_one_image(folder):
        raise ValueError(
            f"{folder} holds the DICOM files of one image (or several mixed up) besides other images or instead of them: put the "
            f"files of each series into a folder of its own, {folder / 'case_01'}; or give {folder} itself as dataset_dir"
        )
    names = sorted(folder.iterdir())  # a folder that may not be read is an error; a pattern would find nothing there
    if pattern is not None and "/" in pattern:
        names = sorted(folder.glob(pattern))
    elif pattern is not None:
        names = [path for path in names if fnmatch.fnmatchcase(same_text(path.name), same_text(pattern))]
    files, others = [], {}
    for path in names:
        if path.name.startswith(".") or not split_name(path)[1]:
            continue
        reason = what_is_wrong(path)
        if reason is None:
            files += images_within(path)
        else:
            others[path] = reason
    return files, others


def what_is_wrong(path: Path) -> str | None:
    """Why a path is no file; None for a file, or the folder of a Zarr image or a DICOM series.

    Args:
        path: any path.

    >>> what_is_wrong(Path("missing.tif"))
    'missing'
    """
    if not is_there(path):
        return "a link that leads nowhere" if path.is_symlink() else "missing"
    if path.is_file() or is_zarr_folder(path) or holds_dicom(path):
        return None
    return "a folder" if path.is_dir() else "no file"


def is_there(path: Path) -> bool:
    """Whether something is at a path; a link that leads nowhere, or in a circle, is nothing.

    Args:
        path: any path.

    >>> is_there(Path("missing.tif"))
    False
    """
    try:
        return path.exists()
    except (OSError, RuntimeError):  # a circle of links
        return False


def leads_nowhere(reason: str) -> bool:
    """Whether :func:`what_is_wrong` speaks of a broken link.

    Args:
        reason: what it returned.

    >>> leads_nowhere("a folder")
    False
    """
    return "link" in reason


def first_names(names: Sequence[Any], most: int = 5) -> str:
    """The first of some names, and how many more there are.

    Args:
        names: texts, or paths whose last part counts.
        most: names to give.

    >>> first_names(["a", "b", "c"], 2)
    'a, b, and 1 more'
    """
    shown = [name.name if isinstance(name, Path) else str(name) for name in names[:most]]
    return ", ".join(shown) + (f", and {len(names) - most} more" if len(names) > most else "")


def nothing_found(folder: Path, pattern: str | None = None) -> str:
    """Say that a folder holds no image, and what it holds.

    Args:
        folder: the folder.
        pattern: that was looked for.
    """
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    held = f"it holds {', '.join(names[:5])}{', ...' * (len(names) > 5)}" if names else "it is empty"
    matching = f" matching {pattern!r}" if pattern else ""
    deeper = [path for path in sorted(folder.iterdir()) if path.is_dir() and _holds_images(path)]
    hint = f"; did you mean {deeper[0]}?" if deeper and not pattern else ""
    if not deeper and (series := _first_series(folder)) is not None:
        hint = (
            f"; DICOM series lie deeper, the first in {series}: give that, list the folders of the series in a data list (JSON), "
            f"or move each into {folder} under a name of its own"
        )
    return f"no image{matching} in {folder} ({held}){hint}; supported are {', '.join(sorted(SUPPORTED_SUFFIXES))}"


def _first_series(folder: Path) -> Path | None:
    """The first folder with DICOM files at any depth, among so many folders that are looked into."""
    for count, (place, names, _) in enumerate(os.walk(folder)):
        names.sort()
        if holds_dicom(place):
            return Path(place)
        if count >= MOST_FOLDERS:
            break
    return None


def _holds_images(folder: Path) -> bool:
    try:
        inner = folder / "images" if (folder / "images").is_dir() else folder
        return any(split_name(path)[1] and not path.name.startswith(".") for path in inner.iterdir())
    except OSError:
        return False
