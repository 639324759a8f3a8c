"""Data lists: which files belong together, which go to validation."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.data.arrays import ZARR_SUFFIXES
from monai_denoiseg.data.axes import expected_axes, shape_mismatch, without_channel
from monai_denoiseg.data.ngff import image_paths, is_zarr
from monai_denoiseg.data.reader import SUPPORTED_SUFFIXES, conversion, image_layout, split_name
from monai_denoiseg.files import result_names

logger = logging.getLogger(__name__)

Item = dict[str, Any]

RESULT_ENDS = ("_denoised", "_instances", "_classes", "_probabilities", "_mask")


def folder_datalist(
    dataset_dir: str | os.PathLike,
    images: str = "images",
    labels: str = "labels",
    clean: str = "clean",
    axes: str | None = None,
    spatial_dims: int | None = None,
    target: str | None = None,
) -> list[Item]:
    """List the images of a folder with the labels and clean references that exist, paired by file stem.

    An image without a label file is unlabelled: its item has no ``"label"``. Hidden files, files of other formats, and results
    of this package that lie among the images are passed over; a warning names links that lead nowhere and folders called
    like images.
    A file of several images along time becomes as many items, with ``"frame": i``; its label and clean reference have the same
    frames (one that is not annotated holds the ignore value everywhere).

    Args:
        dataset_dir: folder with the subfolders below; without a subfolder ``images`` its own image files are taken.
        images: subfolder of the images.
        labels: subfolder of the labels; may be missing, and may be called ``masks``.
        clean: subfolder of clean references; may be missing.
        axes: axes of TIFF and other images, see :class:`FileReader`.
        spatial_dims: spatial axes of an image, 2 or 3; what other axes mean follows from it, see
            :func:`~monai_denoiseg.data.axes.arrange`. ``None``: what the files suggest, and none holds several images.
        target: subfolder of the images a denoiser is to give back (clean, or a second noisy one of the same scene); every image
            needs one. ``None``: no targets.

    Returns:
        Items ``{"image": path, "label": path?, "clean": path?, "target": path?, "frame": int?}`` sorted by stem and frame.

    Raises:
        FileNotFoundError: when the folder is missing or holds no image.
        ValueError: for two images or labels of one stem, a label without image, axes that do not say enough, or shapes or
            numbers of frames that do not match.

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
    for name, default in ((labels, "labels"), (clean, "clean"), (target, None)):
        if name != default and name is not None:
            _existing_folder(root / name)  # a folder that was asked for by name must be there
    image_files = _images_by_stem(images_dir)
    items: dict[str, Item] = {stem: {"image": str(path)} for stem, path in image_files.items()}
    folders = {"label": labels_dir, "clean": root / clean} | ({"target": root / target} if target else {})
    for key, folder in folders.items():
        written = result_names(folder) if folder.is_dir() else set()
        for stem, path in (_files_by_stem(folder) if folder.is_dir() else {}).items():
            if stem not in items and path.name in written:
                continue  # results of an inference that was sent here
            if stem not in items:
                raise ValueError(f"{key} {path} has no image: there is no {stem!r} in {images_dir} (files are paired by stem)")
            items[stem][key] = str(path)
    lacking = [item["image"] for item in items.values() if target and "target" not in item]
    if lacking:
        raise ValueError(
            f"{len(lacking)} images have no target in {root / str(target)}, the first is {lacking[0]} (files are paired by stem)"
        )
    return [item for stem in sorted(items) for item in _one_for_each_frame(items[stem], axes, spatial_dims)]


def _one_for_each_frame(item: Item, axes: str | None, spatial_dims: int | None) -> list[Item]:
    """Check that the files of an item fit, and make an item of each of their frames."""
    others = [key for key in ("label", "clean", "target") if key in item]
    if not others and spatial_dims is None:
        return [item]
    layout = image_layout(item["image"], axes, spatial_dims)
    expected = expected_axes(spatial_dims, layout.frames > 0)
    for key in others:
        if key == "label":
            other = image_layout(item[key], without_channel(axes), spatial_dims, expected)
        else:
            other = image_layout(item[key], axes, spatial_dims, expected if layout.frames else None)
        if other.shape != layout.shape:
            raise ValueError(shape_mismatch(key, item[key], other.shape, item["image"], layout.shape))
        if other.frames != layout.frames:
            raise ValueError(
                f"{key} {item[key]} holds {_images(other.frames)}, but image {item['image']} holds {_images(layout.frames)}; "
                "they need the same frames (a label marks a frame that is not annotated by the ignore value everywhere)"
            )
    return [{**item, "frame": i} for i in range(layout.frames)] if layout.frames else [item]


def _images(frames: int) -> str:
    return f"{frames} frames" if frames else "one image without frames"


def inference_datalist(path: str | os.PathLike | Sequence[str | os.PathLike], pattern: str | None = None) -> list[Item]:
    """List the images to infer: a single file, those of a folder (of its subfolder ``images`` where there is one), or of several.

    A file of several images along time stays one item. A link that leads nowhere is listed, so that it is reported as a failed
    image; a warning names folders called like images. Of a folder, results that this package wrote are passed over and named
    once; a pattern that only results match means them.

    Args:
        path: file, Zarr folder, or folder of such; or a list of them.
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
    if not isinstance(path, (str, os.PathLike)):
        return _different_stems([item for one in path for item in inference_datalist(one, pattern)])
    source = Path(path)
    if source.is_file():
        return [_single_item(source)]
    if _is_zarr(source):
        return [_single_item(image) for image in _images_within(source)]
    folder = _existing_folder(source)
    folder = folder / "images" if (folder / "images").is_dir() else folder
    files = _images_by_stem(folder, pattern, links=True)
    return [{"image": str(files[stem])} for stem in sorted(files)]


def _single_item(path: Path) -> Item:
    if not split_name(path)[1]:
        listed = ", ".join(sorted(SUPPORTED_SUFFIXES))
        raise ValueError(f"{path}: unsupported file format; supported are {listed}{conversion(path)}")
    return {"image": str(path)}


def _different_stems(items: list[Item]) -> list[Item]:
    """Refuse two images of one stem in a list of several places."""
    seen: dict[str, str] = {}
    for item in items:
        stem = split_name(item["image"])[0]
        if stem in seen:
            raise ValueError(f"{seen[stem]} and {item['image']} have the same stem {stem!r}: keep one, or rename it")
        seen[stem] = item["image"]
    return items


def _existing_folder(path: str | os.PathLike) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"{folder} {what}")
    return folder


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and (path.name.lower().endswith(ZARR_SUFFIXES) or (bool(split_name(path)[1]) and is_zarr(path)))


def _images_by_stem(folder: Path, pattern: str | None = None, links: bool = False) -> dict[str, Path]:
    """The images of a folder by stem, without the results of this package that lie among them."""
    files = _supported_files(folder, pattern, links)
    written = result_names(folder)
    results = [path for path in files if path.name in written]
    images = [path for path in files if path.name not in written]
    if results and not images and pattern:
        images = results  # a pattern that only results match means them
    elif results:
        names = _first_names(results)
        if not images:
            way = f'to process them, name them by a pattern such as --pattern "*{results[0].name[-14:]}"'
            raise FileNotFoundError(f"no image in {folder}: all of its {len(results)} files are results ({names}); {way}")
        logger.info("%s: %d results of earlier runs are no images and are passed over: %s", folder, len(results), names)
    if not images:
        raise FileNotFoundError(_nothing_found(folder, pattern))
    found: dict[str, Path] = {}
    for path in images:
        _add(found, path)
    if pattern is None:
        _warn_of_likely_results(folder, found)
    return found


def _warn_of_likely_results(folder: Path, images: dict[str, Path]) -> None:
    """A copy of a folder may have lost the record of what is a result: names tell, but not for certain."""
    likely = [path for stem, path in images.items() for end in RESULT_ENDS if stem.endswith(end) and stem[: -len(end)] in images]
    if likely:
        logger.warning(
            "%s: %d files are taken as images, but have names of results (%s): if they are, move them, or choose the images with "
            "--pattern",
            folder,
            len(likely),
            _first_names(likely),
        )


def _files_by_stem(folder: Path) -> dict[str, Path]:
    """Return the supported files of a folder by stem; two of one stem are an error."""
    files: dict[str, Path] = {}
    for path in _supported_files(folder):
        _add(files, path)
    return files


def _add(files: dict[str, Path], path: Path) -> None:
    stem = split_name(path)[0]
    if stem in files:
        raise ValueError(f"{files[stem]} and {path} have the same stem {stem!r}: keep one, or rename it")
    files[stem] = path


def _supported_files(folder: Path, pattern: str | None = None, links: bool = False) -> list[Path]:
    """The files of supported formats, sorted; with ``links`` also links that lead nowhere. A warning names what else there is."""
    next(folder.iterdir(), None)  # a folder that may not be read is an error; a pattern would find nothing there
    files, unusable = [], []
    for path in sorted(folder.glob(pattern or "*")):
        if path.name.startswith(".") or not split_name(path)[1]:
            continue
        if path.is_file() or (links and path.is_symlink() and not path.exists()):
            files.append(path)
        elif _is_zarr(path):
            files += _images_within(path)
        elif path.is_symlink():
            unusable.append(f"{path.name} (a link that leads nowhere)")
        else:
            unusable.append(f"{path.name} (a folder)" if path.is_dir() else f"{path.name} (no file)")
    if unusable:
        logger.warning("%s: passed over: %s", folder, _first_names(unusable))
    return files


def _images_within(path: Path) -> list[Path]:
    """The images of a Zarr folder; what is wrong with it is said when its turn comes."""
    try:
        return image_paths(path)
    except Exception:
        return [path]


def _first_names(names: Sequence[Any], most: int = 5) -> str:
    shown = [name.name if isinstance(name, Path) else str(name) for name in names[:most]]
    return ", ".join(shown) + (f", and {len(names) - most} more" if len(names) > most else "")


def _nothing_found(folder: Path, pattern: str | None = None) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    held = f"it holds {', '.join(names[:5])}{', ...' * (len(names) > 5)}" if names else "it is empty"
    matching = f" matching {pattern!r}" if pattern else ""
    return f"no image{matching} in {folder} ({held}); supported are {', '.join(sorted(SUPPORTED_SUFFIXES))}"
