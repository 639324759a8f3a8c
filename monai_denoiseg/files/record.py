"""What this package wrote into a folder: a hidden record for the results of each image, or a note that each file carries."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from monai_denoiseg.files.fingerprint import describe_source, is_same_content, is_same_image, is_unchanged
from monai_denoiseg.files.notes import read_note

FOLDER = ".monai_denoiseg"
"""Hidden folder of the records, in the folder of the results."""
_FORMAT = 1


@dataclass
class Record:
    """One set of results: of an image, of an evaluation, a report.

    Args:
        source: what it was made of, see :func:`~monai_denoiseg.files.fingerprint.describe_source`; empty if of no single image.
        settings: digest of the settings and the network it was made with; empty if unknown.
        files: fingerprints of its files, by their paths in the folder.
        earlier: fingerprints of files of earlier sets of the same name.

    >>> Record(files={"a_denoised.tif": {}}).names
    {'a_denoised.tif'}
    """

    source: dict[str, Any] = field(default_factory=dict)
    settings: str = ""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    earlier: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Paths in the folder of all files that were ever written."""
        return {*self.files, *self.earlier}

    def to_json(self) -> dict[str, Any]:
        """The content of the record's file."""
        return {"format": _FORMAT, **asdict(self)}


def record_path(folder: str | os.PathLike, name: str) -> Path:
    """Where the record of a set of results is.

    Args:
        folder: folder of the results.
        name: of the set, ``"image-STEM"`` for the results of an image.

    >>> record_path("out", "image-a").as_posix()
    'out/.monai_denoiseg/image-a.json'
    """
    return Path(folder) / FOLDER / f"{name}.json"


def read_record(folder: str | os.PathLike, name: str, targets: Iterable[Path] = ()) -> Record:
    """Read what is known of a set of results; an empty record where nothing is (or nothing that can be read).

    Args:
        folder: folder of the results.
        name: of the set.
        targets: files that may carry a note of their own.

    >>> read_record("no folder", "image-a").names
    set()
    """
    record = _read(record_path(folder, name))
    notes = {target.relative_to(folder).as_posix(): read_note(target) for target in targets}
    own = {path: note for path, note in notes.items() if note is not None and note["set"] == name}
    for note in own.values():
        record.files = {key: {} for key in note["names"]} | record.files
        record.source, record.settings = note["source"], note["settings"]
    if len({note["settings"] for note in own.values()}) > 1:
        record.settings = ""  # of several runs
    record.files |= {path: note["print"] for path, note in own.items()}
    return record


def _read(path: Path) -> Record:
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] != _FORMAT:
            return Record()
        return Record(dict(found["source"]), str(found["settings"]), dict(found["files"]), dict(found["earlier"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Record()


def result_names(folder: str | os.PathLike) -> set[str]:
    """Names of the files in a folder that are results of this package, also those that were changed by hand since.

    Args:
        folder: any folder.

    >>> result_names("no folder")
    set()
    """
    folder = Path(folder)
    found = {name for path in (folder / FOLDER).glob("*.json") for name in _read(path).names}
    return found | {path.name for path in (folder.iterdir() if folder.is_dir() else ()) if read_note(path) is not None}


def foreign_files(folder: str | os.PathLike, name: str, targets: Iterable[Path], source: Mapping[str, Any]) -> list[Path]:
    """Which files may not be written: there is something that is no result of the same image, or was changed since.

    Args:
        folder: folder of the results.
        name: of the set.
        targets: the files to write.
        source: see :func:`~monai_denoiseg.files.fingerprint.describe_source`; empty if there is no single image.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "a_mask.tif").touch()
    ...     [path.name for path in foreign_files(folder, "image-a", [Path(folder, "a_mask.tif"), Path(folder, "b.tif")], {})]
    ['a_mask.tif']
    """
    folder = Path(folder)
    there = [target for target in targets if os.path.lexists(target)]
    if not there:
        return []
    record = read_record(folder, name, there)
    if record.source and source and not is_same_image(record.source, dict(source)):
        return there
    return [target for target in there if not _is_own(target, record, target.relative_to(folder).as_posix())]


def _is_own(path: Path, record: Record, name: str) -> bool:
    known = [prints[name] for prints in (record.files, record.earlier) if name in prints]
    return any(is_unchanged(path, one) for one in known)


def refusal(
    folder: str | os.PathLike, name: str, foreign: list[Path], source: str | os.PathLike | None = None
) -> FileExistsError:
    """The error for files that may not be overwritten.

    Args:
        folder: folder of the results.
        name: of the set.
        foreign: see :func:`foreign_files`.
        source: the image whose results would overwrite them.

    >>> print(refusal("out", "report", [Path("out/report.html")]))
    out/report.html is there and is not overwritten: monai-denoiseg has no record of having written it. Give another output_dir, \
or move it away
    """
    record, path = read_record(folder, name, foreign[:1]), foreign[0]
    inside = path.relative_to(folder).as_posix()
    if inside not in record.names:
        reason = "monai-denoiseg has no record of having written it"
    elif source is not None and record.source and not is_same_image(record.source, describe_source(source)):
        reason = f"it is the result of another image, {record.source.get('path')}"
    else:
        reason = "it was changed since it was written"
    of = f" by a result of {source}" if source is not None else ""
    more = f" ({len(foreign) - 1} more files are in the way)" if len(foreign) > 1 else ""
    it = "them" if more else "it"
    return FileExistsError(
        f"{path} is there and is not overwritten{of}: {reason}{more}. Give another output_dir, or move {it} away"
    )


def state_of(folder: str | os.PathLike, name: str, settings: str, source: Mapping[str, Any], targets: Iterable[Path] = ()) -> str:
    """What there is of a set of results.

    Args:
        folder: folder of the results.
        name: of the set.
        settings: digest of the settings that are wanted.
        source: the image as it is now.
        targets: files that may carry a note of their own.

    Returns:
        ``"none"``; ``"complete"`` (made of this image with these settings, and as it was written); ``"edited"`` (so made, all
        files are there, but some were changed since); ``"other"`` (other settings, an image that has changed, or not whole).

    >>> state_of("no folder", "image-a", "", {})
    'none'
    """
    record = read_record(folder, name, targets)
    paths = {key: Path(folder) / key for key in record.names}
    if not any(path.exists() for path in paths.values()):
        return "none"
    same = bool(record.settings) and record.settings == settings and is_same_content(record.source, dict(source))
    if not same or not all(paths[key].exists() for key in record.files):
        return "other"
    return "complete" if all(is_unchanged(paths[key], known) for key, known in record.files.items()) else "edited"
