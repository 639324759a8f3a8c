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
from monai_denoiseg.data.reader import image_layout, split_name
from monai_denoiseg.label.segments import prepare_label, segment_names

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
) -> list[Item]:
    """List all images of a study, with the labels annotators submitted.

    MONAI Label itself trains on annotated images only.

    Args:
        datastore: MONAI Label's datastore.
        folder: for labels that have to be rewritten, see :func:`~monai_denoiseg.label.segments.prepare_label`.
        classes: names of semantic classes, background first; empty for instances.
        spatial_dims: images with other axes are left out, with a warning: a study may hold planes and volumes.
        axes: axes of the images, see :class:`~monai_denoiseg.data.FileReader`.

    Returns:
        Items ``{"image": path, "label": path?}`` sorted by image.

    Raises:
        ValueError: for a label that cannot be used; the message names it.
    """
    items = []
    annotated = set(datastore.get_labeled_images())
    for name in sorted(datastore.list_images()):
        image = datastore.get_image_uri(name)
        problem = unsuitable(image, spatial_dims, axes)
        if problem:
            logger.warning("left out: %s", problem)
            continue
        item: Item = {"image": image}
        if name in annotated:
            info = datastore.get_label_info(name, FINAL) or {}
            item["label"] = str(
                prepare_label(
                    datastore.get_label_uri(name, FINAL),
                    image,
                    folder,
                    segments=segment_names(info),
                    classes=classes,
                    spatial_dims=spatial_dims,
                    axes=axes,
                )
            )
        items.append(item)
    return items


def unsuitable(image: str | os.PathLike, spatial_dims: int, axes: str | None = None) -> str:
    """Why a file cannot be an image of this network; empty if it can.

    Args:
        image: file.
        spatial_dims: of the network.
        axes: axes of the image.

    >>> unsuitable("slide.svs", 2)
    'slide.svs: unsupported file format'
    """
    if not split_name(image)[1]:
        return f"{Path(image).name}: unsupported file format"
    try:
        layout = image_layout(image, axes, spatial_dims)
    except (OSError, ValueError) as error:
        return str(error)
    return f"{Path(image).name} holds {layout.frames} images along time; store them in one file each" if layout.frames else ""


def split_study(items: Sequence[Item], val_split: float = 0.2, seed: int = 0) -> tuple[list[Item], list[Item]]:
    """Split a study into images to train and to validate on; only annotated ones validate.

    Args:
        items: from :func:`study_items`.
        val_split: share of the annotated images to hold out, in [0, 1). At least one is from three on; with fewer, all are
            trained on and validated on too, so that scores and thresholds are too good.
        seed: of the draw.

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
        raise ValueError("the study holds no image this network can read; see the warnings above")
    if not labelled:
        raise ValueError(
            "no image of the study is annotated: submit the label of at least one; the model `self2seg` needs none to start with"
        )
    if val_split == 0 or len(labelled) < FEWEST_HELD_OUT:
        return list(items), labelled
    count = min(max(round(val_split * len(labelled)), 1), len(labelled) - 1)
    held_out = {item["image"] for item in random.Random(seed).sample(labelled, count)}
    return [item for item in items if item["image"] not in held_out], [item for item in labelled if item["image"] in held_out]


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
        if path and Path(path).exists():
            return Path(path)
    names = sorted(datastore.list_images())
    listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise LookupError(f"no image {image!r} in the study; it holds {listed or 'none'}")


def served_times(datastore: Any, images: Sequence[str], strategy: str) -> Mapping[str, float]:
    """When each image was last offered to an annotator by a strategy, in seconds.

    Args:
        datastore: MONAI Label's datastore.
        images: ids.
        strategy: its name.
    """
    infos = {name: datastore.get_image_info(name).get("strategy", {}).get(strategy, {}) for name in images}
    return {name: float(info["ts"]) for name, info in infos.items() if info.get("ts")}
