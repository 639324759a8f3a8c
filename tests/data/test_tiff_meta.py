from __future__ import annotations

import numpy as np
import pytest
import tifffile

from monai_denoiseg.data.tiff_meta import arrange, read_spacing, spacing_to_affine


@pytest.mark.parametrize(
    ("shape", "axes", "letters", "order"),
    [
        ((4, 5), "YX", "YX", (0, 1)),
        ((4, 5), "XY", "YX", (1, 0)),
        ((3, 4, 5), "IYX", "ZYX", (0, 1, 2)),
        ((3, 4, 5), "QYX", "ZYX", (0, 1, 2)),
        ((3, 4, 5), "TYX", "TYX", (0, 1, 2)),
        ((3, 2, 4, 5), "ZCYX", "CZYX", (1, 0, 2, 3)),
        ((4, 5, 3), "YXS", "SYX", (2, 0, 1)),
        ((1, 7, 1, 1, 5), "TZCYX", "ZYX", (1, 3, 4)),
    ],
)
def test_arrange(shape, axes, letters, order):
    arrangement = arrange(shape, axes, "a.tif")
    assert (arrangement.letters, arrangement.order) == (letters, order)
    assert arrangement.shape == tuple(shape[i] for i in order if axes[i] not in "CS")
    assert arrangement.has_channel == (letters[0] in "CS")


@pytest.mark.parametrize(("axes", "kind"), [("CYXS", "channel"), ("TZYX", "stack"), ("QQYX", "stack")])
def test_arrange_refuses_to_guess(axes, kind):
    with pytest.raises(ValueError, match=f"a.tif .*{kind} axis"):
        arrange((2, 3, 4, 5), axes, "a.tif")


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


def test_affine():
    np.testing.assert_array_equal(spacing_to_affine((3, 2, 1), 3), np.diag([3, 2, 1, 1]))
    np.testing.assert_array_equal(spacing_to_affine(None, 2), np.eye(3))
