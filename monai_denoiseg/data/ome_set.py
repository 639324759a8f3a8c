"""OME-TIFF files that are one of a set: the metadata of the set, cut down to what is in this file."""

from __future__ import annotations

import itertools
import math
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np

Element = ElementTree.Element


def own_metadata(xml: str, name: str, n_pages: int) -> str | None:
    """Cut the metadata of a set of files down to the planes of one of them.

    Micro-Manager and Bio-Formats write one file for each time step, position or channel, and into every file the metadata of all.
    A file then means its own planes and no others: so no image is read more than once, and none is made up of nothing where a
    file of the set is missing.

    Args:
        xml: OME-XML of the file.
        name: name of the file, without folders.
        n_pages: its pages.

    Returns:
        OME-XML of the file alone, or None where the metadata speak of no other file (or do not tell what is in this one).

    Raises:
        ValueError: when its planes are no full grid of times, slices and channels.

    >>> plane = '<TiffData FirstT="{0}" IFD="0"><UUID FileName="{0}.ome.tif">urn:uuid:{0}</UUID></TiffData>'
    >>> sizes = 'SizeX="8" SizeY="8" SizeZ="1" SizeC="1" SizeT="2"'
    >>> xml = f'<OME UUID="urn:uuid:1"><Image><Pixels DimensionOrder="XYCZT" {sizes}>{{}}</Pixels></Image></OME>'
    >>> own_metadata(xml.format(plane.format(0) + plane.format(1)), "1.ome.tif", 1).count("<TiffData")
    1
    """
    root = ElementTree.fromstring(xml)
    data = [element for element in root.iter() if _tag(element) == "TiffData"]
    files = {(uuid.text, uuid.get("FileName", "")) for entry in data if (uuid := _uuid(entry)) is not None}
    is_own = _is_own(root.get("UUID"), name, files)
    if is_own is None or all(is_own(entry) for entry in data):
        return None
    for image in [element for element in root if _tag(element) == "Image"]:
        for pixels in [element for element in image if _tag(element) == "Pixels"]:
            if not _keep_own(pixels, is_own, name, n_pages):
                root.remove(image)
                break
    return ElementTree.tostring(root, encoding="unicode")


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _uuid(entry: Element) -> Element | None:
    return next((element for element in entry if _tag(element) == "UUID"), None)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _is_own(identity: str | None, name: str, files: set[tuple[str | None, str]]) -> Callable[[Element], bool] | None:
    """What tells whether an entry lies in this file; None where nothing does, or all entries lie in a single file."""
    own = {text for text, file in files if text == identity or (identity is None and _plain(file) == _plain(name))}
    own = own or {text for text, file in files if _plain(file) == _plain(name)}
    if not own:
        return None
    return lambda entry: (uuid := _uuid(entry)) is None or uuid.text in own


def renamed_alone(xml: str, name: str) -> str | None:
    """Metadata without file names, where all of them name one other file: the name this one had before.

    Args:
        xml: OME-XML of the file.
        name: its name now.

    >>> one = '<OME><TiffData IFD="0"><UUID FileName="old.ome.tif">urn:uuid:1</UUID></TiffData></OME>'
    >>> renamed_alone(one, "new.ome.tif")
    '<OME><TiffData IFD="0" /></OME>'
    """
    root = ElementTree.fromstring(xml)
    data = [element for element in root.iter() if _tag(element) == "TiffData"]
    files = {(uuid.text, uuid.get("FileName", "")) for entry in data if (uuid := _uuid(entry)) is not None}
    if len(files) != 1 or _is_own(root.get("UUID"), name, files) is not None:
        return None
    for entry in data:
        for uuid in [element for element in entry if _tag(element) == "UUID"]:
            entry.remove(uuid)
    return ElementTree.tostring(root, encoding="unicode")


def _keep_own(pixels: Element, is_own: Callable[[Element], bool], name: str, n_pages: int) -> bool:
    """Leave only this file's planes in ``Pixels``, numbered from 0; tell whether there is any."""
    letters = pixels.attrib["DimensionOrder"][:1:-1]  # of the axes beyond X and Y, the slowest first
    channels = [element for element in pixels if _tag(element) == "Channel"]
    samples = int(channels[0].get("SamplesPerPixel", 1)) if channels else 1
    sizes = [max(int(pixels.attrib[f"Size{axis}"]) // (samples if axis == "C" else 1), 1) for axis in letters]
    planes: dict[tuple[int, ...], int] = {}
    namespace = ""
    for entry in [element for element in pixels if _tag(element) == "TiffData"]:
        namespace = str(entry.tag)[: -len("TiffData")]
        if is_own(entry):
            planes |= _planes(entry, letters, sizes, name, n_pages)
        pixels.remove(entry)
    if not planes:
        return False
    kept = [sorted({place[i] for place in planes}) for i in range(len(letters))]
    if math.prod(map(len, kept)) != len(planes):
        listed = ", ".join(f"{len(places)} {axis}" for axis, places in zip(letters, kept, strict=True))
        raise ValueError(
            f"{name} holds {len(planes)} planes of a set of files, which are no full grid ({listed}): save the set as one file, "
            "or every image alone"
        )
    for axis, places in zip(letters, kept, strict=True):
        pixels.set(f"Size{axis}", str(len(places) * (samples if axis == "C" else 1)))
    for place in itertools.product(*kept):
        first = {f"First{axis}": str(places.index(i)) for axis, places, i in zip(letters, kept, place, strict=True)}
        ElementTree.SubElement(pixels, f"{namespace}TiffData", {**first, "IFD": str(planes[place]), "PlaneCount": "1"})
    return True


def _planes(entry: Element, letters: str, sizes: list[int], name: str, n_pages: int) -> dict[tuple[int, ...], int]:
    """Pages of an entry by their place along the axes."""
    page = int(entry.get("IFD", 0))
    count = int(entry.get("PlaneCount", entry.get("NumPlanes", 1 if "IFD" in entry.attrib else n_pages - page)))
    if not 0 <= page <= page + count <= n_pages:
        raise ValueError(
            f"{name}: its metadata name page {page + count}, but the file has {n_pages}: it may be damaged or not copied to its "
            "end"
        )
    first = np.ravel_multi_index([int(entry.get(f"First{axis}", 0)) for axis in letters], sizes)
    places = np.transpose(np.unravel_index(np.arange(first, first + count), sizes))
    return {tuple(place): page + i for i, place in enumerate(places.tolist())}
