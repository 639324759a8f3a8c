"""Sinks: what is written by windows is what readers find, and appears only when complete."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from monai_denoiseg.data import open_lazy, open_sink
from monai_denoiseg.data.sinks import Sink, chunk_shape, part_path, remove

FORMATS = [("tiff", "a.tif"), ("ome-zarr", "a.ome.zarr")]


def windows(shape: Sequence[int], tile: Sequence[int]) -> list[tuple[slice, ...]]:
    spans = [[slice(i, min(i + t, n)) for i in range(0, n, t)] for n, t in zip(shape, tile, strict=True)]
    return list(itertools.product(*spans))


def fill(sink: Sink, data: np.ndarray, tile: Sequence[int]) -> None:
    for frame in range(len(data)):
        for window in reversed(windows(data.shape[2:], tile)):
            sink.write(frame, window, data[(frame, slice(None), *window)])


@pytest.mark.parametrize(("form", "name"), FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "uint8", "uint16", "uint32"])
@pytest.mark.parametrize("shape", [(1, 1, 5, 20, 18), (2, 3, 5, 20, 18), (1, 2, 1, 7, 9), (3, 1, 20, 18), (1, 2, 20, 18)])
def test_round_trip(tmp_path: Path, form: str, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    dims = len(shape) - 2
    spacing = (2.0, 0.5, 0.25)[-dims:]
    for edges in ((3, 8, 18), (2, 7, 5)):  # 18: whole rows, which are written together
        tile = edges[-dims:]
        sink = open_sink(tmp_path / name, shape, dtype, form, tile=tile, spacing=spacing, unit="um")
        fill(sink, data, tile)
        sink.finish()
        axes = "ZYX" if shape[2:3] == (1,) and dims == 3 and form == "tiff" else None
        with open_lazy(tmp_path / name, None if axes is None else "ZCYX", spatial_dims=dims) as image:
            assert (image.shape, image.dtype) == (shape, np.dtype(dtype))
            assert image.unit == "um"
            assert image.spacing == pytest.approx(spacing)
            whole = tuple(slice(0, n) for n in shape[2:])
            np.testing.assert_array_equal(np.stack([image.read(i, whole) for i in range(shape[0])]), data)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("form", "name"), FORMATS)
def test_appears_only_when_complete_and_replaces_the_old(tmp_path: Path, form: str, name: str) -> None:
    data = np.ones((1, 1, 8, 8), "uint16")
    for value in (1, 2):
        sink = open_sink(tmp_path / name, data.shape, "uint16", form, tile=(4, 8))
        fill(sink, data * value, (4, 8))
        assert (tmp_path / name).exists() == (value == 2)
        sink.finish()
        with open_lazy(tmp_path / name) as image:
            assert (image.read(0, (slice(0, 8), slice(0, 8))) == value).all()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("form", "name"), FORMATS)
def test_goes_on_or_begins_anew(tmp_path: Path, form: str, name: str) -> None:
    data = np.full((1, 1, 8, 8), 7, "uint16")
    left, right = windows((8, 8), (8, 4))
    options: dict[str, Any] = {"tile": (8, 4)}
    for resume, expected in ((True, 7), (False, 0)):
        open_sink(tmp_path / name, data.shape, "uint16", form, **options).write(0, left, data[(0, slice(None), *left)])
        sink = open_sink(tmp_path / name, data.shape, "uint16", form, resume=resume, **options)
        sink.write(0, right, data[(0, slice(None), *right)])
        sink.finish()
        with open_lazy(tmp_path / name) as image:
            whole = image.read(0, (slice(0, 8), slice(0, 8)))[0]
        assert (whole[:, 4:] == 7).all()
        assert (whole[:, :4] == expected).all()


def test_ngff_metadata(tmp_path: Path) -> None:
    sink = open_sink(
        tmp_path / "a.ome.zarr", (2, 3, 5, 20, 18), "float32", "ome-zarr", tile=(5, 8, 8), spacing=(2, 1, 1), unit="um"
    )
    sink.finish()
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")
    assert group.metadata.zarr_format == 3
    ome: Any = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (image,) = ome["multiscales"]
    assert [axis["name"] for axis in image["axes"]] == list("tczyx")
    assert [axis["type"] for axis in image["axes"]] == ["time", "channel", "space", "space", "space"]
    assert [axis.get("unit") for axis in image["axes"]] == [None, None, *["micrometer"] * 3]
    assert image["datasets"] == [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 2, 1, 1]}]}]
    array: Any = group["0"]
    assert array.metadata.dimension_names == ("t", "c", "z", "y", "x")
    assert array.chunks == (1, 1, 5, 8, 8)


def test_small_tiff_is_an_imagej_hyperstack_and_large_is_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_denoiseg.data import sinks

    size: Any = {"spacing": (2, 0.5, 0.5), "unit": "um"}

    def look() -> tifffile.TiffFile:
        open_sink(tmp_path / "a.tif", (1, 2, 5, 20, 18), "float32", "tiff", tile=(5, 20, 18), **size).finish()
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.series[0].axes == "ZCYX"
            assert tif.series[0].dataoffset is not None
        return tif

    tif = look()
    assert tif.is_imagej
    assert not tif.is_bigtiff
    monkeypatch.setattr(sinks, "CLASSIC_LIMIT", 1000)
    tif = look()
    assert tif.is_ome
    assert tif.is_bigtiff
    with open_lazy(tmp_path / "a.tif") as image:
        assert image.spacing == (2, 0.5, 0.5)


@pytest.mark.parametrize(
    ("tile", "axes", "chunks"),
    [((64, 128, 128), "ZYX", [64, 128, 128]), ((96, 1024, 768), "ZYX", [48, 256, 256]), ((1, 509), "YX", [1, 509])],
)
def test_chunks_divide_tiles(tile: tuple[int, ...], axes: str, chunks: list[int]) -> None:
    assert chunk_shape(tile, axes) == chunks


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`output_format` must be one of 'ome-zarr', 'tiff', got 'tif'"):
        open_sink(tmp_path / "a", (1, 1, 4, 4), "uint8", "tif", tile=(4, 4))


def test_remove(tmp_path: Path) -> None:
    part_path(tmp_path / "a").mkdir()
    (tmp_path / "b").touch()
    remove(part_path(tmp_path / "a"))
    remove(tmp_path / "b")
    remove(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []
