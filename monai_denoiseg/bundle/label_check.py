"""Before training and evaluation: are the labels what they are taken for?"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from monai_denoiseg.checks import check_int
from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.label_check import LabelFigures, label_figures
from monai_denoiseg.processes import is_main_process

logger = logging.getLogger(__name__)

Item = dict[Any, Any]

SEVERAL = 0.05
"""Share of the numbers in several pieces from which on it is no slip of the annotator's hand. DSB2018 has none in 19,372."""


def check_labels(items: Iterable[Item], load: Any, n: int = 20, required: bool = False) -> dict[str, int] | None:
    """Look at some labels of a data list and warn of what objects do not look like.

    Whatever is wrong for certain is refused when a label is loaded. Here it is counted what may be right: numbers in several
    separate pieces, few numbers in many pieces (classes), labels without an annotated voxel.

    Args:
        items: data list, by file.
        load: what loads them in the run: a ``LoadItemd``, or a chain of transforms with one.
        n: labels to look at, at most, spread over the list.
        required: whether a list whose labels are all "not annotated" is an error.

    Returns:
        Number of ``images`` looked at, ``objects`` in them, and those ``several`` of them in several pieces; None where nothing
        is labelled.

    Raises:
        ValueError: where nothing is annotated in any label and ``required`` is set, and what loading raises.

    >>> check_labels([{"image": "a.tif"}], LoadItemd()) is None
    True
    """
    labelled = [item for item in items if "label" in item]
    load = next(part for part in getattr(load, "transforms", [load]) if isinstance(part, LoadItemd))
    if not labelled or not is_main_process():
        return None
    chosen = sorted({round(i) for i in np.linspace(0, len(labelled) - 1, min(check_int("n", n, 1), len(labelled)))})
    figures = [label_figures(load.load_label(labelled[i])[0].numpy()) for i in chosen]
    bare = sum(not found.annotated for found in figures)
    if bare == len(figures):
        _nothing_annotated(labelled, load, required)
    elif bare:
        logger.warning("%d of %d label images looked at mark all of their image as not annotated", bare, len(figures))
    if not load.n_classes:
        _warn_of_pieces(figures)
    keys = {"objects": "numbers", "several": "several"}
    return {"images": len(figures), **{key: sum(getattr(one, name) for one in figures) for key, name in keys.items()}}


def _nothing_annotated(labelled: Sequence[Item], load: LoadItemd, required: bool) -> None:
    if any(bool((load.load_label(item) >= 0).any()) for item in labelled):
        return
    text = (
        f"none of the {len(labelled)} label images has an annotated voxel, the first is {labelled[0]['label']}: all of their "
        "values mean not annotated (negative ones, and the largest of unsigned types); pass --ignore_value with the value that "
        "does, or take the files out of the folder of labels"
    )
    if required:
        raise ValueError(text)
    logger.warning(text)


def _warn_of_pieces(figures: Sequence[LabelFigures]) -> None:
    objects, several = sum(one.numbers for one in figures), sum(one.several for one in figures)
    if several <= SEVERAL * objects:
        return
    like = sum(one.like_classes for one in figures)
    with_some = sum(one.several > 0 for one in figures)
    advice = (
        f"{like} of them look like labels of classes: number the objects one by one, or name the classes with --classes"
        if like > len(figures) / 2
        else "give every object a number of its own"
    )
    logger.warning(
        "%d of %d numbers lie in several separate pieces, in %d of %d label images looked at; every number is taken as one "
        "object. %s",
        several,
        objects,
        with_some,
        len(figures),
        advice[0].upper() + advice[1:],
    )
