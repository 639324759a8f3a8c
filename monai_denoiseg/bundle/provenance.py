"""What a model file tells of its training: settings, versions, and which images it has seen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from monai_denoiseg.bundle.datalists import count_data
from monai_denoiseg.bundle.domain import describe_images
from monai_denoiseg.bundle.target import network_spacing
from monai_denoiseg.data.digest import content_digest, pixel_digest
from monai_denoiseg.data.volume_files import stored_directions
from monai_denoiseg.handlers import versions
from monai_denoiseg.processes import unwrap

logger = logging.getLogger(__name__)

Item = Mapping[str, Any]
Load = Callable[[Any], Item]

MOST_IMAGES = 3000
"""Images whose digests are kept: those of more would make the file of a small network mostly digests."""
OF_A_PLACE = ("_dir", "_file", "_root")
"""Ends of settings that name folders and files: these may be names of patients."""
OF_A_START = ("resume", "existing")
"""Settings that say how a run began: one that was stopped and went on ends with the same file."""
_LOOKED_AT = 50


def describe_training(
    network: nn.Module,
    settings: Mapping[str, Any],
    training: Any,
    validation: Sequence[Item],
    window: Sequence[int],
    load: Load | None = None,
) -> dict[str, Any]:
    """Write into a network what its file will tell of its training.

    Args:
        network: the network that is saved (a distributed wrapper is taken off).
        settings: plain settings of the run.
        training: data set of the loaded training images; its ``data`` lists them by file.
        validation: data list, by file.
        window: their usual spatial shape, see :func:`~monai_denoiseg.bundle.usual_size`.
        load: see :func:`fingerprint`.

    Returns:
        ``versions``, ``settings`` (without folders and files), ``spacing`` (that of what is segmented; None if no file tells),
        ``intensity`` (see :func:`intensity_range`), ``directions`` (see :func:`directions_of`) and ``data`` (see
        :func:`fingerprint`).

    >>> from monai.data import Dataset
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> loaded = {"image": torch.rand(1, 8, 8), "spacing": torch.full((2,), torch.nan)}
    >>> training = Dataset([{"image": "a.tif"}], lambda item: loaded)
    >>> network = DenoiSegNet(2, depth=1, features=4)
    >>> found = describe_training(network, {"alpha": 0.5}, training, [], (8, 8))
    >>> found["settings"], network.training_info["data"]["train"]
    ({'alpha': 0.5}, 1)
    """
    found: dict[str, Any] = {
        "versions": versions(),
        "settings": {key: value for key, value in settings.items() if not key.endswith(OF_A_PLACE) and key not in OF_A_START},
        "spacing": network_spacing(settings.get("target_spacing"), training, settings.get("spacing")),
        "intensity": intensity_range(training),
        "directions": directions_of(training.data),
        "data": fingerprint(training.data, validation, load),
    }
    own = unwrap(network)
    own.training_info = found
    if not getattr(own, "flips", True) and len(found["directions"]) > 1:
        logger.warning(
            "the scans are stored in several directions (%s), and the network is trained in one orientation: reorient them "
            "first, for instance with nibabel.as_closest_canonical, or train with --orientations turns",
            ", ".join(found["directions"]),
        )
    describe_images(getattr(own, "segmenter", own), training, window)
    return found


def directions_of(items: Sequence[Item]) -> list[str]:
    """Where the axes of the images point as stored, each way once: what a network that tells left from right was shown.

    Args:
        items: data list; up to 50 files, spread evenly, are looked at, and NIfTI, DICOM, NRRD and MetaImage tell.

    >>> directions_of([{"image": "a.tif"}])
    []
    """
    chosen = sorted({round(i) for i in np.linspace(0, len(items) - 1, min(_LOOKED_AT, len(items)))})
    return sorted({found for found in (stored_directions(items[i]["image"]) for i in chosen) if found})


def fingerprint(training: Sequence[Item], validation: Sequence[Item], load: Load | None = None) -> dict[str, Any]:
    """Say on which images a network was trained, and which chose its checkpoint and threshold.

    Args:
        training: data list, by file.
        validation: data list, by file.
        load: reads an item, as :class:`~monai_denoiseg.data.LoadItemd` does; without it files are told by their bytes, and one
            that is stored anew is another.

    Returns:
        The counts of :func:`~monai_denoiseg.bundle.count_data`, and digests of the images by role: ``trained`` (labelled
        training images) and ``validated``.

    >>> fingerprint([{"image": "a.tif"}], [])
    {'train': 1, 'train_labelled': 0, 'validation': 0, 'validation_labelled': 0, 'trained': [], 'validated': []}
    """
    roles = {"trained": [item for item in training if "label" in item], "validated": list(validation)}
    kept = {role: sorted({one for item in items[:MOST_IMAGES] for one in _digests(item, load)}) for role, items in roles.items()}
    if max(map(len, roles.values())) > MOST_IMAGES:
        logger.warning("the model file keeps the digests of %d images a role; there are more", MOST_IMAGES)
    return count_data(training, validation) | kept


def _digests(item: Item, load: Load | None) -> list[str]:
    """Of the file, and of the pixels, which a copy that is stored otherwise shares; neither depends on how the other is read."""
    found = [] if "frame" in item else [content_digest(item["image"])]
    if load is not None:
        found.append(pixel_digest(load({key: item[key] for key in ("image", "frame", "frames") if key in item})["image"]))
    return found


def intensity_range(dataset: Any, key: str = "image") -> dict[str, list[float]]:
    """Measure the intensities of a data set, to tell an image that is far from them.

    Args:
        dataset: items with an image ``(C, [D,] H, W)``; up to 50, spread over the data set, are looked at.
        key: of the image.

    Returns:
        For each channel ``low`` and ``high`` (the 0.1 and 99.9 percentiles, medians over the images), ``minimum`` and
        ``maximum``; nothing without images.

    >>> intensity_range([{"image": torch.arange(1001.0).reshape(1, 1, 1001)}])
    {'low': [1.0], 'high': [999.0], 'minimum': [0.0], 'maximum': [1000.0]}
    """
    rows = []
    for index in sorted({round(i) for i in np.linspace(0, len(dataset) - 1, min(_LOOKED_AT, len(dataset)))}):
        values = np.asarray(torch.as_tensor(dataset[index][key]).float().flatten(1).cpu())
        rows.append(np.concatenate([np.percentile(values, [0.1, 99.9], axis=1), [values.min(1), values.max(1)]]))
    if not rows:
        return {}
    table = np.stack(rows)  # (images, 4, channels)
    figures = (np.median(table[:, 0], 0), np.median(table[:, 1], 0), table[:, 2].min(0), table[:, 3].max(0))
    names = ("low", "high", "minimum", "maximum")
    return {name: [float(f"{v:.6g}") for v in row] for name, row in zip(names, figures, strict=True)}
