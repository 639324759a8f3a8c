from __future__ import annotations

import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import FileReader
from monai_denoiseg.data.tiff_meta import read_spacing


@pytest.mark.parametrize(("unit", "name", "size"), [(2, "inch", 1 / 400), (3, "cm", 1 / 400)])
def test_spacing_of_plain_tags(tmp_path, unit, name, size):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), "u1"), resolution=(400, 400), resolutionunit=unit, metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        spacing, read_unit = read_spacing(tif, "YX")
        assert spacing == pytest.approx((size, size)) and read_unit == name
        assert read_spacing(tif, "ZYX") == (None, None)  # the distance of the slices is not known


def test_spacing_of_ome_without_z_is_unknown(tmp_path):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((2, 6, 5), "u1"), metadata=metadata)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert read_spacing(tif, "ZYX") == (None, None)
        assert read_spacing(tif, "CYX") == ((0.1, 0.1), "um")


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_the_resolution_of_a_print_is_no_voxel_size(tmp_path, dims, dpi):
    image = np.zeros((2, 4, 4)[-dims:], "u1")
    options = {"resolution": (dpi, dpi), "resolutionunit": 2}
    tifffile.imwrite(tmp_path / "plain.tif", image, metadata=None, **options)
    tifffile.imwrite(tmp_path / "ij.tif", image, imagej=True, metadata={"axes": "ZYX"[-dims:], "unit": "inch"}, **options)
    assert "spacing" not in FileReader("ZYX"[-dims:], spatial_dims=dims).read(tmp_path / "plain.tif")[0].meta
    meta = FileReader(spatial_dims=dims).read(tmp_path / "ij.tif")[0].meta  # somebody says that it is the size
    assert meta["unit"] == "inch" and meta["spacing"][-1] == pytest.approx(1 / dpi)


def ome(path, axes, units):
    metadata = {"axes": axes, **{f"PhysicalSize{axis}": 2.0 for axis in axes}}
    tifffile.imwrite(path, np.zeros((2, 6, 5)[-len(axes) :], "u1"), metadata=metadata | units)
    return FileReader(spatial_dims=len(axes)).read(path)[0].meta


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_axes_of_ome_in_several_units(tmp_path, axes, caplog):
    first = axes[0]
    same = ome(tmp_path / "a.ome.tif", axes, {f"PhysicalSize{first}Unit": "mm"})
    assert same["spacing"] == (2000.0, *[2.0] * (len(axes) - 1)) and same["unit"] == "um"
    other = ome(
        tmp_path / "b.ome.tif", axes, {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm", f"PhysicalSize{first}Unit": "in"}
    )
    assert other["spacing"][0] == pytest.approx(2 * 25.4e6) and other["unit"] == "nm"
    for unit in ("pixel", "reference frame"):
        assert "spacing" not in ome(tmp_path / "c.ome.tif", axes, {f"PhysicalSize{axis}Unit": unit for axis in axes})
        assert "its voxel size is unknown" in caplog.text
