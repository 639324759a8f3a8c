"""Data lists: which files belong together, which go to validation."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from monai_denoiseg.checks import check_range
from monai_denoiseg.data.reader import SUPPORTED_SUFFIXES, image_shape, split_name

Item = dict[str, str]


def folder_datalist(
    dataset_dir: str | os.PathLike, images: str = "images", labels: str = "labels", clean: str = "clean", axes: str | None = None
) -> list[Item]:
    """List the images of a folder with the labels and clean references that exist, paired by file stem.

    An image without a label file is unlabelled: its item has no ``"label"``. Hidden files and files of other
    formats are passed over.

    Args:
        dataset_dir: folder with the subfolders below; without a subfolder ``images`` its own image files are taken.
        images: subfolder of the images.
        labels: subfolder of the instance labels; may be missing, and may be called ``masks``.
        clean: subfolder of clean references; may be missing.
        axes: axes of TIFF images, see :class:`TiffReader`.

    Returns:
        Items ``{"image": path, "label": path?, "clean": path?}`` sorted by stem.

    Raises:
        FileNotFoundError: when the folder is missing or holds no image.
        ValueError: for two images or labels of one stem, a label without image, or shapes that do not match.

    >>> import tempfile, tifffile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/a", "images/b", "labels/b"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         tifffile.imwrite(f"{folder}/{name}.tif", np.zeros((8, 8), np.uint8))
    ...     [sorted(item) for item in folder_datalist(folder)]
    [['image'], ['image', 'label']]
    """
    root = _existing_folder(dataset_dir)
    images_dir = root / images if (root / images).is_dir() else root
    labels_dir = root / labels
    if labels == "labels" and not labels_dir.is_dir():
        labels_dir = root / "masks"
    for name, default in ((labels, "labels"), (clean, "clean")):
        if name != default:
            _existing_folder(root / name)  # a folder that was asked for by name must be there
    image_files = _files_by_stem(images_dir)
    if not image_files:
        raise FileNotFoundError(_nothing_found(images_dir))
    items: dict[str, Item] = {stem: {"image": str(path)} for stem, path in image_files.items()}
    for key, folder in (("label", labels_dir), ("clean", root / clean)):
        for stem, path in (_files_by_stem(folder) if folder.is_dir() else {}).items():
            if stem not in items:
                raise ValueError(f"{key} {path} has no image: there is no {stem!r} in {images_dir} (files are paired by stem)")
            items[stem][key] = str(path)
    for item in items.values():
        _check_shapes(item, axes)
    return [items[stem] for stem in sorted(items)]


def _check_shapes(item: Item, axes: str | None) -> None:
    others = [key for key in ("label", "clean") if key in item]
    if not others:
        return
    shape = image_shape(item["image"], axes)
    spatial_axes = None if axes is None else axes.upper().translate({ord("C"): None, ord("S"): None})
    for key in others:
        other = image_shape(item[key], spatial_axes if key == "label" else axes)
        if other != shape:
            raise ValueError(f"{key} {item[key]} has shape {other}, but image {item['image']} has {shape}")


def inference_datalist(path: str | os.PathLike, pattern: str | None = None) -> list[Item]:
    """List the images to infer: a single file, or those of a folder (of its subfolder ``images`` where there is one).

    Args:
        path: file or folder.
        pattern: only files whose name matches, for instance ``"*_raw.tif"``.

    Returns:
        Items ``{"image": path}`` sorted by stem.

    Raises:
        FileNotFoundError: when there is no such file or folder, or no image in it.
        ValueError: for an unsupported file format, or two files of one stem (their results would overwrite each other).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a_raw.tif", "b_raw.tif", "b_mask.tif", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [Path(item["image"]).name for item in inference_datalist(folder, "*_raw.*")]
    ['a_raw.tif', 'b_raw.tif']
    """
    source = Path(path)
    if source.is_file():
        if not split_name(source)[1]:
            raise ValueError(f"{source}: unsupported file format; supported are {', '.join(sorted(SUPPORTED_SUFFIXES))}")
        return [{"image": str(source)}]
    folder = _existing_folder(source)
    folder = folder / "images" if (folder / "images").is_dir() else folder
    files = _files_by_stem(folder, pattern)
    if not files:
        raise FileNotFoundError(_nothing_found(folder, pattern))
    return [{"image": str(files[stem])} for stem in sorted(files)]


def split_datalist(items: Sequence[Item], validation_fraction: float = 0.15, seed: int = 0) -> tuple[list[Item], list[Item]]:
    """Split a data list by image into training and validation part.

    Labelled and unlabelled items are spread over both parts in proportion. Each part gets a labelled item if there are two; a
    single one goes to training. The split depends on the file names and the seed, not on the order of the list.

    Args:
        items: items with key ``"image"``, and ``"label"`` where labelled.
        validation_fraction: share of the validation part, in [0, 1).
        seed: seed of the draw.

    Returns:
        ``(training, validation)``, each sorted by image; validation is empty for one item or fraction 0.

    Raises:
        ValueError: for a fraction outside [0, 1).

    >>> items = [{"image": f"{i}.tif", **({"label": f"{i}.tif"} if i < 4 else {})} for i in range(10)]
    >>> train, validation = split_datalist(items, 0.3)
    >>> len(train), len(validation), count_labelled(train), count_labelled(validation)
    (7, 3, 3, 1)
    """
    check_range("validation_fraction", validation_fraction, 0, 1, open_high=True)
    ordered = sorted(items, key=lambda item: str(item["image"]))
    draw = random.Random(seed)
    labelled = [i for i, item in enumerate(ordered) if "label" in item]
    unlabelled = [i for i, item in enumerate(ordered) if "label" not in item]
    draw.shuffle(labelled)
    draw.shuffle(unlabelled)
    n_labelled = n_unlabelled = 0
    if validation_fraction > 0:
        if len(labelled) > 1:
            n_labelled = min(max(round(validation_fraction * len(labelled)), 1), len(labelled) - 1)
        n_unlabelled = math.floor(validation_fraction * len(unlabelled) + 0.5)
        if n_labelled + n_unlabelled == 0 and len(ordered) > 1:
            n_unlabelled = 1
        n_unlabelled = min(n_unlabelled, len(unlabelled) - (not labelled))
    chosen = {*labelled[:n_labelled], *unlabelled[: max(n_unlabelled, 0)]}
    return [ordered[i] for i in range(len(ordered)) if i not in chosen], [ordered[i] for i in sorted(chosen)]


def count_labelled(items: Iterable[Item]) -> int:
    """Count the items with a label.

    Args:
        items: items of a data list.

    >>> count_labelled([{"image": "a.tif"}, {"image": "b.tif", "label": "c.tif"}])
    1
    """
    return sum("label" in item for item in items)


def _existing_folder(path: str | os.PathLike) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"{folder} {what}")
    return folder


def _files_by_stem(folder: Path, pattern: str | None = None) -> dict[str, Path]:
    """Return the supported files of a folder by stem; two of one stem are an error."""
    files: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern or "*")):
        stem, suffix = split_name(path)
        if path.name.startswith(".") or not suffix or not path.is_file():
            continue
        if stem in files:
            raise ValueError(f"{files[stem]} and {path} have the same stem {stem!r}: keep one, or rename it")
        files[stem] = path
    return files


def _nothing_found(folder: Path, pattern: str | None = None) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    held = f"it holds {', '.join(names[:5])}{', ...' * (len(names) > 5)}" if names else "it is empty"
    matching = f" matching {pattern!r}" if pattern else ""
    return f"no image{matching} in {folder} ({held}); supported are {', '.join(sorted(SUPPORTED_SUFFIXES))}"
