"""The images of a folder, apart from the results and the files of other programs that lie among them."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from monai_denoiseg.data.folder_files import (
    first_names,
    is_there,
    leads_nowhere,
    named_files,
    nothing_found,
    stem_of,
    what_is_wrong,
)
from monai_denoiseg.data.foreign import holds_objects, of_cellpose
from monai_denoiseg.data.reader import SUPPORTED_SUFFIXES, conversion, split_name
from monai_denoiseg.files import result_names

logger = logging.getLogger(__name__)

Item = dict[str, Any]

RESULT_ENDS = ("_denoised", "_instances", "_classes", "_probabilities", "_mask", "_masks")


def single_item(path: Path) -> Item:
    """An item of one image file.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: when it is missing, a folder, or a link that leads nowhere.
        ValueError: for an unsupported format.
    """
    if (wrong := what_is_wrong(path)) is not None:
        raise FileNotFoundError(f"{path} does not exist" if not is_there(path) and wrong == "missing" else f"{path} is {wrong}")
    if not split_name(path)[1]:
        listed = ", ".join(sorted(SUPPORTED_SUFFIXES))
        raise ValueError(f"{path}: unsupported file format; supported are {listed}{conversion(path)}")
    return {"image": str(path)}


def different_stems(items: list[Item]) -> list[Item]:
    """Refuse two images of one stem in a list of several places: their results would have the same names.

    Args:
        items: the list, which is returned.

    Raises:
        ValueError: naming both.
    """
    seen: dict[str, Path] = {}
    for item in items:
        add_file(seen, Path(item["image"]))
    return items


def images_by_stem(
    folder: Path, pattern: str | None = None, links: bool = False, only: Collection[Path] | None = None
) -> dict[str, Path]:
    """The images of a folder by stem, without what this package and Cellpose left among them.

    Args:
        folder: the folder.
        pattern: only names that match.
        links: list links that lead nowhere too.
        only: only these files.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: when two have the same stem.
    """
    files, others = named_files(folder, pattern)
    if links:  # named as failed when their turn comes
        files = sorted([*files, *(path for path, reason in others.items() if leads_nowhere(reason))])
        others = {path: reason for path, reason in others.items() if not leads_nowhere(reason)}
    warn_of_others(folder, others)
    if only is not None:
        files = [path for path in files if path in only]
    images = _without_results(folder, files, pattern)
    if not images:
        raise FileNotFoundError(nothing_found(folder, pattern))
    found: dict[str, Path] = {}
    for path in _without_cellpose(folder, images, pattern):
        add_file(found, path)
    if pattern is None and only is None:
        _warn_of_likely_results(folder, found)
    return found


def _without_results(folder: Path, files: list[Path], pattern: str | None) -> list[Path]:
    written = result_names(folder)
    results = [path for path in files if path.name in written]
    images = [path for path in files if path.name not in written]
    if results and not images and pattern:
        return results  # a pattern that only results match means them
    if results:
        names = first_names(results)
        if not images:
            way = f'to process them, name them by a pattern such as --pattern "*{results[0].name[-14:]}"'
            raise FileNotFoundError(f"no image in {folder}: all of its {len(results)} files are results ({names}); {way}")
        logger.info("%s: %d results of earlier runs are no images and are passed over: %s", folder, len(results), names)
    return images


def _without_cellpose(folder: Path, images: list[Path], pattern: str | None) -> list[Path]:
    its = of_cellpose({stem_of(path): path for path in images})
    its += [path for path in images if path not in its and holds_objects(path)]
    if not its or len(its) == len(images):
        return images
    logger.warning(
        "%s: %d files of Cellpose are no images and are passed over: %s. To train on its masks, put the _cp_masks files into a "
        "subfolder labels",
        folder,
        len(its),
        first_names(its),
    )
    return [path for path in images if path not in its]


def _warn_of_likely_results(folder: Path, images: dict[str, Path]) -> None:
    """A copy of a folder may have lost the record of what is a result: names tell, but not for certain."""
    likely = [path for stem, path in images.items() for end in RESULT_ENDS if stem.endswith(end) and stem[: -len(end)] in images]
    if likely:
        logger.warning(
            "%s: %d files are taken as images, but have names of results (%s): if they are, move them, or choose the images with "
            "--pattern",
            folder,
            len(likely),
            first_names(likely),
        )


def add_file(files: dict[str, Path], path: Path, stem: str | None = None) -> None:
    """Add a file to files by stem.

    Args:
        files: what is known.
        path: the file.
        stem: its own, if not given.

    Raises:
        ValueError: when there is a file of this stem, or this one already.
    """
    stem = stem_of(path) if stem is None else stem
    if files.get(stem) == path:
        raise ValueError(f"{path} is listed twice" + " (a file of a series stands for all of it)" * path.is_dir())
    if stem in files:
        raise ValueError(f"{files[stem]} and {path} have the same stem {stem!r}: keep one, or rename it")
    files[stem] = path


def warn_of_others(folder: Path, others: dict[Path, str]) -> None:
    """Name what is no file although its name says so.

    Args:
        folder: the folder.
        others: path and reason.
    """
    if others:
        named = [f"{path.name} ({reason})" for path, reason in others.items()]
        logger.warning("%s: passed over: %s", folder, first_names(named))
