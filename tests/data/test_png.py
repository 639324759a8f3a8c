"""PNG of every depth and kind of colour at full depth, against an encoder of our own."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_denoiseg.data import FileReader, LoadItemd, image_layout
from monai_denoiseg.data.png import read_picture


def paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]


def filtered(row: bytes, before: bytes, kind: int, step: int) -> bytes:
    out = bytearray([kind])
    for i, value in enumerate(row):
        left, corner = (row[i - step], before[i - step]) if i >= step else (0, 0)
        up = before[i]
        out.append((value - (0, left, up, (left + up) // 2, paeth(left, up, corner))[kind]) % 256)
    return bytes(out)


def png(array: np.ndarray) -> bytes:
    """Encode ``(Y, X, samples)`` of 8 or 16 bits, with all five filters in turn."""
    height, width, samples = array.shape
    depth = array.dtype.itemsize * 8
    rows = [row.astype(array.dtype.newbyteorder(">")).tobytes() for row in array]
    before = [bytes(len(rows[0])), *rows]
    data = b"".join(filtered(row, before[i], i % 5, samples * depth // 8) for i, row in enumerate(rows))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, {1: 0, 2: 4, 3: 2, 4: 6}[samples], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_full_depth_and_no_opacity(tmp_path: Path, samples: int, dtype: str) -> None:
    stored = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (11, 9, samples), dtype, endpoint=True)
    path = tmp_path / "a.png"
    path.write_bytes(png(stored))
    colours = stored[..., : 1 if samples < 3 else 3]
    got = read_picture(path)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.reshape(colours.shape), colours)
    item = LoadItemd(spatial_dims=2, channels=colours.shape[-1])({"image": str(path)})
    np.testing.assert_array_equal(item["image"], colours.transpose(2, 0, 1).astype("float32"))
    assert image_layout(path, spatial_dims=2).shape == (11, 9)
    np.testing.assert_array_equal(read_picture(path, color=False).reshape(stored.shape), stored)


def test_a_tiff_or_an_animation_under_a_wrong_name(tmp_path: Path) -> None:
    pages = [Image.new("L", (8, 8), i) for i in range(3)]
    pages[0].save(tmp_path / "a.png", "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"a\.png is a TIFF file by its content: give its name the ending \.tif"):
        FileReader().read(tmp_path / "a.png")
    pages[0].save(tmp_path / "b.png", "PNG", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"b\.png holds 3 pictures"):
        FileReader().read(tmp_path / "b.png")


def test_a_picture_too_large_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"a\.png cannot be read.*exceeds limit"):
        FileReader().read(tmp_path / "a.png")
