"""The images of an inference or an evaluation, listed and said."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.bundle.folders import simulation_is_missing
from monai_denoiseg.bundle.found import tell_found, warn_unlabelled
from monai_denoiseg.data import count_labelled
from monai_denoiseg.data.sources import Source, images_datalist, labelled_datalist

Item = dict[str, Any]


def inference_data(
    dataset_dir: Source,
    *,
    pattern: str | None = None,
    images_dir: str = "images",
    section: str | None = None,
    axes: str | None = None,
    spatial_dims: int | None = None,
) -> list[Item]:
    """List the images to infer, and say what was found.

    Args:
        dataset_dir: see :func:`~monai_denoiseg.data.sources.images_datalist`.
        pattern: likewise.
        images_dir: subfolder of the images.
        section: of a data list.
        axes: of the files.
        spatial_dims: of the images.

    Returns:
        See there. Empty where nothing is named, see :func:`~monai_denoiseg.bundle.folders.need_images`.

    Raises:
        FileNotFoundError: when there is no image.
        ValueError: for an unsupported format, or two images of one stem.

    >>> inference_data("missing.tif")
    Traceback (most recent call last):
        ...
    FileNotFoundError: missing.tif does not exist
    """
    if simulation_is_missing(dataset_dir):
        return []
    items = images_datalist(dataset_dir, pattern, images_dir, section, spatial_dims)
    tell_found(items, dataset_dir, "inference", axes=axes, spatial_dims=spatial_dims, images=images_dir)
    return items


def evaluation_data(
    dataset_dir: Source,
    *,
    labels_dir: str = "labels",
    clean_dir: str = "clean",
    pattern: str | None = None,
    images_dir: str = "images",
    section: str | None = None,
    axes: str | None = None,
    spatial_dims: int | None = None,
    segments: bool = True,
) -> list[Item]:
    """List the images to evaluate with, and say what was found.

    Args:
        dataset_dir: see :func:`~monai_denoiseg.data.sources.labelled_datalist`.
        labels_dir: subfolder of the labels.
        clean_dir: subfolder of clean references.
        pattern: only images whose file name matches.
        images_dir: subfolder of the images.
        section: of a data list.
        axes: of the files.
        spatial_dims: of the images.
        segments: whether labels are needed.

    Returns:
        See there. Empty where nothing is named, see :func:`~monai_denoiseg.bundle.folders.need_images`.

    Raises:
        FileNotFoundError: when there is no image.
        ValueError: whatever is wrong with the files.

    >>> evaluation_data("missing")
    Traceback (most recent call last):
        ...
    FileNotFoundError: missing does not exist
    """
    if simulation_is_missing(dataset_dir):
        return []
    options: dict[str, Any] = {"labels": labels_dir, "clean": clean_dir, "images": images_dir}
    options |= {"axes": axes, "spatial_dims": spatial_dims}
    items = labelled_datalist(dataset_dir, section=section, pattern=pattern, **options)
    tell_found(items, dataset_dir, "evaluation", axes=axes, spatial_dims=spatial_dims, images=images_dir)
    if segments and not count_labelled(items):
        warn_unlabelled(dataset_dir, labels_dir)
    return items
