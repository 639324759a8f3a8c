"""The images of a study as a data list: the annotated ones for both tasks, all others for denoising."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import check_range
from monai_denoiseg.data import count_labelled
from monai_denoiseg.label.options import shown
from monai_denoiseg.label.segments import prepare_label, segment_names, segment_values
from monai_denoiseg.label.usable import image_problem, label_problem, readable

logger = logging.getLogger(__name__)

Item = dict[str, Any]

FEWEST_HELD_OUT = 3
"""From so many annotated images on, some are held out for validation; below, every one is too precious."""

FINAL = "final"
"""MONAI Label's tag of a label an annotator submitted."""


def study_items(
    datastore: Any,
    folder: str | os.PathLike,
    *,
    classes: Sequence[str] = (),
    spatial_dims: int = 2,
    axes: str | None = None,
    channels: int | None = None,
    problems: list[str] | None = None,
) -> list[Item]:
    """List all images of a study, with the labels annotators submitted; files that cannot be used are left out, with a warning.

    MONAI Label itself trains on annotated images only.

    Args:
        datastore: MONAI Label's datastore.
        folder: for labels that have to be rewritten, see :func:`~monai_denoiseg.label.segments.prepare_label`.
        classes: names of semantic classes, background first; empty for instances.
        spatial_dims: images with other axes are left out: a study may hold planes and volumes.
        axes: axes of the images, see :class:`~monai_denoiseg.data.FileReader`.
        channels: images with others are left out; None for any.
        problems: filled with what was left out and why.

    Returns:
        Items ``{"image": path, "label": path?}`` sorted by image. An image whose label cannot be read counts as not annotated.

    Raises:
        ValueError: for a label whose meaning is unclear, such as a segment that is no class; the message names it.
    """
    problems = [] if problems is None else problems
    items = []
    annotated = set(datastore.get_labeled_images())
    for name in sorted(datastore.list_images()):
        image = datastore.get_image_uri(name)
        problem = image_problem(image, spatial_dims, axes, channels)
        if problem:
            problems.append(problem)
            continue
        item: Item = {"image": image}
        if name in annotated:
            label = _label(datastore, name, folder, problems, classes=classes, spatial_dims=spatial_dims, axes=axes)
            item |= {} if label is None else {"label": label}
        items.append(item)
    for problem in problems:
        logger.warning("left out: %s", problem)
    return items


def _label(datastore: Any, name: str, folder: str | os.PathLike, problems: list[str], **options: Any) -> str | None:
    """The file a training reads an image's annotation from; None, and the reason among the problems, if it cannot be used."""
    image, label = datastore.get_image_uri(name), Path(datastore.get_label_uri(name, FINAL))
    info = datastore.get_label_info(name, FINAL) or {}
    names = segment_names(info)
    plain = {key: options[key] for key in ("spatial_dims", "axes")}
    # With names the values need not be those of the classes yet.
    problem = label_problem(label, image, **plain, binary_labels="keep") if names or not readable(label) else ""
    if not problem:
        try:
            prepared = prepare_label(label, image, folder, segments=names, numbers=segment_values(info), **options)
        except ValueError as error:
            text = str(error)
            raise ValueError(text if label.name in text else f"label {label.name}: {text}") from error
        problem = label_problem(prepared, image, **plain, classes=options["classes"])
    if problem:
        problems.append(problem)
        return None
    return str(prepared)


def split_study(
    items: Sequence[Item], val_split: float = 0.2, seed: int = 0, problems: Sequence[str] = ()
) -> tuple[list[Item], list[Item]]:
    """Split a study into images to train and to validate on; only annotated ones validate.

    Args:
        items: from :func:`study_items`.
        val_split: share of the annotated images to hold out, in [0, 1). At least one is from three on; with fewer, all are
            trained on and validated on too, so that scores and thresholds are too good.
        seed: of the draw.
        problems: what was left out, for the message when nothing remains.

    Returns:
        ``(training, validation)``.

    Raises:
        ValueError: when nothing is annotated, or ``val_split`` is out of range.

    >>> items = [{"image": f"{i}.tif", **({"label": "l"} if i < 5 else {})} for i in range(9)]
    >>> training, validation = split_study(items)
    >>> len(training), count_labelled(training), len(validation), count_labelled(validation)
    (8, 4, 1, 1)
    """
    check_range("val_split", val_split, 0, 1, open_high=True)
    labelled = [item for item in items if "label" in item]
    if not items:
        raise ValueError(f"the study holds no image this network can read{_reasons(problems)}")
    if not labelled:
        raise ValueError(
            "no image of the study is annotated: submit the label of at least one; the model `self2seg` needs none to start with"
            + _reasons(problems)
        )
    if val_split == 0 or len(labelled) < FEWEST_HELD_OUT:
        return list(items), labelled
    count = min(max(round(val_split * len(labelled)), 1), len(labelled) - 1)
    held_out = {item["image"] for item in random.Random(seed).sample(labelled, count)}
    return [item for item in items if item["image"] not in held_out], [item for item in labelled if item["image"] in held_out]


def _reasons(problems: Sequence[str]) -> str:
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"; left out: {'; '.join(problems[:3])}{more}" if problems else ""


def describe(items: Sequence[Item], training: Sequence[Item], validation: Sequence[Item]) -> str:
    """One line on the images a training uses.

    Args:
        items: all.
        training: those trained on.
        validation: those validated on.

    >>> describe([{"image": "a", "label": "b"}, {"image": "c"}], [{"image": "c"}], [{"image": "a", "label": "b"}])
    'study: 2 images, 1 annotated; training on 1 (0 annotated), validation on 1 (1 annotated)'
    """
    parts = f"training on {len(training)} ({count_labelled(training)} annotated), validation on {len(validation)}"
    return f"study: {len(items)} images, {count_labelled(items)} annotated; {parts} ({count_labelled(validation)} annotated)"


def image_path(datastore: Any, image: str) -> Path:
    """File of an image named in a request: an image of the study, or a path on the server.

    Args:
        datastore: MONAI Label's datastore.
        image: id or path.

    Raises:
        LookupError: when there is neither.
    """
    uri = datastore.get_image_uri(image) if image else ""
    for path in (uri, image):
        if path and os.path.isfile(path):  # noqa: PTH113  a name that is too long is no file, not an error
            return Path(path)
    names = sorted(datastore.list_images())
    listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise LookupError(f"no image {shown(image)} in the study; it holds {listed or 'none'}")


def served_times(datastore: Any, images: Sequence[str], strategy: str) -> Mapping[str, float]:
    """When each image was last offered to an annotator by a strategy, in seconds.

    Args:
        datastore: MONAI Label's datastore.
        images: ids.
        strategy: its name.
    """
    times = {}
    for name in images:
        offered = datastore.get_image_info(name).get("strategy")  # a client can store anything here
        info = offered.get(strategy) if isinstance(offered, Mapping) else None
        when = info.get("ts") if isinstance(info, Mapping) else None
        if isinstance(when, (int, float)):
            times[name] = float(when)
    return times
