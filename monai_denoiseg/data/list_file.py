"""Data lists in a JSON file, in the form of MONAI and the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import suggest
from monai_denoiseg.data.folder_files import same_text, what_is_wrong
from monai_denoiseg.data.reader import split_name

logger = logging.getLogger(__name__)

Item = dict[str, Any]

SECTIONS = ("training", "validation", "testing")
FILES, WORDS = ("image", "label", "clean", "target"), ("group", "fold", "annotated")
"""Keys of an entry that name files, and others."""
_ALIASES = {"test": "testing", "train": "training", "val": "validation"}


def is_list_file(path: Any) -> bool:
    """Whether a path names a data list.

    Args:
        path: any value.

    >>> is_list_file("data/dataset.json"), is_list_file("data")
    (True, False)
    """
    return isinstance(path, (str, os.PathLike)) and Path(path).suffix.lower() == ".json"


def read_list_file(path: str | os.PathLike, section: str) -> list[Item]:
    """Read a section of a data list.

    An entry is ``{"image": path, "label": path?, "clean": path?, "target": path?, "group": any?, "fold": integer?,
    "annotated": names of classes?}``, or a path alone. Paths are relative to the JSON file. Without a label, or with an empty
    one, an image is unlabelled. ``annotated`` names the classes that its label shows, where not all are annotated.

    Args:
        path: the JSON file: ``{"training": [entries], "validation": [entries], "testing": [entries]}``; further keys are left
            alone.
        section: one of the three.

    Returns:
        Items with the full paths, and ``name``, the image's path as it is written; empty where there is no such section.

    Raises:
        FileNotFoundError: for a file that does not exist, naming the entry.
        ValueError: for anything that is no data list, naming the entry.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.tif").write_bytes(b"")
    ...     _ = Path(folder, "data.json").write_text('{"training": [{"image": "a.tif", "fold": 1}]}')
    ...     found = read_list_file(f"{folder}/data.json", "training")
    >>> [(item["name"], item["fold"]) for item in found]
    [('a.tif', 1)]
    """
    entries = list_sections(path).get(section, [])
    items = [_item(Path(path), f"{section}[{i}]", entry) for i, entry in enumerate(entries)]
    seen: dict[str, str] = {}
    for i, item in enumerate(items):
        if item["image"] in seen:
            raise ValueError(f"{path}: {section}[{i}] has the image of {seen[item['image']]} once more: {item['name']}")
        seen[item["image"]] = f"{section}[{i}]"
    return items


def list_sections(path: str | os.PathLike) -> dict[str, list[Any]]:
    """The sections of a data list that hold anything, by name.

    Args:
        path: the JSON file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no data list.
    """
    try:
        content = json.loads(Path(path).read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from None
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} is no data list: it needs the key 'training' with a list of entries {{\"image\": path, ...}}")
    found: dict[str, list[Any]] = {}
    for key, entries in content.items():
        name = _ALIASES.get(key, key)
        if name in SECTIONS and entries:
            if not isinstance(entries, list):
                raise ValueError(f"{path}: {key!r} must be a list of entries, got {type(entries).__name__}")
            found[name] = found.get(name, []) + entries
    if not found:
        keys = ", ".join(repr(key) for key in list(content)[:5]) or "nothing"
        raise ValueError(
            f"{path} is no data list: of 'training', 'validation' and 'testing' it holds none with entries; it has {keys}"
        )
    return found


def _item(path: Path, where: str, entry: Any) -> Item:
    if isinstance(entry, str):
        entry = {"image": entry}
    if not isinstance(entry, Mapping):
        raise ValueError(f"{path}: {where} must be an object with the key 'image', got {entry!r}")
    for key in entry.keys() - {*FILES, *WORDS}:
        if hint := suggest(str(key), [*FILES, *WORDS]):
            raise ValueError(f"{path}: {where} has the unknown key {key!r}{hint}")
    if not entry.get("image"):
        raise ValueError(f"{path}: {where} has no 'image'")
    item: Item = {}
    for key in FILES:
        if entry.get(key):
            item[key] = str(_file(path, f"{where}: {key}", entry[key]))
    return item | _words(path, where, entry) | {"name": os.path.normpath(str(entry["image"]))}


def _words(path: Path, where: str, entry: Mapping[str, Any]) -> Item:
    """What an entry says about its image."""
    item: Item = {}
    if entry.get("group") is not None:
        item["group"] = str(entry["group"])
    if (fold := entry.get("fold")) is not None:
        if isinstance(fold, bool) or not isinstance(fold, int):
            raise ValueError(f"{path}: {where}: fold must be an integer, got {fold!r}")
        item["fold"] = fold
    if (names := entry.get("annotated")) is not None:
        if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
            raise ValueError(f"{path}: {where}: annotated must be a list of names of classes, got {names!r}")
        if not entry.get("label"):
            raise ValueError(f"{path}: {where} names what is annotated, but has no 'label'")
        item["annotated"] = names
    return item


def _file(path: Path, where: str, value: Any) -> Path:
    if not isinstance(value, str):
        way = "one file must hold the image with all its channels" if isinstance(value, list) else "give the path of a file"
        raise ValueError(f"{path}: {where} is {value!r}: {way}")
    found = path.parent / value
    if what_is_wrong(found) == "missing" and found.parent.is_dir():  # the same name in another Unicode form
        found = next((one for one in found.parent.iterdir() if same_text(one.name) == same_text(found.name)), found)
    reason = what_is_wrong(found)
    if reason is not None:
        raise FileNotFoundError(
            f"{path}: {where} {value} {'does not exist' if reason == 'missing' else f'is {reason}'} ({found})"
        )
    if not split_name(found)[1]:
        raise ValueError(f"{path}: {where} {value} has an unsupported file format")
    return found
