"""Folders that other programs worked in: Cellpose, nnU-Net, StarDist; and names that look like those of labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from monai_denoiseg.data.folder_files import first_names

LABEL_ENDS = ("_cp_masks", "_masks", "_mask", "_labels", "_label", "_segmentation", "_seg", "-labels", "-label", "-mask", ".seg")
"""Ends that programs add to the name of an image to name its label."""

_LIKE_LABELS = re.compile(
    r"label|mask|annot|segm|ground.?truth|truth|\bgt\b|^gt|_gt|\bseg\b|instances|outline|roi", re.IGNORECASE
)
_CHANNEL = re.compile(r"(.+)_(\d{4})")
_NNUNET = ("imagestr", "imagests")


def partner(stem: str, images: Collection[str], label: Path) -> str | None:
    """Find the image of a label whose names differ by what other programs add.

    Args:
        stem: of the label.
        images: stems of the images.
        label: its file, for messages.

    Returns:
        Stem of the image; None where there is none.

    Raises:
        ValueError: when the image is spread over several files, one for each channel (nnU-Net).

    >>> partner("a_cp_masks", {"a"}, Path("a_cp_masks.png")), partner("case", {"case_0000"}, Path("case.nii.gz"))
    ('a', 'case_0000')
    """
    if stem in images:
        return stem
    for end in LABEL_ENDS:
        if stem.lower().endswith(end) and stem[: -len(end)] in images:
            return stem[: -len(end)]
    channels = sorted(image for image in images if (found := _CHANNEL.fullmatch(image)) and found[1] == stem)
    if len(channels) > 1:
        raise ValueError(_several_files(str(label), channels))
    return channels[0] if channels else None


def refuse_channels(folder: Path, stems: Collection[str]) -> None:
    """Raise if the channels of an image lie in files of their own, as nnU-Net stores them.

    Args:
        folder: the images; only one with a name of nnU-Net's is looked at, elsewhere such numbers mean anything.
        stems: of the images.

    Raises:
        ValueError: naming the files and a way out.
    """
    if folder.name.lower() not in _NNUNET:
        return
    by_case: dict[str, list[str]] = {}
    for stem in sorted(stems):
        if found := _CHANNEL.fullmatch(stem):
            by_case.setdefault(found[1], []).append(stem)
    several = next((channels for channels in by_case.values() if len(channels) > 1), None)
    if several:
        raise ValueError(_several_files(str(folder), several))


def _several_files(where: str, channels: Sequence[str]) -> str:
    return (
        f"{where}: the image is spread over the files {first_names(channels)}, one for each channel (nnU-Net): join them to one "
        f'file, or use one channel alone with --pattern "*{channels[0][-5:]}.*"'
    )


def of_cellpose(images: Mapping[str, Path]) -> list[Path]:
    """Files that Cellpose left among the images.

    Args:
        images: files by stem.

    >>> [path.name for path in of_cellpose({"a": Path("a.tif"), "a_cp_masks": Path("a_cp_masks.png")})]
    ['a_cp_masks.png']
    """
    worked = {stem.partition("_cp_")[0] for stem in images if "_cp_" in stem and stem.partition("_cp_")[0] in images}
    worked |= {stem[:-4] for stem, path in images.items() if stem.endswith("_seg") and holds_objects(path)}
    found = []
    for stem, path in images.items():
        base = stem.partition("_cp_")[0] if "_cp_" in stem else stem.rpartition("_")[0]
        is_its = "_cp_" in stem or stem.endswith("_flows") or (stem.endswith("_seg") and holds_objects(path))
        if is_its and base in worked:
            found.append(path)
    return found


def holds_objects(path: Path) -> bool:
    """Whether a NumPy file holds Python objects, as Cellpose's ``_seg.npy`` does, and no numbers.

    Args:
        path: any file.

    >>> holds_objects(Path("missing_seg.npy"))
    False
    """
    if path.suffix.lower() != ".npy":
        return False
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return bool(read(file)[2].hasobject)
    except (OSError, ValueError):
        return False


def like_labels(root: Path, but: Collection[Path] = ()) -> list[str]:
    """Names in a folder, and beside it where it is a folder of images itself, that look like folders of labels.

    Args:
        root: the data folder.
        but: folders that are known.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "ground_truth").mkdir()
    ...     [Path(name).name for name in like_labels(Path(folder))]
    ['ground_truth']
    """
    places = [root, root.absolute().parent] if root.absolute().name.lower().startswith(("image", "raw", "img")) else [root]
    known = {path.absolute() for path in but}
    return [
        str(path)
        for place in places
        for path in sorted(place.iterdir())
        if path.is_dir() and not path.name.startswith(".") and path.absolute() not in known and _LIKE_LABELS.search(path.name)
    ]
