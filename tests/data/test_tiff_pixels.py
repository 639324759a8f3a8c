from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from monai_denoiseg.data import TiffReader, image_layout
from monai_denoiseg.data import tiff_pixels as module


def array(shape, dtype="uint16"):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def frame(path, index, axes=None, dims=2):
    reader = TiffReader(axes, spatial_dims=dims, frame=index)
    return reader.get_data(reader.read(path))


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"imagej": True}, {"ome": True}, {"byteorder": ">"}, {"bigtiff": True}]
)
@pytest.mark.parametrize(
    ("shape", "axes", "dims"),
    [
        ((5, 6, 4), "TYX", 2),
        ((5, 3, 6, 4), "TCYX", 2),
        ((5, 3, 6, 4), "TZYX", 3),
        ((5, 3, 2, 6, 4), "TZCYX", 3),
        ((5, 2, 6, 4), "TZYX", 3),
    ],
)
def test_a_frame_is_that_of_the_whole_file(tmp_path, options, shape, axes, dims):
    stored = array(shape)
    kind = {} if options.get("imagej") else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", stored, metadata={"axes": axes}, **kind, **options)
    for index in (0, 4):
        read, meta = frame(tmp_path / "a.tif", index, dims=dims)
        expected = stored[index].transpose(1, 0, 2, 3) if axes == "TZCYX" else stored[index]
        np.testing.assert_array_equal(read, expected)
        assert read.dtype.isnative and "T" not in meta["axes"]


def test_frames_that_are_not_the_first_axis(tmp_path):
    stored = array((2, 5, 6, 4))
    for name, compression in (("a.tif", None), ("b.tif", "zlib")):
        tifffile.imwrite(tmp_path / name, stored, metadata={"axes": "CTYX"}, photometric="minisblack", compression=compression)
        np.testing.assert_array_equal(frame(tmp_path / name, 3)[0], stored[:, 3])


def test_pages_written_one_by_one_or_named_by_the_user(tmp_path):
    stored = array((5, 6, 4))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in stored:
            tif.write(page)
    tifffile.imwrite(tmp_path / "b.tif", stored)
    for name in ("a.tif", "b.tif"):
        np.testing.assert_array_equal(frame(tmp_path / name, 3, "TYX")[0], stored[3])
        assert image_layout(tmp_path / name, "TYX", 2).frames == 5


def test_axes_of_length_one_beside_the_frames(tmp_path):
    stored = array((5, 6, 4))
    for name, compression in (("a.tif", None), ("b.tif", "zlib")):
        tifffile.imwrite(tmp_path / name, stored, metadata={"axes": "TYX"}, compression=compression)
        read, meta = frame(tmp_path / name, 2, "CTZYX", dims=3)
        np.testing.assert_array_equal(read, stored[2:3])
        assert meta["axes"] == "ZYX"


def test_only_the_frame_is_decoded(tmp_path, monkeypatch):
    stored = array((5, 6, 4))
    tifffile.imwrite(tmp_path / "a.tif", stored, metadata={"axes": "TYX"}, compression="zlib")
    monkeypatch.setattr(module, "_read_series", lambda *any: pytest.fail("the whole file was read"))
    np.testing.assert_array_equal(frame(tmp_path / "a.tif", 3)[0], stored[3])


@pytest.mark.parametrize("index", [None, 2])
def test_lzw_without_imagecodecs(tmp_path, index):
    stored = array((5, 12, 10), "uint8")
    pages = [Image.fromarray(page) for page in stored]
    pages[0].save(tmp_path / "a.tif", compression="tiff_lzw", save_all=True, append_images=pages[1:])
    axes, dims = ("ZYX", 3) if index is None else ("TYX", 2)
    np.testing.assert_array_equal(frame(tmp_path / "a.tif", index, axes, dims)[0], stored if index is None else stored[2])


def test_what_nothing_can_read_says_so(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", array((5, 6, 4)), metadata={"axes": "TYX"})
    monkeypatch.setattr(module, "_read_series", lambda *any: (_ for _ in ()).throw(ValueError("X requires 'imagecodecs'")))
    with pytest.raises(ValueError, match=r"a\.tif cannot be read: .*pip install imagecodecs"):
        TiffReader().read(tmp_path / "a.tif")


@pytest.mark.parametrize("imagej", [True, False])
def test_a_plane_as_a_volume_of_one_slice(tmp_path, imagej):
    stored = array((1, 6, 4))
    tifffile.imwrite(tmp_path / "a.tif", stored, imagej=imagej)
    reader = TiffReader("ZYX", spatial_dims=3)
    read, meta = reader.get_data(reader.read(tmp_path / "a.tif"))
    np.testing.assert_array_equal(read, stored)
    assert meta["axes"] == "ZYX"
    two = array((1, 2, 6, 4))
    tifffile.imwrite(tmp_path / "b.tif", two, imagej=True, metadata={"axes": "ZCYX"})
    reader = TiffReader("ZCYX", spatial_dims=3)
    np.testing.assert_array_equal(reader.get_data(reader.read(tmp_path / "b.tif"))[0], two.transpose(1, 0, 2, 3))
