from __future__ import annotations

import os
import pickle
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from monai.data import CacheDataset, MetaTensor
from monai.transforms import Compose, RandFlipd
from PIL import Image
from scipy import ndimage

from monai_denoiseg.data import LoadItemd, SavePredictiond


@pytest.fixture
def save(tmp_path):
    def write(name, array, **options):
        tifffile.imwrite(tmp_path / name, np.asarray(array), photometric="minisblack", **options)
        return str(tmp_path / name)

    return write


def instances(shape=(12, 10), dtype="uint16"):
    label = np.zeros(shape, dtype)
    label[..., 2:5, 2:5], label[..., 7:9, 6:9] = 1, 2
    return label


@pytest.mark.parametrize("shape", [(12, 10), (4, 12, 10), (1, 1), (3, 5)])
def test_loads_image_label_and_clean(save, shape):
    image, label = np.random.default_rng(0).integers(0, 65535, shape, dtype="u2"), np.zeros(shape, "u2")
    label.flat[0] = 5
    data = {"image": save("i.tif", image), "label": save("l.tif", label), "clean": save("c.tif", image.astype("f4")), "name": "x"}
    item = LoadItemd(channels=1, spatial_dims=len(shape))(data)
    assert isinstance(item["image"], MetaTensor) and item["image"].dtype == item["clean"].dtype == torch.float32
    assert item["label"].dtype == torch.int32 and item["name"] == "x"
    for key, array in (("image", image), ("label", label), ("clean", image)):
        np.testing.assert_array_equal(item[key].numpy(), array[None])
    assert data["image"].endswith("i.tif")  # the item given is left alone


def test_missing_label_stays_missing_and_missing_image_is_an_error(save):
    path = save("i.tif", np.ones((4, 4), "u1"))
    assert "label" not in LoadItemd()({"image": path})
    with pytest.raises(KeyError, match="without 'image'"):
        LoadItemd()({"label": path})


def test_an_empty_label_is_an_annotated_empty_image(save):
    item = LoadItemd()({"image": save("i.tif", np.ones((4, 4), "u1")), "label": save("l.tif", np.zeros((4, 4), "u1"))})
    assert item["label"].eq(0).all()


@pytest.mark.parametrize(
    ("dtype", "ignored"), [("uint8", 255), ("uint16", 65535), ("uint32", 2**32 - 1), ("int16", -3), ("float32", -1)]
)
def test_ignored_voxels_become_minus_one(save, dtype, ignored):
    label = instances(dtype=dtype)
    label[0] = ignored
    item = LoadItemd()({"image": save("i.tif", np.ones((12, 10), "u1")), "label": save("l.tif", label)})
    expected = np.where(np.arange(12)[:, None] == 0, -1, instances(dtype="int32"))
    np.testing.assert_array_equal(item["label"].numpy()[0], expected)


def test_large_labels_are_exact(save):
    label = np.zeros((4, 4), "u4")
    label[0, :2] = 2**24 + 1, 2**24 + 2  # float32 cannot tell these apart
    item = LoadItemd()({"image": save("i.tif", np.ones((4, 4), "u1")), "label": save("l.tif", label)})
    assert item["label"].unique().tolist() == [0, 2**24 + 1, 2**24 + 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_image_names_file_and_count(save, bad):
    image = np.ones((4, 4), "f4")
    image[0, :3] = bad
    with pytest.raises(ValueError, match=r"image .*i\.tif holds 3 values that are NaN or infinite"):
        LoadItemd()({"image": save("i.tif", image)})
    with pytest.raises(ValueError, match=r"c\.tif holds 3"):
        LoadItemd()({"image": save("j.tif", np.ones((4, 4))), "clean": save("c.tif", image)})


def test_fractional_label(save):
    with pytest.raises(ValueError, match=r"label .*l\.tif holds 0\.5; instance labels must be integers"):
        LoadItemd()({"image": save("i.tif", np.ones((4, 4), "u1")), "label": save("l.tif", np.full((4, 4), 0.5, "f4"))})


@pytest.mark.parametrize("key", ["label", "clean"])
def test_shapes_that_differ_name_both_files(save, key):
    with pytest.raises(ValueError, match=rf"{key} .*o\.tif has shape \(4, 5\), but image .*i\.tif has \(5, 4\)"):
        LoadItemd()({"image": save("i.tif", np.ones((5, 4), "u1")), key: save("o.tif", np.zeros((4, 5), "u1"))})


def test_wrong_channels_and_axes_tell_the_way_out(save):
    path = save("i.tif", np.ones((3, 5, 4), "u1"), metadata={"axes": "CYX"})
    with pytest.raises(ValueError, match="has 3 channels, but `in_channels` is 1; pass --in_channels 3"):
        LoadItemd(channels=1)({"image": path})
    stack = save("s.tif", np.ones((3, 5, 4), "u1"))
    with pytest.raises(ValueError, match=r"has 3 spatial axes \(3, 5, 4\), but `spatial_dims` is 2; .* pass axes="):
        LoadItemd(spatial_dims=2)({"image": stack})
    assert LoadItemd(spatial_dims=2, channels=3, axes="CYX")({"image": stack})["image"].shape == (3, 5, 4)


def test_axes_of_a_label_leave_out_the_channel(save):
    data = {"image": save("i.tif", np.ones((2, 12, 10), "u1")), "label": save("l.tif", instances())}
    assert LoadItemd(axes="CYX")(data)["label"].shape == (1, 12, 10)


def test_label_with_channels(save):
    data = {
        "image": save("i.tif", np.ones((4, 5), "u1")),
        "label": save("l.tif", np.ones((2, 4, 5), "u1"), metadata={"axes": "CYX"}),
    }
    with pytest.raises(ValueError, match="has 2 channels; instance labels have one"):
        LoadItemd()(data)


@pytest.mark.parametrize("shape", [(12, 10), (3, 12, 10)])
@pytest.mark.parametrize("value", [1, 255])
def test_masks(save, shape, value):
    mask = (instances(shape) > 0).astype("u1") * np.uint8(value)
    data = {"image": save("i.tif", np.ones(shape, "u1")), "label": save("l.tif", mask)}
    with pytest.raises(ValueError, match=r'label .*l\.tif holds .* as a mask does; .*binary_labels="components"'):
        LoadItemd()(data)
    components = LoadItemd(binary_labels="components")(data)["label"].numpy()[0]
    np.testing.assert_array_equal(components, ndimage.label(mask)[0])
    np.testing.assert_array_equal(LoadItemd(binary_labels="keep")(data)["label"].numpy()[0], mask > 0)
    if value == 255:
        ignoring = LoadItemd(ignore_value=255)(data)["label"].numpy()[0]
        np.testing.assert_array_equal(ignoring, np.where(mask > 0, -1, 0))


def test_what_is_no_mask(save):
    image = save("i.tif", np.ones((12, 10), "u1"))
    one = (instances() == 1).astype("u1")
    assert LoadItemd()({"image": image, "label": save("one.tif", one)})["label"].sum() == 9
    everything_ignored = np.full((12, 10), 255, "u1")
    assert LoadItemd()({"image": image, "label": save("none.tif", everything_ignored)})["label"].eq(-1).all()
    partly = instances(dtype="u1")
    partly[0] = 255
    assert LoadItemd()({"image": image, "label": save("some.tif", partly)})["label"].unique().tolist() == [-1, 0, 1, 2]
    both = LoadItemd(binary_labels="components")({"image": image, "label": save("both.tif", instances())})
    np.testing.assert_array_equal(both["label"].numpy()[0], instances())


def test_components_keep_ignored_voxels(save):
    mask = (instances() > 0).astype("i2")
    mask[0] = -1
    data = {"image": save("i.tif", np.ones((12, 10), "u1")), "label": save("l.tif", mask)}
    label = LoadItemd(binary_labels="components")(data)["label"].numpy()[0]
    assert (label[0] == -1).all() and label[1:].max() == 2 and label[1:].min() == 0


def test_palette_label_and_colour_image_from_png(tmp_path):
    label = Image.fromarray(instances(dtype="u1"), "P")
    label.putpalette([9] * 768)  # all colours equal: only the index tells the objects apart
    label.save(tmp_path / "l.png")
    Image.fromarray(np.zeros((12, 10, 3), "u1")).save(tmp_path / "i.png")
    item = LoadItemd(channels=3, spatial_dims=2)({"image": str(tmp_path / "i.png"), "label": str(tmp_path / "l.png")})
    np.testing.assert_array_equal(item["label"].numpy()[0], instances())


def test_nifti_keeps_affine(tmp_path):
    affine = np.diag([1.0, 2, 3, 1])
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), "f4"), affine), tmp_path / "i.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), "u1"), affine), tmp_path / "l.nii.gz")
    item = LoadItemd(spatial_dims=3)({"image": str(tmp_path / "i.nii.gz"), "label": str(tmp_path / "l.nii.gz")})
    np.testing.assert_array_equal(item["image"].affine.numpy(), affine)
    assert item["label"].shape == (1, 4, 5, 6)


def test_is_an_ordinary_transform(save):
    data = [{"image": save(f"i{i}.tif", np.full((4, 4), i, "u1"))} for i in range(3)]
    transform = Compose([pickle.loads(pickle.dumps(LoadItemd())), RandFlipd("image", prob=1.0, spatial_axis=0)])
    cached = CacheDataset(data, transform, progress=False)
    assert [int(item["image"].max()) for item in cached] == [0, 1, 2]


def test_bad_option():
    with pytest.raises(ValueError, match="did you mean 'components'"):
        LoadItemd(binary_labels="component")


@pytest.mark.skipif("DENOISEG_DATA" not in os.environ, reason="DENOISEG_DATA names no folder of real images")
def test_real_images():
    root = Path(os.environ["DENOISEG_DATA"], "dsb2018/dev-test")
    path = min((root / "images").glob("*.tif"))
    item = LoadItemd(channels=1, spatial_dims=2)({"image": str(path), "label": str(root / "masks" / path.name)})
    np.testing.assert_array_equal(item["label"].numpy()[0], tifffile.imread(root / "masks" / path.name))


def test_nifti_slice_with_a_third_axis_is_2d(tmp_path: Path) -> None:
    values = np.arange(20, dtype=np.float32).reshape(4, 5, 1)
    affine = np.diag([0.5, 0.25, 3.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "slice.nii.gz")
    item = LoadItemd(spatial_dims=2)({"image": str(tmp_path / "slice.nii.gz")})
    assert item["image"].shape == (1, 4, 5)
    np.testing.assert_array_equal(item["image"][0], values[..., 0])
    SavePredictiond(tmp_path, {"image": "denoised"}, label_keys=())(item)
    written = nibabel.load(tmp_path / "slice_denoised.nii.gz")
    assert written.shape == (4, 5, 1)
    np.testing.assert_array_equal(written.affine, affine)
    with pytest.raises(ValueError, match="spatial axes"):
        LoadItemd(spatial_dims=2)({"image": _nifti(tmp_path / "volume.nii.gz", (4, 5, 2))})


def _nifti(path: Path, shape: tuple[int, ...]) -> str:
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.float32), np.eye(4)), path)
    return str(path)
