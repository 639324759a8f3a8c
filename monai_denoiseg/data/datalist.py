"""Data lists: which files belong together."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.data.axes import AS_LABELMAP, expected_axes, shape_mismatch, without_channel
from monai_denoiseg.data.dicom import whole_series
from monai_denoiseg.data.folder_files import (
    existing_folder,
    first_names,
    images_within,
    is_image_folder,
    is_there,
    named_files,
    same_text,
    stem_of,
    subfolder,
)
from monai_denoiseg.data.folder_images import add_file, different_stems, images_by_stem, single_item, warn_of_others
from monai_denoiseg.data.foreign import holds_objects, partner, refuse_channels
from monai_denoiseg.data.reader import image_layout, split_name
from monai_denoiseg.files import result_names

logger = logging.getLogger(__name__)

Item = dict[str, Any]

LABELS = ("labels", "masks")


def folder_datalist(
    dataset_dir: str | os.PathLike,
    images: str = "images",
    labels: str = "labels",
    clean: str = "clean",
    axes: str | None = None,
    spatial_dims: int | None = None,
    target: str | None = None,
    pattern: str | None = None,
    only: Collection[Path] | None = None,
) -> list[Item]:
    """List the images of a folder with the labels and clean references that exist, paired by file stem.

    An image without a label file is unlabelled: its item has no ``"label"``. Hidden files, files of other formats, results
    of this package and files of Cellpose that lie among the images are passed over; a warning names links that lead nowhere and
    folders called like images. Subfolders are found in whatever case they are written, and those of nnU-Net (``imagesTr``,
    ``labelsTr``) too. A label may be called like its image with an end that other programs add (``_cp_masks``, ``_mask``,
    ...), or lack the channel that nnU-Net adds to the image (``_0000``).
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
        pattern: only images whose file name matches, for instance ``"*_raw.tif"``.
        only: only these images.

    Returns:
        Items ``{"image": path, "label": path?, "clean": path?, "target": path?, "frame": int?}`` sorted by stem and frame.

    Raises:
        FileNotFoundError: when the folder is missing or holds no image, or a label is a link that leads nowhere.
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
    root = existing_folder(dataset_dir)
    images_dir, labels_dir = data_folders(root, images, labels)
    image_files = images_by_stem(images_dir, pattern, only=only)
    refuse_channels(images_dir, image_files)
    items: dict[str, Item] = {stem: {"image": str(path)} for stem, path in image_files.items()}
    passed_over = {stem_of(path) for part in named_files(images_dir) for path in part} - items.keys()
    folders = {
        "label": labels_dir,
        "clean": _asked_for(root, clean, "clean"),
        "target": None if target is None else _asked_for(root, target),
    }
    for key, folder in folders.items():
        for stem, path in (_partners(folder, key, items, passed_over, images_dir) if folder is not None else {}).items():
            items[stem][key] = str(path)
    lacking = [item["image"] for item in items.values() if target and "target" not in item]
    if lacking:
        raise ValueError(
            f"{len(lacking)} images have no target in {root / str(target)}, the first is {lacking[0]} (files are paired by stem)"
        )
    return [item for stem in sorted(items) for item in one_for_each_frame(items[stem], axes, spatial_dims)]


def data_folders(root: Path, images: str = "images", labels: str = "labels") -> tuple[Path, Path | None]:
    """Find the folders of images and of labels.

    Args:
        root: the data folder.
        images: name of the first; the root itself where there is none.
        labels: name of the second.

    Returns:
        Both; no second one where there is none.

    Raises:
        FileNotFoundError: when one that was asked for by name is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("imagesTr", "labelsTr"):
    ...         Path(folder, name).mkdir()
    ...     [path.name for path in data_folders(Path(folder))]
    ['imagesTr', 'labelsTr']
    """
    images_dir = _asked_for(root, images, "images")
    if images_dir is None and labels == "labels" and (images_dir := subfolder(root, ("imagesTr",))) is not None:
        return images_dir, subfolder(root, ("labelsTr", *LABELS))
    labels_dir = subfolder(root, LABELS) if labels == "labels" else _asked_for(root, labels)
    return images_dir or root, labels_dir


def _asked_for(root: Path, name: str, default: str | None = None) -> Path | None:
    """A subfolder; one that was asked for by name must be there."""
    found = subfolder(root, (name,))
    return existing_folder(root / name) if found is None and name != default else found


def _partners(folder: Path, key: str, images: Collection[str], passed_over: Collection[str], images_dir: Path) -> dict[str, Path]:
    """Files of a folder by the stem of their image; those of images that are passed over are left out."""
    files, others = named_files(folder)
    written = result_names(folder)
    found: dict[str, Path] = {}
    objects = [path for path in files if holds_objects(path)]
    if objects:
        way = "Python objects, as Cellpose writes them: save its masks as PNG or TIFF"
        logger.warning("%s: passed over: %s (%s)", folder, first_names(objects), way)
    for path in files:
        stem = partner(stem_of(path), images, path) if key == "label" else stem_of(path)
        if path in objects or (stem not in images and (path.name in written or stem_of(path) in passed_over)):
            continue  # also results of an inference that was sent here
        if stem is None or stem not in images:
            what = f"there is no {stem_of(path).removesuffix('.seg')!r} in {images_dir}"
            slicer = f"; name it like its image, or {AS_LABELMAP}" if stem_of(path).endswith(".seg") else ""
            raise ValueError(f"{key} {path} has no image: {what} (files are paired by stem){slicer}")
        add_file(found, path, stem)
    _refuse_broken(folder, key, [path for path in others if partner(stem_of(path), images, path) in images and path.is_symlink()])
    warn_of_others(folder, others)
    _warn_of_formats(folder, images)
    return found


def _refuse_broken(folder: Path, key: str, links: Sequence[Path]) -> None:
    """An image whose label cannot be reached is not unlabelled."""
    broken = [path for path in links if not is_there(path)]
    if broken:
        more = f", and so are {len(broken) - 1} more in {folder}" if len(broken) > 1 else ""
        raise FileNotFoundError(
            f"{key} {broken[0]} is a link that leads nowhere ({broken[0].readlink()}){more}: mount what is linked to, or "
            "remove the links of images that are not annotated"
        )


def _warn_of_formats(folder: Path, images: Collection[str]) -> None:
    """A file of another format that is called like an image may be meant for its label."""
    wrong = [
        path
        for path in sorted(folder.iterdir())
        if not split_name(path)[1] and not path.name.startswith(".") and same_text(path.stem) in images and path.is_file()
    ]
    if wrong:
        logger.warning("%s: passed over, as the format cannot be read: %s", folder, first_names(wrong))


def one_for_each_frame(item: Item, axes: str | None, spatial_dims: int | None) -> list[Item]:
    """Check that the files of an item fit, and make an item of each of their frames.

    Args:
        item: entry of a data list.
        axes: see :func:`folder_datalist`.
        spatial_dims: likewise.

    Raises:
        ValueError: for shapes or numbers of frames that do not match.
    """
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


def inference_datalist(
    path: str | os.PathLike | Sequence[str | os.PathLike],
    pattern: str | None = None,
    images: str = "images",
    spatial_dims: int | None = None,
) -> list[Item]:
    """List the images to infer: a single file, those of a folder (of its subfolder ``images`` where there is one), or of several.

    A file of several images along time stays one item. A link that leads nowhere is listed, so that it is reported as a failed
    image; a warning names folders called like images. Of a folder, results that this package wrote are passed over and named
    once; a pattern that only results match means them.

    Args:
        path: file, Zarr folder, or folder of such; or a list of them.
        pattern: only files whose name matches, for instance ``"*_raw.tif"``.
        images: subfolder of the images; without it the folder's own image files are taken.
        spatial_dims: of the images; for 3 a file of a DICOM series is its folder, if that holds no other series.

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
        return different_stems([item for one in path for item in inference_datalist(one, pattern, images, spatial_dims)])
    source = Path(path)
    if source.is_file() or is_image_folder(source):
        return [single_item(whole_series(image, spatial_dims)) for image in images_within(source)]
    root = existing_folder(source)
    folder = _asked_for(root, images, "images") or root
    files = images_by_stem(folder, pattern, links=True)
    refuse_channels(folder, files)
    return [{"image": str(files[stem])} for stem in sorted(files)]
