from __future__ import annotations

import numpy as np
import pytest
import tifffile

from monai_denoiseg.data.tiff_meta import read_spacing


@pytest.mark.parametrize(("unit", "name", "size"), [(2, "inch", 1 / 300), (3, "cm", 1 / 300)])
def test_spacing_of_plain_tags(tmp_path, unit, name, size):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), "u1"), resolution=(300, 300), resolutionunit=unit, metadata=None)
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
