"""Which images a run trains and validates on, kept so that it can go on with them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from monai_denoiseg.data.digest import content_digest
from monai_denoiseg.data.sources import Source

logger = logging.getLogger(__name__)

VALIDATION_DIR = "validation_dir"
FOR_VALIDATION = "for_validation"
"""Key of items that the user has put aside: they are never trained on."""

Item = dict[str, Any]


def split_names(training: Sequence[Item], validation: Sequence[Item], validation_dir: Source | None = None) -> dict[str, Any]:
    """Name the images of a split, so that a resumed training finds it again.

    Args:
        training: data list.
        validation: data list.
        validation_dir: as in :func:`training_data`.

    Returns:
        Names of the ``training`` and ``validation`` images, and of the ``labelled`` training images, see :func:`image_id`; and
        ``digests``: what each image holds, by name.

    >>> found = split_names([{"image": "d/images/a.tif", "label": "d/labels/a.tif"}], [])
    >>> {part: names for part, names in found.items() if part != "digests"}
    {'training': ['images/a.tif'], 'validation': [], 'labelled': ['images/a.tif']}
    """
    parts = {"training": training, "validation": validation, "labelled": [item for item in training if "label" in item]}
    names = {part: [image_id(item, validation_dir) for item in items] for part, items in parts.items()}
    digests = {image_id(item, validation_dir): _digest(item) for item in [*training, *validation]}
    return names | {"digests": {name: digest for name, digest in digests.items() if digest}}


@cache
def _digest_of(path: str, changed: int) -> str:
    return content_digest(path)


def _digest(item: Mapping[str, Any]) -> str:
    """What an image holds; empty for one that is no file, of which MONAI Label's clients may send any kind."""
    path = Path(str(item["image"]))
    return _digest_of(str(path), path.stat().st_mtime_ns) if path.exists() else ""


def image_id(item: Mapping[str, Any], validation_dir: Source | None = None) -> str:
    """Name of an image within its data folder, which may move; with its frame where the file holds several.

    Args:
        item: entry of a data list; its ``name``, if it has one, is taken.
        validation_dir: a second source; the images of a folder may have the names of the first.

    >>> image_id({"image": "d/images/a.tif", "frame": 2}), image_id({"image": "v/images/a.tif"}, "v")
    ('images/a.tif#2', 'validation_dir/images/a.tif')
    """
    path = Path(item["image"])
    name = str(item["name"]) if "name" in item else "/".join(path.parts[-2:])
    inside = isinstance(validation_dir, (str, os.PathLike)) and path.is_relative_to(validation_dir)
    if inside or item.get(FOR_VALIDATION):
        name = f"{VALIDATION_DIR}/{name}"
    return name if item.get("frame") is None else f"{name}#{item['frame']}"


def as_before(items: Sequence[Item], previous: Mapping[str, Any], validation_dir: Source | None) -> tuple[list[Item], list[Item]]:
    """Training and validation images of a stopped run, and the new ones with those that are trained on."""
    by_name = {image_id(item, validation_dir): item for item in items}
    known = {part: set(previous[part]) for part in ("training", "validation")}
    missing = sorted((known["training"] | known["validation"]) - by_name.keys())
    if missing:
        listed = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise FileNotFoundError(
            f"{len(missing)} images that the run was trained or validated on are not in `dataset_dir` any more ({listed}): "
            "put them back, or train anew with another --output_dir"
        )
    _as_they_were(by_name, previous)
    new = sorted(by_name.keys() - known["training"] - known["validation"])
    groups = {by_name[name].get("group") for name in known["validation"]} - {None}
    checked = [  # never trained on
        name for name in new if name.startswith(f"{VALIDATION_DIR}/") or by_name[name].get("group") in groups
    ]
    trained = [name for name in new if name not in {*checked}]
    for names, what in ((trained, "trained"), (checked, "validated")):
        if names:
            logger.info("%d new images are %s on; the others stay on their side of the split", len(names), what)
    # In the order of before: what is drawn from the list by number stays the same.
    ordered = ([*previous["training"], *trained], [*previous["validation"], *checked])
    return [by_name[name] for name in ordered[0]], [by_name[name] for name in ordered[1]]


def _as_they_were(by_name: Mapping[str, Item], previous: Mapping[str, Any]) -> None:
    """Raise if images of a run hold something else now, or have lost their annotation."""
    digests = previous.get("digests", {})
    other = [name for name, digest in digests.items() if name in by_name and _digest(by_name[name]) != digest]
    bare = [name for name in previous["labelled"] if "label" not in by_name[name]]
    for names, what in ((other, "hold something else than when the run began"), (bare, "have lost their label")):
        if names:
            listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ValueError(
                f"{len(names)} images of the run {what} ({listed}): name the folder it was trained on with --dataset_dir, "
                "or train anew with another --output_dir"
            )
