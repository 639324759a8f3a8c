"""The images of a comparison: a training and a test folder for each noise level."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_denoiseg.data import LoadItemd, SavePredictiond, folder_datalist, split_datalist, split_name
from monai_denoiseg.files.record import FOLDER

NOISE_SEED, SPLIT_SEED = 123, 42
SUBFOLDERS = {"image": "images", "label": "labels", "clean": "clean"}

Item = dict[str, Any]


class Folders(NamedTuple):
    """Folders with ``images/``, ``labels/`` and ``clean/``; without one for validation a part of the training folder serves."""

    train: Path
    test: Path
    validation: Path | None = None


def prepare_folders(
    data: Path,
    test: Path | None,
    output: Path,
    noise: float | None = None,
    *,
    test_fraction: float = 0.3,
    axes: str | None = None,
    spatial_dims: int = 2,
    target: str | None = None,
) -> Folders:
    """Split off test images where there are none, and add noise where that is wanted.

    Nothing is copied where the folders can be used as they are; a split is made of links.

    Args:
        data: the user's folder.
        test: a second one, or None: a fixed part of the labelled images of ``data``, by file.
        output: folder for what is written.
        noise: standard deviation in grey levels of Gaussian noise added once; the image before is the clean reference.
            None: the images are noisy already.
        test_fraction: that part, in (0, 1).
        axes: axes of the images, as in the bundle.
        spatial_dims: 2 or 3.
        target: subfolder with the second image of each scene (Noise2Noise), or clean targets.

    Raises:
        FileNotFoundError: for a missing or empty folder.
        ValueError: when there are fewer than two labelled images to split, or noise is to be added to a time series.
    """
    options: dict[str, Any] = {"axes": axes, "spatial_dims": spatial_dims}
    target = target or ("second" if (data / "second").is_dir() else None)
    items = folder_datalist(data, target=target, **options)
    if test is None:
        training, testing = split(items, test_fraction)
    else:
        training, testing = items, folder_datalist(test, **options)
    if noise is None and test is not None:
        return Folders(data, test)
    root = output / ("raw" if noise is None else f"n{noise:g}")
    for part, chosen in (("train", training), ("test", testing)):
        shutil.rmtree(root / part, ignore_errors=True)
        if noise is None:
            link_items(chosen, root / part, target)
        else:
            add_noise(chosen, root / part, noise, **options)
    return Folders(root / "train", root / "test")


def split(items: Sequence[Item], test_fraction: float) -> tuple[list[Item], list[Item]]:
    """Set a fixed part of the labelled files aside for the test; all unlabelled ones are for training."""
    labelled = [item for item in items if "label" in item]
    training, testing = split_datalist(labelled, test_fraction, SPLIT_SEED)
    if not training or not testing:
        n = len({item["image"] for item in labelled})
        raise ValueError(f"{n} labelled image(s) cannot be split into training and test: label more, or pass --test FOLDER")
    names = [Path(name).name for name in dict.fromkeys(item["image"] for item in testing)]
    print(f"test images, {len(names)} of the labelled ones in --data:", ", ".join(names), flush=True)
    return training + [item for item in items if "label" not in item], testing


def link_items(items: Sequence[Item], folder: Path, target: str | None = None) -> None:
    """Link the files of a data list into a folder of the usual layout."""
    for key, name in {**SUBFOLDERS, "target": target or "second"}.items():
        for path in dict.fromkeys(item[key] for item in items if key in item):
            link(Path(path), folder / name / Path(path).name)


def link(source: Path, place: Path) -> None:
    """Link a file or a Zarr folder, or copy it where the system allows no links."""
    if place.is_symlink() or place.exists():  # the clean folder serves as target too
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(source.resolve())
    except OSError:
        shutil.copytree(source, place) if source.is_dir() else shutil.copy2(source, place)


def add_noise(items: Sequence[Item], folder: Path, noise: float, axes: str | None = None, spatial_dims: int = 2) -> None:
    """Write noisy images, their clean references and a second noisy image of each; the draw depends on the file's name only."""
    tag = f"n{noise:g}"
    load = LoadItemd(axes=axes, spatial_dims=spatial_dims)
    parts = ("images", "clean", "second")
    save = {part: SavePredictiond(folder / part, {part: tag}, image_key="meta", label_keys=()) for part in parts}
    for item in items:
        if "frame" in item:
            raise ValueError(f"--noise cannot be added to the time series {item['image']}: save its frames as single files")
        image = load({"image": item["image"]})["image"]
        stem = split_name(item["image"])[0]
        rng = np.random.default_rng([NOISE_SEED, zlib.crc32(stem.encode())])
        clean = image.as_tensor()
        first, second = (clean + torch.as_tensor(draw) for draw in rng.normal(0, noise, (2, *clean.shape)).astype(np.float32))
        for part, array in zip(parts, (first, clean, second), strict=True):
            save[part]({part: array, "meta": image})
        if "label" in item:
            link(Path(item["label"]), folder / "labels" / f"{stem}_{tag}{split_name(item['label'])[1]}")
    for part in parts:  # these are images from now on: what is recorded as a result is not read as an image
        shutil.rmtree(folder / part / FOLDER, ignore_errors=True)
