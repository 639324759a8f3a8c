from __future__ import annotations

import numpy as np
import pytest
import zarr

from monai_denoiseg.data.arrays import array_layout, read_array


@pytest.mark.parametrize(
    ("shape", "axes", "dims", "order"),
    [
        ((3, 5, 4), "CYX", 2, (0, 1, 2)),
        ((5, 4, 3), "YXC", 2, (2, 0, 1)),
        ((6, 3, 5, 4), "ZCYX", 3, (1, 0, 2, 3)),
        ((6, 5, 4), None, 3, (0, 1, 2)),
        ((6, 5, 4), "XYZ", 3, (2, 1, 0)),
        ((5, 4), None, 2, (0, 1)),
    ],
)
def test_axes_of_a_numpy_file(tmp_path, shape, axes, dims, order):
    array = np.arange(np.prod(shape), dtype=">u2").reshape(shape)
    np.save(tmp_path / "a.npy", array)
    image = read_array(tmp_path / "a.npy", axes, dims)
    np.testing.assert_array_equal(image.array, array.transpose(order))
    assert image.array.dtype.isnative and image.meta["dtype"] == "uint16" and "spacing" not in image.meta
    assert array_layout(tmp_path / "a.npy", axes, dims).shape == image.array.shape[-dims:]


def test_a_plane_as_one_slice_and_a_frame_beside_axes_left_out(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 4)))
    assert read_array(tmp_path / "a.npy", "ZYX", 3).array.shape == (1, 5, 4)
    array = np.arange(60).reshape(3, 5, 4)
    zarr.create_array(tmp_path / "a.zarr", data=array, dimension_names=list("tyx"))
    np.testing.assert_array_equal(read_array(tmp_path / "a.zarr", "CTZYX", 3, frame=1).array, array[1:2])


def test_axes_for_files_that_name_none(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 5, 4)))
    assert array_layout(tmp_path / "a.npy", spatial_dims=2, unnamed="TYX").frames == 3
    assert array_layout(tmp_path / "a.npy", spatial_dims=3, unnamed="TZYX").shape == (3, 5, 4)  # does not fit: left alone
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((3, 5, 4)), dimension_names=list("zyx"))
    with pytest.raises(ValueError, match="a volume of 3 slices"):  # this one has a name
        array_layout(tmp_path / "a.zarr", spatial_dims=2, unnamed="TYX")


@pytest.mark.parametrize("shape", [(), (4,), (0, 4)])
def test_no_image(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(ValueError, match=r"a\.npy holds no image"):
        read_array(tmp_path / "a.npy")


def test_nothing_there(tmp_path):
    for name in ("a.npy", "a.zarr"):
        with pytest.raises(FileNotFoundError, match=f"{name} does not exist"):
            array_layout(tmp_path / name)
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(ValueError, match=r"b\.zarr is no zarr"):
        array_layout(tmp_path / "b.zarr")
