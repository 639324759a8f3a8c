"""Loading by axes: frames, planes, stacks and time; the rest is in test_load.py."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
from monai.data import DataLoader
from monai.transforms import Flip

from monai_denoiseg.data import LoadItemd


@pytest.fixture
def save(tmp_path):
    def write(name, array, **options):
        tifffile.imwrite(tmp_path / name, np.asarray(array), photometric="minisblack", **options)
        return str(tmp_path / name)

    return write


def imagej(path, shape, axes, dtype="uint16", **metadata):
    array = np.random.default_rng(0).integers(0, 4, shape).astype(dtype)
    tifffile.imwrite(path, array, imagej=True, resolution=(4, 2), metadata={"axes": axes, "unit": "um", **metadata})
    return str(path), array


@pytest.mark.parametrize(
    ("axes", "dims", "shape"), [("TYX", 2, (4, 6, 5)), ("TCYX", 2, (4, 2, 6, 5)), ("TZCYX", 3, (4, 3, 2, 6, 5))]
)
def test_frames(tmp_path, save, axes, dims, shape):
    path, array = imagej(tmp_path / "i.tif", shape, axes)
    label = array[:, :, 0] if axes == "TZCYX" else array[:, 0] if "C" in axes else array
    clean = save("c.tif", array.astype("f4"), metadata={"axes": axes})
    # Neither the label nor anything in its name says that its pages are frames: its image does.
    data = {"image": path, "label": save("l.tif", label, metadata=None), "clean": clean, "frame": 2}
    if dims == 3:
        data["label"] = save("l.tif", label, metadata={"axes": "TZYX"})
    item = LoadItemd(spatial_dims=dims)(data)
    expected = array[2][None] if "C" not in axes else array[2] if dims == 2 else array[2].transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(item["image"].numpy(), expected)
    np.testing.assert_array_equal(item["clean"].numpy(), expected)
    np.testing.assert_array_equal(item["label"].numpy()[0], label[2])
    assert item["frame"] == 2 and item["spacing"].shape == (dims,)
    with pytest.raises(ValueError, match=r"i\.tif holds 4 separate images along time"):
        LoadItemd(spatial_dims=dims)({"image": path})


def test_a_frame_of_a_file_without_frames(save):
    with pytest.raises(ValueError, match=r"i\.tif has no frame 0; it holds one image, which has no frames"):
        LoadItemd(spatial_dims=2)({"image": save("i.tif", np.ones((5, 4), "u1")), "frame": 0})


def test_planes_stacks_and_time_are_not_guessed(tmp_path, save):
    plane, stack = save("p.tif", np.ones((5, 4), "u1")), save("s.tif", np.ones((3, 5, 4), "u1"))
    with pytest.raises(ValueError, match=r"p\.tif has axes 'YX' .*use the 2D bundle, or pass axes='ZYX'"):
        LoadItemd(spatial_dims=3)({"image": plane})
    item = LoadItemd(spatial_dims=3, axes="ZYX")({"image": plane, "label": save("l.tif", np.zeros((5, 4), "u1"))})
    assert item["image"].shape == item["label"].shape == (1, 1, 5, 4)
    assert LoadItemd(spatial_dims=3)({"image": stack})["image"].shape == (1, 3, 5, 4)
    time, _ = imagej(tmp_path / "t.tif", (3, 5, 4), "TYX")
    with pytest.raises(ValueError, match=r"t\.tif has axes 'TYX' .*3 planes stored as time.*axes='ZYX'"):
        LoadItemd(spatial_dims=3)({"image": time})
    assert LoadItemd(spatial_dims=3, axes="ZYX")({"image": time})["image"].shape == (1, 3, 5, 4)
    volume, _ = imagej(tmp_path / "z.tif", (3, 5, 4), "ZYX")
    with pytest.raises(ValueError, match=r"z\.tif has axes 'ZYX' .*a volume of 3 slices.*axes='TYX'"):
        LoadItemd(spatial_dims=2)({"image": volume})
    assert LoadItemd(spatial_dims=2, axes="TYX")({"image": volume, "frame": 1})["image"].shape == (1, 5, 4)


def test_a_tiff_label_of_a_nifti_image(tmp_path, save):
    stored = np.random.default_rng(0).integers(0, 9, (4, 5, 6)).astype("u1")  # X, Y, Z
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4)), tmp_path / "i.nii.gz")
    image = str(tmp_path / "i.nii.gz")
    item = LoadItemd(spatial_dims=3)({"image": image, "label": save("zyx.tif", stored.T)})
    np.testing.assert_array_equal(item["label"].numpy(), item["image"].numpy())
    data = {"image": image, "label": save("xyz.tif", stored)}
    with pytest.raises(
        ValueError, match=r"label .*xyz\.tif has shape \(4, 5, 6\), but image .* \(6, 5, 4\); it fits with its axes reversed"
    ):
        LoadItemd(spatial_dims=3)(data)
    assert LoadItemd(spatial_dims=3, axes="XYZ")(data)["label"].equal(item["label"])


def test_nifti_batches_and_flips_as_any_monai_image(tmp_path):
    affine = np.array([[0, 2.0, 0, 5], [-1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(np.zeros((7, 6, 5), "i2"), affine), tmp_path / "v.nii.gz")
    item = LoadItemd(spatial_dims=3)({"image": str(tmp_path / "v.nii.gz")})
    assert next(iter(DataLoader([item], batch_size=1)))["image"].shape == (1, 1, 5, 6, 7)
    flipped = Flip(0)(item["image"])  # along z
    np.testing.assert_allclose(flipped.affine.numpy() @ [0, 1, 2, 1], affine @ [2, 1, 4, 1])


@pytest.mark.parametrize("dims", [2, 3])
def test_a_nifti_label_must_lie_where_its_image_lies(tmp_path, dims):
    """The same volume saved in another orientation has the same shape, and would train the wrong voxels."""
    shape, affine = (6, 6, 6)[:dims], np.diag([0.5, 0.5, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.int16), affine), tmp_path / "a.nii.gz")
    flipped, nearly = affine.copy(), affine.copy()
    flipped[0, 0], flipped[0, 3], nearly[0, 3] = -0.5, 2.5, 0.1
    for name, place in (("same", affine), ("nearly", nearly), ("flipped", flipped)):
        nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.uint8), place), tmp_path / f"{name}.nii.gz")
        item = {"image": str(tmp_path / "a.nii.gz"), "label": str(tmp_path / f"{name}.nii.gz")}
        if name == "flipped":
            with pytest.raises(ValueError, match=r"label .*flipped.nii.gz lies up to 2.5 away from image .*a voxel is 0.5"):
                LoadItemd(spatial_dims=dims)(item)
        else:
            assert LoadItemd(spatial_dims=dims)(item)["label"].shape == (1, *shape)
