"""TIFF files that hold less than their headers say: refused, by name, also by windows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import TiffReader, image_layout, open_lazy
from monai_denoiseg.data.tiff_open import open_tiff

STACK = np.random.default_rng(0).integers(0, 999, (6, 20, 16)).astype(np.uint16)


def refused(path: Path, match: str) -> None:
    for read in (lambda: TiffReader().read(path), lambda: image_layout(path), lambda: open_lazy(path)):
        with pytest.raises(ValueError, match=match):
            read()


@pytest.fixture(autouse=True)
def quiet() -> Any:
    logging.getLogger("tifffile").disabled = True
    yield
    logging.getLogger("tifffile").disabled = False


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_half_copied_imagej_stack(tmp_path: Path, share: float, axes: str) -> None:
    path = tmp_path / "t.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": axes})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, r"t\.tif ends before its page")


@pytest.mark.parametrize("text", ["images=6\nslices=6\n", "images=6\n", "slices=2\nframes=3\n", "images=6\nchannels=6\n"])
def test_an_imagej_header_of_more_images_than_there_are(tmp_path: Path, text: str) -> None:
    tifffile.imwrite(tmp_path / "t.tif", STACK[0], metadata=None, description=f"ImageJ=1.54f\n{text}")
    refused(tmp_path / "t.tif", r"t\.tif holds 1 of the 6 planes that its header names")


def test_a_tifffile_header_of_more_images_than_there_are(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "t.tif", STACK[0], metadata=None, description='{"shape": [6, 20, 16]}')
    refused(tmp_path / "t.tif", r"t\.tif ends before its pixels do")


def test_an_ome_header_of_more_planes_than_there_are(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "whole.ome.tif", STACK, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "whole.ome.tif") as tif:
        text = str(tif.ome_metadata)
    with tifffile.TiffWriter(tmp_path / "t.ome.tif") as writer:
        for i, page in enumerate(STACK[:4]):
            writer.write(page, contiguous=False, metadata=None, description=text.encode() if i == 0 else None)
    refused(tmp_path / "t.ome.tif", r"t\.ome\.tif holds 4 of the 6 planes")


@pytest.mark.parametrize("big", [False, True])
def test_a_broken_chain_of_pages(tmp_path: Path, big: bool) -> None:
    with tifffile.TiffWriter(tmp_path / "t.tif", bigtiff=big) as writer:
        for page in STACK:
            writer.write(page, contiguous=False, metadata=None)
    with tifffile.TiffFile(tmp_path / "t.tif") as tif:
        offsets = [page.offset for page in tif.pages]
    data = (tmp_path / "t.tif").read_bytes()
    for name, cut in (("a.tif", data[: offsets[4]]), ("b.tif", data[: offsets[4] + 9])):
        (tmp_path / name).write_bytes(cut)
        refused(tmp_path / name, rf"{name} ends before its page 5")
    width = 8 if big else 4
    link = data.index(offsets[3].to_bytes(width, "little"), offsets[2])
    (tmp_path / "c.tif").write_bytes(data[:link] + offsets[1].to_bytes(width, "little") + data[link + width :])
    refused(tmp_path / "c.tif", r"c\.tif: its chain of pages runs in a circle after page 3")


def test_tiles_beyond_the_end(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "t.tif", STACK, tile=(16, 16), compression="zlib", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "t.tif") as tif:
        tag = tif.pages[0].tags[324]
        place = tag.valueoffset
    data = bytearray((tmp_path / "t.tif").read_bytes())
    data[place : place + 4] = (1 << 20).to_bytes(4, "little")
    (tmp_path / "t.tif").write_bytes(data)
    with pytest.raises(ValueError, match=r"t\.tif: a piece of its page 0 is not in the file"):
        TiffReader().read(tmp_path / "t.tif")
    with pytest.raises(ValueError, match=r"t\.tif: a piece of its page 0 is not in the file"):
        open_lazy(tmp_path / "t.tif")


@pytest.mark.parametrize(
    "options", [{"compression": "zlib", "planarconfig": "separate"}, {"tile": (16, 16)}, {"rowsperstrip": 7}]
)
def test_whole_files_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    image = STACK[:3] if "planarconfig" in options else STACK[:3].transpose(1, 2, 0)
    tifffile.imwrite(tmp_path / "t.tif", image, photometric="rgb", **options)
    reader = TiffReader()
    np.testing.assert_array_equal(reader.get_data(reader.read(tmp_path / "t.tif"))[0], STACK[:3])
    with open_lazy(tmp_path / "t.tif") as lazy:
        np.testing.assert_array_equal(lazy.read(0, (slice(0, 20), slice(0, 16))), STACK[:3])


def test_an_imagej_rgb_stack_counts_its_pages(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (4, 8, 6, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "t.tif", colours, imagej=True, metadata={"axes": "ZYXS"})
    with open_tiff(tmp_path / "t.tif") as tif:
        np.testing.assert_array_equal(tif.series[0].asarray(), colours)
    assert image_layout(tmp_path / "t.tif").shape == (4, 8, 6)
