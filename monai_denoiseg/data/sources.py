"""Data lists from whatever a user names: a folder, files, several of them, or a data list in a JSON file."""

from __future__ import annotations

import fnmatch
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import check_option
from monai_denoiseg.data.datalist import folder_datalist, inference_datalist, one_for_each_frame
from monai_denoiseg.data.dicom import whole_series
from monai_denoiseg.data.folder_files import is_image_folder, same_text
from monai_denoiseg.data.folder_images import different_stems, single_item
from monai_denoiseg.data.list_file import SECTIONS, is_list_file, list_sections, read_list_file

Item = dict[str, Any]
Source = str | os.PathLike | Sequence[str | os.PathLike]


def labelled_datalist(
    source: Source, *, section: str | None = "training", pattern: str | None = None, **options: Any
) -> list[Item]:
    """List images with their labels and references, to train on or to evaluate with.

    Args:
        source: data folder; an image file, whose label lies in the folder ``labels`` beside its folder ``images`` (or beside
            itself); a list of such; or a data list in a JSON file, see :func:`~monai_denoiseg.data.list_file.read_list_file`.
        section: of a data list; None: ``testing``, else ``validation``, else ``training``.
        pattern: only images whose file name matches.
        options: further arguments of :func:`folder_datalist`. Names of subfolders do not count for a data list.

    Returns:
        See :func:`folder_datalist`. Of several places or a data list items have a ``name`` that tells them apart, and perhaps
        ``group`` and ``fold``.

    Raises:
        FileNotFoundError: for a file or folder that is missing, and where there is no image.
        ValueError: whatever is wrong with the files, see :func:`folder_datalist`.

    >>> import numpy as np, tempfile, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/a", "images/b", "labels/b"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         tifffile.imwrite(f"{folder}/{name}.tif", np.zeros((8, 8), np.uint8))
    ...     [sorted(item) for item in labelled_datalist([f"{folder}/images/b.tif"])]
    [['image', 'label', 'name']]
    """
    if is_list_file(source):
        return _from_list_file(source, _section(source, section), pattern, options)  # type: ignore[arg-type]
    if isinstance(source, (str, os.PathLike)) and not _is_image(Path(source)):
        return folder_datalist(source, pattern=pattern, **options)
    dims = options.get("spatial_dims")
    places = [Path(source)] if isinstance(source, (str, os.PathLike)) else [Path(one) for one in source]
    files: dict[Path, set[Path]] = {}
    items: list[Item] = []
    for place in places:
        if is_list_file(place):
            raise ValueError(f"{place} is a data list: give it alone, or list its images")
        if place.is_dir() and not is_image_folder(place):
            items += folder_datalist(place, pattern=pattern, **options)
        elif pattern is None or _matches(place, pattern):
            single_item(place)
            place = whole_series(place, dims)
            files.setdefault(_root(place, str(options.get("images", "images"))), set()).add(place)
    for root, only in files.items():
        items += folder_datalist(root, only=only, **options)
    return _with_names(items)


def images_datalist(
    source: Source,
    pattern: str | None = None,
    images: str = "images",
    section: str | None = None,
    spatial_dims: int | None = None,
) -> list[Item]:
    """List the images to infer.

    Args:
        source: as in :func:`~monai_denoiseg.data.datalist.inference_datalist`, or a data list in a JSON file.
        pattern: only images whose file name matches.
        images: subfolder of the images of a folder.
        section: of a data list; None: ``testing``, else ``validation``, else ``training``.
        spatial_dims: see :func:`~monai_denoiseg.data.datalist.inference_datalist`.

    Returns:
        Items ``{"image": path}``.

    Raises:
        FileNotFoundError: when there is no such file or folder, or no image in it.
        ValueError: for an unsupported file format, or two files of one stem (their results would overwrite each other).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "a.tif").touch()
    ...     [Path(item["image"]).name for item in images_datalist(folder)]
    ['a.tif']
    """
    if not is_list_file(source):
        return inference_datalist(source, pattern, images, spatial_dims)
    items = _entries(source, _section(source, section), pattern)  # type: ignore[arg-type]
    return different_stems([{"image": str(whole_series(item["image"], spatial_dims))} for item in items])


def _section(source: Any, section: str | None) -> str:
    there = list_sections(source)
    if section is not None and check_option("section", section, SECTIONS) not in there:
        raise ValueError(f"{source} has no entries for `section` {section!r}; it has {', '.join(map(repr, there))}")
    return section or next(name for name in reversed(SECTIONS) if name in there)


def _entries(source: str | os.PathLike, section: str, pattern: str | None) -> list[Item]:
    items = [item for item in read_list_file(source, section) if pattern is None or _matches(Path(item["image"]), pattern)]
    if not items:
        raise FileNotFoundError(f"no image matching {pattern!r} in the section {section!r} of {source}")
    return items


def _from_list_file(source: str | os.PathLike, section: str, pattern: str | None, options: dict[str, Any]) -> list[Item]:
    items = _entries(source, section, pattern)
    if options.get("target") is not None and (lacking := [item["name"] for item in items if "target" not in item]):
        raise ValueError(f"{source}: {len(lacking)} entries of {section!r} have no 'target', the first is {lacking[0]}")
    if options.get("target") is None:
        items = [{key: value for key, value in item.items() if key != "target"} for item in items]
    items = [item | {"image": str(whole_series(item["image"], options.get("spatial_dims")))} for item in items]
    twice = [image for image, count in Counter(item["image"] for item in items).items() if count > 1]
    if twice:
        raise ValueError(f"{source}: {section!r} lists several files of the series {twice[0]}: one stands for all of it")
    return [one for item in items for one in one_for_each_frame(item, options.get("axes"), options.get("spatial_dims"))]


def _matches(path: Path, pattern: str) -> bool:
    return fnmatch.fnmatchcase(same_text(path.name), same_text(pattern))


def _is_image(path: Path) -> bool:
    return path.is_file() or is_image_folder(path) or (path.is_symlink() and not path.exists())


def _root(path: Path, images: str) -> Path:
    """The data folder of an image."""
    folder = path.parent
    return folder.parent if folder.name.casefold() in (images.casefold(), "imagestr") else folder


def _with_names(items: list[Item]) -> list[Item]:
    """Tell images of several places apart by what differs in their paths."""
    paths = [str(Path(item["image"]).absolute()) for item in items]
    counts = Counter((path, item.get("frame")) for path, item in zip(paths, items, strict=True))
    twice = [path for (path, _), count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is listed twice")
    common = os.path.commonpath([Path(path).parent for path in paths]) if paths else ""
    return [item | {"name": os.path.relpath(path, common)} for item, path in zip(items, paths, strict=True)]
