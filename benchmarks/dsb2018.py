"""DSB2018 as in the DenoiSeg paper: patches of 128 x 128 (at most 10 an image), Gaussian noise added once, 85 % for training.

The labelled patches of a run are a shuffle of the training patches with its seed, cut after N. Two protocols:

    paper   the labelled validation patches choose checkpoint and threshold, however few labels are trained on
    honest  the N labels are all there are: a folder with all training patches as images, and N labels
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from compare_data import Folders, link

from monai_denoiseg.transforms import KeepLabels

PATCH = 128
PER_IMAGE = 10
VALIDATION_SHARE = 0.15
PAPER, HONEST = "paper", "honest"
PROTOCOLS = (PAPER, HONEST)


def load(folder: Path, sigma: float, rng: np.random.Generator) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, noisy and clean image and instances of every image; the noise is one fixed realisation."""
    items = []
    for path in sorted((folder / "images").glob("*.tif")):
        clean = tifffile.imread(path).astype(np.float32)
        noisy = clean + rng.normal(0, sigma, clean.shape).astype(np.float32)
        items.append((path.stem, noisy, clean, tifffile.imread(folder / "masks" / path.name)))
    return items


def write(folder: Path, name: str, **parts: np.ndarray) -> None:
    for part, array in parts.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / part / f"{name}.tif", array)


def prepare(data: Path, work: Path, sigma: float, n_validation: int) -> Path:
    """Write training and validation patches and test images in the bundle's layout, once for each noise level.

    Args:
        data: folder with ``dev-train/`` and ``dev-test/``, each with ``images/`` and ``masks/``.
        work: where the folder is written.
        sigma: standard deviation of the noise in grey levels.
        n_validation: validation patches written, at most 15 % of all.

    Returns:
        Folder with ``train/``, ``validation/``, ``test/``; it appears whole or not at all.

    Raises:
        FileNotFoundError: when a part of the data has no image.
    """
    root = work / f"dsb2018_n{sigma:g}_v{n_validation}"
    if (root / "done").exists():
        return root
    for part in ("dev-train", "dev-test"):
        if not any((data / part / "images").glob("*.tif")):
            raise FileNotFoundError(f"--data {data}: no TIFF image in {part}/images")
    shutil.rmtree(root, ignore_errors=True)
    with whole(root) as draft:
        _write_all(data, draft, sigma, n_validation)
    return root


def _write_all(data: Path, root: Path, sigma: float, n_validation: int) -> None:
    noise, cut = np.random.default_rng(123), np.random.default_rng(0)
    patches = []
    for name, noisy, _, masks in load(data / "dev-train", sigma, noise):
        for number in range(PER_IMAGE if min(noisy.shape) >= PATCH else 0):
            y, x = (int(cut.integers(0, n - PATCH + 1)) for n in noisy.shape)
            window = np.s_[y : y + PATCH, x : x + PATCH]
            patches.append((f"{name}_{number}", noisy[window], masks[window]))
    order = np.random.default_rng(42).permutation(len(patches))
    first = round(VALIDATION_SHARE * len(patches))
    for place, index in enumerate(order):
        if place >= first or place < n_validation:
            name, image, label = patches[index]
            write(root / ("train" if place >= first else "validation"), name, images=image, labels=label)
    for name, noisy, clean, masks in load(data / "dev-test", sigma, noise):
        write(root / "test", name, images=noisy, labels=masks, clean=clean)
    (root / "done").touch()


def check_labels(folders: Folders, numbers: Sequence[int | str]) -> None:
    """Refuse to ask for more labels than there are.

    Raises:
        ValueError: naming the number.
    """
    found = len(list((folders.train / "labels").glob("*.tif")))
    for number in numbers:
        if isinstance(number, int) and number > found:
            raise ValueError(f"--labels {number}: there are {found} training patches with a label; 'all' takes them all")


def honest(folders: Folders, labels: int | str | None, seed: int | None) -> Folders:
    """Folders of a run whose labels are all there are: no validation folder, no other label to be read.

    The patches that keep their label are those of ``n_labels`` and the same seed in the paper's protocol.

    Args:
        folders: those of the noise level.
        labels: how many, ``"all"``, or None for a method that looks at none.
        seed: of the draw.

    Returns:
        The training folder, made of links, and the test folder.
    """
    bare = _linked(folders.train.parent / HONEST / "unlabelled", folders.train / "images", [])
    if labels is None:
        return Folders(bare, folders.test)
    images = sorted((folders.train / "images").glob("*.tif"))
    items = [{"image": str(path), "label": str(folders.train / "labels" / path.name)} for path in images]
    if isinstance(labels, int):
        items = KeepLabels(labels, seed=seed or 0)(items)
    drawn = [Path(item["label"]) for item in items if "label" in item]
    return Folders(_linked(bare.parent / f"l{labels}_s{seed}", folders.train / "images", drawn), folders.test)


def unlabelled(train: Path) -> Path:
    """Folder with the images of a training folder of :func:`honest`, and no label: the same for all numbers of labels."""
    return train.parent / "unlabelled"


def _linked(place: Path, images: Path, labels: Sequence[Path]) -> Path:
    if (place / "images").is_dir():  # a link that leads nowhere, as after a move, is made anew
        return place
    shutil.rmtree(place, ignore_errors=True)
    with whole(place) as draft:
        link(images, draft / "images")
        for label in labels:
            link(label, draft / "labels" / label.name)
    return place


@contextmanager
def whole(place: Path) -> Iterator[Path]:
    """Write a folder that appears whole or not at all, also when several runs or sessions want it at the same time."""
    draft = place.with_name(f".{place.name}_{os.getpid()}_{threading.get_ident()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        try:
            draft.rename(place)
        except OSError:
            if not place.is_dir():  # nobody else was first
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
