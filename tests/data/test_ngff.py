"""OME-Zarr metadata; reading them from files is tested with the lazy image."""

from __future__ import annotations

from pathlib import Path

import pytest
import zarr

from monai_denoiseg.data.ngff import is_zarr, ngff_attributes, open_ngff


@pytest.mark.parametrize("unit", ["um", "nm", "mm", None, "parsec"])
def test_units_come_back(tmp_path: Path, unit: str | None) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("0", shape=(2, 4, 5), dtype="uint8")
    group.attrs.update(ngff_attributes("a", "CYX", {"Y": 2.0, "X": 3.0}, unit))
    image = open_ngff(tmp_path / "a.zarr")
    assert (image.axes, image.spacing, image.unit) == ("CYX", {"Y": 2.0, "X": 3.0}, unit)


def test_units_are_spelt_as_ngff_wants_them() -> None:
    (image,) = ngff_attributes("a", "TCZYX", {}, "um")["ome"]["multiscales"]
    assert [axis.get("unit") for axis in image["axes"]] == [None, None, "micrometer", "micrometer", "micrometer"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_is_zarr(tmp_path: Path, zarr_format: int) -> None:
    zarr.open_group(str(tmp_path / "group"), mode="w", zarr_format=zarr_format)  # type: ignore[arg-type]
    zarr.create_array(str(tmp_path / "array"), shape=(3,), dtype="uint8", zarr_format=zarr_format)  # type: ignore[arg-type]
    assert is_zarr(tmp_path / "group")
    assert is_zarr(tmp_path / "array")
    assert not is_zarr(tmp_path)
    assert not is_zarr(tmp_path / "missing.zarr")
