"""What was found where the user pointed: a few lines, the same for training, inference, evaluation and check."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.data.datalist import data_folders
from monai_denoiseg.data.describe import file_facts, in_words
from monai_denoiseg.data.folder_files import first_names, is_image_folder
from monai_denoiseg.data.foreign import like_labels
from monai_denoiseg.processes import is_main_process

logger = logging.getLogger(__name__)

Item = Mapping[str, Any]
LOOKED_AT = 5


def found_lines(
    items: Sequence[Item], source: Any, *, axes: str | None = None, spatial_dims: int | None = None, images: str = "images"
) -> list[tuple[str, str]]:
    """Say what a data list holds.

    Args:
        items: the data list, by file.
        source: what the user named: a folder, a file, several, or a data list.
        axes: of the files.
        spatial_dims: of the images.
        images: name of the subfolder of images.

    Returns:
        Headings and texts: ``Images`` (size, channels, voxel size, axes and data type of up to five files, spread over the
        list) and ``Passed over`` where a folder holds more files. A file that cannot be read is left to the run.

    >>> found_lines([{"image": "missing.tif"}], ["missing.tif"])
    []
    """
    files = list(dict.fromkeys(str(item["image"]) for item in items))
    chosen = sorted({round(i) for i in np.linspace(0, len(files) - 1, min(LOOKED_AT, len(files)))})
    facts = []
    for i in chosen:
        try:
            facts.append(file_facts(files[i], axes, spatial_dims))
        except Exception as error:  # whatever libraries say of a damaged file
            logger.debug("%s: %s", files[i], error)
    lines = []
    if facts:
        some = f" ({len(facts)} of {len(files)} files looked at)" if len(facts) < len(files) else ""
        lines.append(("Images", in_words(facts) + some))
    if others := _passed_over(files, source, images):
        lines.append(("Passed over", f"{len(others)} files: {first_names(others)}"))
    return lines


def tell_found(items: Sequence[Item], source: Any, part: str = "data", **options: Any) -> None:
    """Log what was found, once for all processes.

    Args:
        items: see :func:`found_lines`.
        source: likewise.
        part: what the images are for.
        options: see :func:`found_lines`.
    """
    if not is_main_process():
        return
    labelled = sum("label" in item for item in items)
    logger.info("%s: %d images, %d of them labelled", part, len(items), labelled)
    for name, text in found_lines(items, source, **options):
        logger.info("%s: %s", name.lower(), text)


def warn_unlabelled(source: Any, labels: str = "labels") -> None:
    """Warn that a segmentation has nothing to learn from or to be measured by, and name what looks like labels.

    Args:
        source: what the user named.
        labels: name of the subfolder that was looked for.
    """
    if not is_main_process():
        return
    roots = [Path(one) for one in ([source] if isinstance(source, (str, os.PathLike)) else source) if Path(one).is_dir()]
    known = [folder for root in roots for folder in data_folders(root) if folder is not None]
    likely = [name for root in roots for name in like_labels(root, known)]
    hint = f" These look like labels: {first_names(likely)}; name the subfolder with --labels_dir." if likely else ""
    where = f"in the subfolder {labels}{' (or masks)' if labels == 'labels' else ''} of {source}" if roots else f"for {source}"
    logger.warning("no label was found %s: the segmentation has nothing to go by.%s", where, hint)


def _passed_over(files: Sequence[str], source: Any, images: str) -> list[str]:
    """Names in a folder of images that are none of the images."""
    if not isinstance(source, (str, os.PathLike)) or not Path(source).is_dir() or is_image_folder(Path(source)):
        return []
    folder = data_folders(Path(source), images)[0] if images != "images" or Path(source).suffix != ".zarr" else Path(source)
    taken = {Path(file).name for file in files}
    nested = folder == Path(source)
    return [
        path.name
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and path.name not in taken and not (nested and path.is_dir() and not path.suffix)
    ]
