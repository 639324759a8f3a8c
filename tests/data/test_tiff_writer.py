"""The writer's casts, atomic replacement, sizes and compression; round trips and metadata are in test_tiff.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.data import TiffReader, TiffWriter
from monai_denoiseg.data import tiff as tiff_module


def read(path):
    reader = TiffReader()
    return reader.get_data(reader.read(path))


def write(path, array, channel_dim=0, meta=None, **options):
    writer = TiffWriter(**options)
    writer.set_data_array(array, channel_dim=channel_dim)
    writer.set_metadata(meta)
    writer.write(path)
    return path


@pytest.mark.parametrize("value", [70000, -1, np.nan, np.inf])
def test_values_that_do_not_fit_are_refused_and_leave_no_file(tmp_path, value):
    array = np.full((1, 4, 4), value)
    with pytest.raises(ValueError, match=r"a\.tif: values .* do not fit uint16"):
        write(tmp_path / "a.tif", array, output_dtype="uint16")
    assert not list(tmp_path.iterdir())


def test_casts_that_fit(tmp_path):
    assert read(write(tmp_path / "a.tif", np.full((1, 2, 2), 65535), output_dtype=np.uint16))[0].dtype == np.uint16
    assert read(write(tmp_path / "a.tif", np.full((1, 2, 2), 2.6), output_dtype=np.uint8))[0][0, 0] == 3
    assert np.isnan(read(write(tmp_path / "a.tif", np.full((1, 2, 2), np.nan), output_dtype=np.float32))[0]).all()
    assert read(write(tmp_path / "a.tif", torch.ones(1, 2, 2, dtype=torch.bfloat16)))[0].dtype == np.float32
    assert read(write(tmp_path / "a.tif", torch.ones(1, 2, 2, dtype=torch.bool)))[0].dtype == np.uint8
    with pytest.raises(ValueError, match="do not fit float32"):
        write(tmp_path / "a.tif", np.full((1, 2, 2), 1e300), output_dtype=np.float32)
    with pytest.raises(ValueError, match="do not fit float32"):
        write(tmp_path / "a.tif", np.full((1, 2, 2), 2**24 + 1), output_dtype=np.float32)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path, monkeypatch):
    target = write(tmp_path / "a.tif", np.full((1, 4, 4), 5, "u1"))

    def break_off(path, *args, **kwargs):
        Path(path).write_bytes(b"II*half")
        raise OSError("disk full")

    monkeypatch.setattr(tiff_module.tifffile, "imwrite", break_off)
    with pytest.raises(OSError, match="disk full"):
        write(target, np.zeros((1, 4, 4), "u1"))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert read(target)[0].min() == 5


def test_bigtiff_above_the_limit(tmp_path, monkeypatch):
    assert tiff_module.CLASSIC_LIMIT < 2**32
    array = np.arange(192, dtype=np.uint16).reshape(1, 3, 8, 8)
    assert not tifffile.TiffFile(write(tmp_path / "a.tif", array)).is_bigtiff
    monkeypatch.setattr(tiff_module, "CLASSIC_LIMIT", 100)
    assert tifffile.TiffFile(write(tmp_path / "a.tif", array)).is_bigtiff
    back, meta = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(back, array[0])
    assert meta["axes"] == "ZYX"


def test_compression(tmp_path):
    flat = np.zeros((1, 64, 64), "u2")
    small = write(tmp_path / "a.tif", flat).stat().st_size
    assert small < write(tmp_path / "b.tif", flat, compression=None).stat().st_size / 4
    write(tmp_path / "c.tif", np.zeros((1, 3, 64, 64), "u2"))
    with tifffile.TiffFile(tmp_path / "c.tif") as tif:  # ImageJ reads stacks only where the planes follow each other uncompressed
        assert tif.pages[0].compression == 1 and tif.series[0].dataoffset is not None


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    assert write(tmp_path / "a.tif", np.zeros((1, 4, 4), "u1")).stat().st_mode == (tmp_path / "plain").stat().st_mode
