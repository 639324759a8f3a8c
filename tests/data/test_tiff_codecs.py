"""Compressions that tifffile leaves to imagecodecs: decoded all the same, with the values of the uncompressed file."""

from __future__ import annotations

import io
import struct
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from numcodecs import Zstd
from PIL import Image

from monai_denoiseg.data import TiffReader, open_lazy
from monai_denoiseg.data import tiff_codecs as module


def values(shape: tuple[int, ...], kind: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 250, shape).astype(kind)


def both(path: Path, dims: int = 2) -> np.ndarray:
    """What the reader gives, after a check that reading by windows gives the same."""
    reader = TiffReader(spatial_dims=dims)
    array = np.asarray(reader.get_data(reader.read(path))[0])
    with open_lazy(path, spatial_dims=dims) as image:
        windows = image.read(0, tuple(slice(0, n) for n in image.spatial_shape))
    np.testing.assert_array_equal(windows.reshape(array.shape), array)
    return array


def pieces(path: Path, image: np.ndarray, compression: int, encoded: bytes, **tags: int) -> None:
    """Write a TIFF of one strip that is compressed already."""
    kind, size = {"u": 1, "i": 2, "f": 3}[image.dtype.kind], image.dtype.itemsize
    known = {256: image.shape[1], 257: image.shape[0], 258: size * 8, 259: compression, 262: 1, 273: 8, 277: 1}
    known |= {278: image.shape[0], 279: len(encoded), 339: kind} | {int(key[1:]): value for key, value in tags.items()}
    start = 8 + len(encoded) + len(encoded) % 2
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(known.items()))
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, start) + encoded + b"\0" * (len(encoded) % 2)
        + struct.pack("<H", len(known)) + entries + b"\0" * 4
    )  # fmt: skip


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("white", [False, True])
def test_orientation_and_white_is_zero_mean_the_same_in_both(tmp_path: Path, turned: int, white: bool) -> None:
    image = values((12, 9))
    options: dict[str, Any] = {"photometric": "miniswhite" if white else "minisblack", "extratags": [(274, 3, 1, turned, True)]}
    tifffile.imwrite(tmp_path / "plain.tif", image, **options)
    Image.fromarray(image).save(tmp_path / "lzw.tif", compression="tiff_lzw", tiffinfo={274: turned})
    if white:
        data = (tmp_path / "lzw.tif").read_bytes()
        with tifffile.TiffFile(tmp_path / "lzw.tif") as tif:
            place = tif.pages[0].tags[262].offset + 8
        (tmp_path / "lzw.tif").write_bytes(data[:place] + b"\0\0" + data[place + 2 :])
    np.testing.assert_array_equal(both(tmp_path / "plain.tif"), image)
    np.testing.assert_array_equal(both(tmp_path / "lzw.tif"), image)


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"])
@pytest.mark.parametrize("mode", ["L", "I;16", "F", "RGB"])
def test_every_compression_of_pillow(tmp_path: Path, compression: str, mode: str, frames: int) -> None:
    kind = {"L": "uint8", "I;16": "uint16", "F": "float32", "RGB": "uint8"}[mode]
    stack = values((frames, 12, 9, 3) if mode == "RGB" else (frames, 12, 9), kind)
    pages = [Image.fromarray(page) for page in stack]
    pages[0].save(tmp_path / "a.tif", compression=compression, save_all=True, append_images=pages[1:])
    for index in range(frames):
        reader = TiffReader(
            "TYX" + "S" * (mode == "RGB") if frames > 1 else None, spatial_dims=2, frame=index if frames > 1 else None
        )
        got = reader.get_data(reader.read(tmp_path / "a.tif"))[0]
        np.testing.assert_array_equal(got, stack[index].transpose(2, 0, 1) if mode == "RGB" else stack[index])
        assert got.dtype == kind


@pytest.mark.parametrize("compression", ["tiff_lzw", "group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("white", [False, True])
def test_black_and_white(tmp_path: Path, compression: str, white: bool) -> None:
    image = values((12, 19)) > 100
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression, tiffinfo={274: 3})
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        is_white = tif.pages[0].photometric == 0
        place = tif.pages[0].tags[262].offset + 8
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[:place] + struct.pack("<H", 0 if white else 1) + data[place + 2 :])
    stored = ~image if is_white else image
    np.testing.assert_array_equal(both(tmp_path / "a.tif"), stored)


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("kind", ["uint8", "int16", "uint32"])
def test_zstandard(tmp_path: Path, kind: str, predictor: int) -> None:
    image = values((12, 9), kind)
    stored = np.diff(image, axis=1, prepend=np.zeros((12, 1), kind)) if predictor == 2 else image
    pieces(tmp_path / "a.tif", image, 50000, bytes(Zstd().encode(stored.astype(kind).tobytes())), _317=predictor)
    np.testing.assert_array_equal(both(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_floating_point_predictor(tmp_path: Path, kind: str) -> None:
    image = np.random.default_rng(0).normal(size=(12, 9)).astype(kind)
    size = image.dtype.itemsize
    planes = image.astype(f">f{size}").view("u1").reshape(12, 9, size).transpose(0, 2, 1).reshape(12, -1)
    stored = np.diff(planes, axis=1, prepend=np.zeros((12, 1), "u1"))
    import zlib

    pieces(tmp_path / "a.tif", image, 8, zlib.compress(stored.tobytes()), _317=3)
    np.testing.assert_array_equal(both(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_what_pillow_makes_of_it(tmp_path: Path, mode: str) -> None:
    smooth = np.add.outer(np.arange(48), np.arange(32)).astype("uint8")
    image = np.stack([smooth, smooth[::-1], smooth[:, ::-1]], -1) if mode == "RGB" else smooth
    Image.fromarray(image).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    got = both(tmp_path / "a.tif")
    wanted = np.array(Image.open(tmp_path / "a.tif"))
    got = got.transpose(1, 2, 0) if mode == "RGB" else got
    assert np.abs(got.astype(int) - wanted).max() <= 2
    assert np.abs(got.astype(int) - image).mean() < 4


def test_jpeg_of_rgb_is_not_taken_for_ycbcr() -> None:
    image = values((16, 16, 3)) // 4 * 4
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=100, subsampling=0, keep_rgb=True)
    raw = data.getvalue()
    start = raw.index(b"\xff\xee")  # without Pillow's own marker, as TIFF keeps it
    raw = raw[:start] + raw[start + 2 + int.from_bytes(raw[start + 2 : start + 4], "big") :]
    assert np.abs(module.jpeg_decode(raw, colorspace=2).astype(int) - image).max() <= 3


def test_what_is_installed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SimpleNamespace(__name__="imagecodecs", lzw_decode="its own", zstd_decode="its own")
    monkeypatch.setattr(tifffile.tifffile, "imagecodecs", real)
    module.fill_gaps()
    assert (real.lzw_decode, real.zstd_decode) == ("its own", "its own")
    stand_in = SimpleNamespace(__name__="tifffile._imagecodecs", zstd_decode="none")
    monkeypatch.setattr(tifffile.tifffile, "imagecodecs", stand_in)
    module.fill_gaps()
    assert stand_in.lzw_decode is module.lzw_decode
    assert stand_in.zstd_decode is module.zstd_decode
    monkeypatch.delattr(tifffile.tifffile, "imagecodecs")
    module.fill_gaps()


def test_a_compression_without_a_decoder_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(tifffile.tifffile.imagecodecs, "jpeg2k_decode"):  # the package is there, whoever asked for it
        monkeypatch.setattr(tifffile.tifffile, "imagecodecs", import_module("tifffile._imagecodecs"))
    pieces(tmp_path / "a.tif", values((12, 9)), 34712, b"no JPEG 2000")
    with pytest.raises(
        ValueError, match=r"a\.tif cannot be read: .*imagecodecs.*run `pip install imagecodecs`, or save it uncompressed"
    ):
        TiffReader().read(tmp_path / "a.tif")
    with (
        pytest.raises(ValueError, match=r"a\.tif cannot be read: .*run `pip install imagecodecs`"),
        open_lazy(tmp_path / "a.tif") as image,
    ):
        image.read(0, (slice(0, 12), slice(0, 9)))


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_damaged_lzw_names_the_file(tmp_path: Path, share: float) -> None:
    Image.fromarray(values((60, 40))).save(tmp_path / "a.tif", compression="tiff_lzw")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        start, count = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[start + int(count * share) : start + count] = b"\xff" * (count - int(count * share))
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.tif cannot be read"):
        TiffReader().read(tmp_path / "a.tif")
