"""An image is recognised by what its file holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_denoiseg.data import digest
from monai_denoiseg.data.digest import content_digest


def test_equal_content_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, content in (("a.tif", b"abc"), ("sub/b.png", b"abc"), ("c.tif", b"abd"), ("empty.tif", b"")):
        (tmp_path / name).write_bytes(content)
    found = [content_digest(tmp_path / name) for name in ("a.tif", "sub/b.png", "c.tif", "empty.tif")]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert all(len(one) == 12 for one in found)


@pytest.mark.parametrize("place", [0, 55, 109])
def test_large_files_by_size_and_three_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    monkeypatch.setattr(digest, "WHOLE", 30)
    content = bytearray(range(110))
    (tmp_path / "a").write_bytes(content)
    before = content_digest(tmp_path / "a")
    (tmp_path / "a").write_bytes(bytes([*content, 0]))
    assert content_digest(tmp_path / "a") != before
    content[place] ^= 1
    (tmp_path / "a").write_bytes(content)
    assert content_digest(tmp_path / "a") != before


def test_a_zarr_folder(tmp_path: Path) -> None:
    for store in ("a.zarr", "b.zarr"):
        (tmp_path / store / "0").mkdir(parents=True)
        (tmp_path / store / "0" / "0.0").write_bytes(b"chunk")
    assert content_digest(tmp_path / "a.zarr") == content_digest(tmp_path / "b.zarr")
    (tmp_path / "b.zarr" / "0" / "0.0").rename(tmp_path / "b.zarr" / "0" / "0.1")
    assert content_digest(tmp_path / "a.zarr") != content_digest(tmp_path / "b.zarr")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        content_digest(tmp_path / "missing.tif")
