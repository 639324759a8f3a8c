from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.transforms import Compose, RandFlipd
from PIL import Image
from scipy import ndimage

from monai_denoiseg.data import LoadItemd


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
    with pytest.raises(
        ValueError, match=r"s\.tif has axes 'QYX' of lengths \(3, 5, 4\): 3 planes without a meaning.* pass axes='TYX'"
    ):
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


def imagej(path, shape, axes, dtype="uint16", **metadata):
    array = np.random.default_rng(0).integers(0, 4, shape).astype(dtype)
    tifffile.imwrite(path, array, imagej=True, resolution=(4, 2), metadata={"axes": axes, "unit": "um", **metadata})
    return str(path), array


@pytest.mark.parametrize(("shape", "axes", "expected"), [((6, 5), "YX", [0.5, 0.25]), ((2, 3, 6, 5), "ZCYX", [2.5, 0.5, 0.25])])
def test_spacing(tmp_path, shape, axes, expected):
    path, _ = imagej(tmp_path / "i.tif", shape, axes, **({"spacing": 2.5} if "Z" in axes else {}))
    dims = len(expected)
    item = LoadItemd(spatial_dims=dims)({"image": path})
    assert item["spacing"].dtype == torch.float32 and not isinstance(item["spacing"], MetaTensor)
    assert item["spacing"].tolist() == expected
    given = LoadItemd(spatial_dims=dims, spacing=[3, 1.5, 0.75][:dims])({"image": path})
    assert given["spacing"].tolist() == [3, 1.5, 0.75][:dims]
    assert given["image"].meta["spacing"] == item["image"].meta["spacing"]  # outputs keep what the file says
    batch = next(iter(DataLoader([item, given], batch_size=2)))
    assert batch["spacing"].shape == (2, dims)
    assert RandFlipd("image", prob=1.0)(item)["spacing"] is item["spacing"]


def test_unknown_spacing_is_nan_on_every_axis(save):
    assert LoadItemd()({"image": save("i.tif", np.ones((3, 5, 4), "u1"))})["spacing"].isnan().tolist() == [True] * 3
    given = LoadItemd(spacing=(1, 2, 3))
    assert given({"image": save("i.tif", np.ones((3, 5, 4), "u1"))})["spacing"].tolist() == [1, 2, 3]
    with pytest.raises(
        ValueError, match=r"`spacing` needs one number for each of the 2 spatial axes, .* got \[1\.0, 2\.0, 3\.0\]"
    ):
        given({"image": save("p.tif", np.ones((5, 4), "u1"))})


@pytest.mark.parametrize(
    ("spacing", "dims", "message"),
    [
        (
            [1, 2],
            3,
            r"`spacing` needs one number for each of the 3 spatial axes, for instance \[2\.0, 0\.5, 0\.5\] for Z, Y, X; got",
        ),
        (2.0, 2, r"`spacing` needs one number for each of the 2 spatial axes, for instance \[0\.5, 0\.5\] for Y, X; got 2\.0"),
        ("2,1,1", None, "`spacing` needs one number for each spatial axes"),
        ([1, 0, 1], 3, r"`spacing` must be in \(0, inf\), got 0"),
        ([1, -1], 2, r"`spacing` must be in \(0, inf\), got -1"),
        ([1, float("nan")], 2, r"`spacing` must be in \(0, inf\), got nan"),
        ([1, float("inf")], 2, r"`spacing` must be in \(0, inf\), got inf"),
    ],
)
def test_bad_spacing(spacing, dims, message):
    with pytest.raises(ValueError, match=message):
        LoadItemd(spatial_dims=dims, spacing=spacing)


@pytest.mark.parametrize("shape", [(12, 10), (3, 12, 10)])
def test_class_labels(save, shape):
    label = (instances(shape) > 0).astype("u1") * np.uint8(2)  # one class in two pieces
    label[..., 0, :] = 255
    data = {"image": save("i.tif", np.ones(shape, "u1")), "label": save("l.tif", label)}
    loaded = LoadItemd(classes=["background", "liver", "spleen"])(data)["label"]
    np.testing.assert_array_equal(loaded.numpy()[0], np.where(label == 255, -1, label.astype(int)))
    assert loaded.dtype == torch.int32
    assert LoadItemd(classes=3)(data)["label"].equal(loaded)
    with pytest.raises(ValueError, match=r"label .*l\.tif holds 2, but `classes` has 2 \(0 background, 1 liver\)"):
        LoadItemd(classes=("background", "liver"))(data)
    two = save("c.tif", np.ones((2, *shape[-2:]), "u1"), metadata={"axes": "CYX"})
    with pytest.raises(ValueError, match=r"c\.tif has 2 channels; class labels have one, with a class for each voxel"):
        LoadItemd(classes=3, spatial_dims=2)({"image": save("p.tif", np.ones(shape[-2:], "u1")), "label": two})


@pytest.mark.parametrize("classes", [1, 0, True, [], ["background"]])
def test_one_class_is_none(classes):
    with pytest.raises(ValueError, match="`classes` must be an integer >= 2"):
        LoadItemd(classes=classes)


def test_classes_are_a_list():
    with pytest.raises(
        ValueError, match=r"`classes` must be a list of names, for instance \['background', 'liver'\], got 'liver'"
    ):
        LoadItemd(classes="liver")


def test_labels_that_are_integers_up_to_rounding(tmp_path):
    import nibabel

    stored = np.arange(60, dtype=np.float64).reshape(5, 4, 3) % 4
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4), header), tmp_path / "l.nii.gz")
    nibabel.save(nibabel.Nifti1Image(stored.astype("f4"), np.eye(4)), tmp_path / "i.nii.gz")
    assert np.any(np.asanyarray(nibabel.load(tmp_path / "l.nii.gz").dataobj) != stored), "the header scales them"
    item = {"image": str(tmp_path / "i.nii.gz"), "label": str(tmp_path / "l.nii.gz")}
    for load in (LoadItemd(binary_labels="keep"), LoadItemd(classes=4)):
        np.testing.assert_array_equal(load(item)["label"][0], stored.T)
    for wrong in (0.5, 1.002):
        nibabel.save(nibabel.Nifti1Image(np.where(stored == 1, wrong, stored), np.eye(4)), tmp_path / "l.nii.gz")
        with pytest.raises(ValueError, match=rf"l\.nii\.gz holds {wrong}"):
            LoadItemd(classes=4)(item)
