"""OME-Zarr metadata; reading them from files is tested with the lazy image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from monai_denoiseg.data import FileReader, folder_datalist, inference_datalist, open_lazy, output_stem
from monai_denoiseg.data.ngff import is_zarr, ngff_attributes, open_ngff


@pytest.mark.parametrize("unit", ["um", "nm", "mm", None, "parsec"])
def test_units_come_back(tmp_path: Path, unit: str | None) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("0", shape=(2, 4, 5), dtype="uint8")
    group.attrs.update(ngff_attributes("a", "CYX", {"Y": 2.0, "X": 3.0}, unit))
    image = open_ngff(tmp_path / "a.zarr")
    assert (image.axes, image.spacing, image.unit) == ("CYX", {"Y": 2.0, "X": 3.0}, unit)


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
@pytest.mark.parametrize(("unit", "size"), [("millimeter", 2000.0), ("nanometer", 0.002), ("furlong", None), (None, None)])
def test_axes_in_several_units(
    tmp_path: Path, axes: str, unit: str | None, size: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("0", shape=(2, 4, 5)[-len(axes) :], dtype="uint8")
    attributes = ngff_attributes("a", axes, dict.fromkeys(axes, 2.0), "um")
    first = attributes["ome"]["multiscales"][0]["axes"][0]
    first.pop("unit")
    first |= {} if unit is None else {"unit": unit}
    group.attrs.update(attributes)
    meta = FileReader(spatial_dims=len(axes)).read(tmp_path / "a.zarr")[0].meta
    if size is None:
        assert "spacing" not in meta and "its voxel size is unknown" in caplog.text
    else:
        assert (meta["spacing"], meta["unit"]) == ((size, *[2.0] * (len(axes) - 1)), "um")


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


def plate(path: Path, form: int) -> np.ndarray:
    """A plate of two wells of two fields; returns the fields in their order."""
    fields = np.random.default_rng(0).integers(0, 99, (4, 6, 8)).astype("uint16")
    root = zarr.open_group(str(path), mode="w", zarr_format=form)
    told = lambda group, stored: group.attrs.update(stored if form == 2 else {"ome": {"version": "0.5", **stored}})  # noqa: E731
    told(root, {"plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}, {"path": "B/3"}]}})
    for i, well in enumerate(("A/1", "B/2")):
        group = root.create_group(well)
        told(group, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        for j in range(2):
            field = group.create_group(str(j))
            field.create_array("0", data=fields[2 * i + j])
            axes = [{"name": name, "type": "space"} for name in "yx"]
            told(field, {"multiscales": [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]})
    return fields


@pytest.mark.parametrize("form", [2, 3])
def test_a_plate_and_its_parts(tmp_path, form):
    fields = plate(tmp_path / "p.zarr", form)
    places = ["A/1/0", "A/1/1", "B/2/0", "B/2/1"]
    assert [Path(item["image"]).relative_to(tmp_path).as_posix() for item in inference_datalist(tmp_path / "p.zarr")] == [
        f"p.zarr/{place}" for place in places
    ]
    assert len(inference_datalist(tmp_path)) == 4
    assert len(inference_datalist(tmp_path / "p.zarr" / "A" / "1")) == 2
    assert [output_stem(item["image"]) for item in folder_datalist(tmp_path)] == ["p_A_1_0", "p_A_1_1", "p_B_2_0", "p_B_2_1"]
    for place, field in zip(places, fields, strict=True):
        one = tmp_path / "p.zarr" / place
        assert len(inference_datalist(one)) == 1
        reader = FileReader()
        np.testing.assert_array_equal(reader.get_data(reader.read(one))[0], field)
        with open_lazy(one) as image:
            np.testing.assert_array_equal(image.read(0, (slice(0, 6), slice(0, 8)))[0], field)
    with pytest.raises(ValueError, match=r"group of 4 images \(A/1/0, A/1/1.*give the path of one, e\.g\. .*p\.zarr/A/1/0"):
        open_ngff(tmp_path / "p.zarr")


def test_labels_of_the_fields_of_a_plate(tmp_path):
    plate(tmp_path / "images" / "p.zarr", 2)
    (tmp_path / "labels").mkdir()
    tifffile.imwrite(tmp_path / "labels" / "p_B_2_0.tif", np.zeros((6, 8), "uint8"))
    assert ["label" in item for item in folder_datalist(tmp_path, spatial_dims=2)] == [False, False, True, False]


def test_series_in_the_order_of_their_numbers(tmp_path):
    root = zarr.open_group(str(tmp_path / "bf.zarr"), mode="w", zarr_format=2)
    root.create_group("OME")
    for name in range(11):
        group = root.create_group(str(name))
        group.create_array("0", data=np.full((4, 4), name))
        group.attrs["multiscales"] = [{"version": "0.4", "axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
    stems = [output_stem(item["image"]) for item in inference_datalist(tmp_path / "bf.zarr")]
    assert stems == [f"bf_{i}" for i in range(11)]
