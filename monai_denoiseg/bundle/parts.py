"""Which listed images are trained on, and which are validated on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from monai_denoiseg.bundle.kept_split import FOR_VALIDATION
from monai_denoiseg.data import split_datalist
from monai_denoiseg.data.list_file import is_list_file, list_sections
from monai_denoiseg.data.sources import Source, labelled_datalist

logger = logging.getLogger(__name__)

Item = dict[str, Any]


def listed_parts(
    source: Source, validation: Source | None, *, fold: int | None, fraction: float, seed: int, options: Mapping[str, Any]
) -> tuple[list[Item], list[Item]]:
    """List the images of a training in two parts.

    In this order: the user's second source, the fold of a data list, its section ``validation``, else a draw.

    Args:
        source: see :func:`~monai_denoiseg.data.labelled_datalist`.
        validation: likewise.
        fold: the fold to validate on.
        fraction: share that is drawn.
        seed: of the draw.
        options: how to list.

    Raises:
        ValueError: for a fold that no image or every image is in, or where there is another choice of what to validate on.

    >>> import json, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in "abc":
    ...         _ = Path(folder, f"{name}.npy").write_bytes(b"")
    ...     entries = [{"image": f"{name}.npy", "fold": i} for i, name in enumerate("abc")]
    ...     _ = Path(folder, "data.json").write_text(json.dumps({"training": entries}))
    ...     parts = listed_parts(f"{folder}/data.json", None, fold=1, fraction=0.5, seed=0, options={})
    >>> [[item["name"] for item in part] for part in parts]
    [['a.npy', 'c.npy'], ['b.npy']]
    """
    items = labelled_datalist(source, **options)
    folds = sorted({item["fold"] for item in items if "fold" in item})
    section = is_list_file(source) and "validation" in list_sections(source)  # type: ignore[arg-type]
    if fold is not None and (validation is not None or section):
        other = "`validation_dir`" if validation is not None else f"the section 'validation' of {source}"
        raise ValueError(f"`fold` is {fold}, but {other} already says what to validate on: leave one of them out")
    if fold is not None and fold not in folds:
        there = f"the folds {', '.join(map(str, folds))}" if folds else "no folds: give them in a data list, a JSON file"
        raise ValueError(f"`fold` is {fold}, but {source} has {there}")
    if validation is not None:
        parts = items, _aside(labelled_datalist(validation, section=None, **options))
    elif fold is not None:
        parts = [item for item in items if item.get("fold") != fold], _aside([item for item in items if item.get("fold") == fold])
    elif section:
        parts = items, _aside(labelled_datalist(source, section="validation", **options))
    else:
        if folds:
            listed = ", ".join(map(str, folds))
            logger.warning("%s has the folds %s, which do not count without --fold: validation images are drawn", source, listed)
        parts = split_datalist(items, fraction, seed)
    if not parts[0]:
        raise ValueError(f"nothing is left of {source} to train on: fold {fold} holds all of its {len(items)} images")
    _warn_of_both(*parts)
    training, validating = ([{key: value for key, value in item.items() if key != "fold"} for item in part] for part in parts)
    return training, validating


def _aside(items: list[Item]) -> list[Item]:
    return [item | {FOR_VALIDATION: True} if "name" in item else item for item in items]


def _warn_of_both(training: list[Item], validation: list[Item]) -> None:
    """What is trained on says nothing of other images: neither the images nor their groups should be on both sides."""
    for key in ("image", "group"):
        both = sorted(
            {str(item[key]) for item in training if key in item} & {str(item[key]) for item in validation if key in item}
        )
        if both:
            text = "%d %ss are in training and validation, the first is %s: validation is too optimistic"
            logger.warning(text, len(both), key, both[0])
