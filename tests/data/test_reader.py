from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
from monai.data import DataLoader
from monai.transforms import LoadImage
from PIL import Image

from monai_denoiseg.data import FileReader, image_shape, label_to_int, split_name


def load(path, **options):
    return LoadImage(image_only=True, ensure_channel_first=True)(path, reader=FileReader(**options))


def ramp(shape, dtype):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a.tif", ramp((6, 9), "uint16")),
        ("a.TIFF", ramp((3, 6, 9), "float32")),
        ("a.png", ramp((6, 9), "uint8")),
        ("a.PNG", ramp((6, 9), "uint16")),
        ("a.bmp", ramp((6, 9), "uint8")),
        ("a.npy", ramp((3, 6, 9), "int32")),
        ("a.nii.gz", ramp((3, 6, 9), "int16")),
        ("a.nii", ramp((6, 9), "float32")),
    ],
)
def test_values_axes_dtype_and_shape_of_every_format(tmp_path, name, array):
    path = tmp_path / name
    suffix = split_name(path)[1]
    if suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, array, photometric="minisblack")
    elif suffix == ".npy":
        np.save(path, array)
    elif "nii" in suffix:
        nibabel.save(nibabel.Nifti1Image(array, np.diag([2.0, 3, 4, 1])), path)
    else:
        Image.fromarray(array).save(path)
    image = load(path)
    np.testing.assert_array_equal(image.numpy(), array[None].astype("f4"))
    assert image.meta["dtype"] == array.dtype.name
    assert image_shape(path) == array.shape == tuple(image.meta["spatial_shape"])
    assert FileReader().verify_suffix(path)
    assert next(iter(DataLoader([{"image": image}], batch_size=1)))["image"].shape == (1, *image.shape)


def test_nifti_keeps_its_affine(tmp_path):
    affine = np.array([[0, 2.0, 0, 5], [1.5, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(ramp((3, 4, 5), "uint8"), affine), tmp_path / "a.nii.gz")
    np.testing.assert_allclose(load(tmp_path / "a.nii.gz").affine.numpy(), affine)


def test_jpeg_is_y_by_x(tmp_path):
    Image.fromarray(np.repeat(np.arange(6, dtype="u1")[:, None] * 40, 9, 1)).save(tmp_path / "a.jpg", quality=100)
    image = load(tmp_path / "a.jpg")
    assert image.shape == (1, 6, 9) and (image[0, 5] > image[0, 0] + 100).all()


def test_colours_and_opacity(tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (6, 9, 4), dtype=np.uint8)
    for mode, channels in (("RGB", 3), ("RGBA", 3), ("L", 1), ("LA", 1)):
        Image.fromarray(colours, "RGBA").convert(mode).save(tmp_path / "a.png")
        image = load(tmp_path / "a.png")
        assert image.shape == (channels, 6, 9)
        if channels == 3:
            np.testing.assert_array_equal(image.numpy(), colours[..., :3].transpose(2, 0, 1))


def test_palette_is_colour_or_index(tmp_path):
    index = ramp((6, 9), "uint8")
    palette = Image.fromarray(index, "P")
    palette.putpalette([value for i in range(256) for value in (255 - i, i, 7)])
    palette.save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path / "a.png").numpy()[:2], [255.0 - index, index])
    np.testing.assert_array_equal(load(tmp_path / "a.png", palette="index").numpy()[0], index)


def test_one_bit_image(tmp_path):
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "a.png")
    image = load(tmp_path / "a.png")
    assert image.meta["dtype"] == "bool"
    np.testing.assert_array_equal(image.numpy()[0], np.eye(8))


@pytest.mark.parametrize("function", [image_shape, lambda path: FileReader().read(path)])
def test_bad_files(tmp_path, function):
    with pytest.raises(ValueError, match=r"a\.czi: unsupported file format; supported are \.bmp"):
        function(tmp_path / "a.czi")
    for suffix in ("tif", "png", "npy", "nii"):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / f"none.{suffix}")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.ome.tif", "a"), ("a.OME.TIFF", "a"), ("a.nii.gz", "a"), ("a.b.c.tif", "a.b.c"), ("a.gz", "a.gz")],
)
def test_stem(name, expected):
    assert split_name(name)[0] == expected


@pytest.mark.parametrize(
    ("dtype", "stored", "expected"),
    [
        ("uint8", [0, 254, 255], [0, 254, -1]),
        ("uint16", [0, 255, 65535], [0, 255, -1]),
        ("uint32", [0, 65535, 2**32 - 1], [0, 65535, -1]),
        ("int8", [0, 127, -128], [0, 127, -1]),
        ("int32", [0, 2**31 - 1, -1], [0, 2**31 - 1, -1]),
        ("float32", [0, 300, -2], [0, 300, -1]),
        ("bool", [0, 1, 1], [0, 1, 1]),
    ],
)
def test_ignore_value_by_data_type(dtype, stored, expected):
    for array in (np.array(stored, dtype), np.array(stored, "float64")):
        labels = label_to_int(array, dtype)
        assert labels.dtype == np.int32 and labels.tolist() == expected


def test_explicit_ignore_value_replaces_the_rule():
    assert label_to_int(np.array([0, 99, 255]), "uint8", ignore_value=99).tolist() == [0, -1, 255]
    assert label_to_int(np.array([0, -2]), "int16", ignore_value=-2).tolist() == [0, -1]
    with pytest.raises(ValueError, match=r"holds -1; only ignore_value .-2. may be negative"):
        label_to_int(np.array([0, -1, -2]), "int16", ignore_value=-2)


@pytest.mark.parametrize(("value", "message"), [(0.5, "holds 0.5; instance"), (np.nan, "holds nan"), (2.0**40, "below 2")])
def test_labels_that_are_none(value, message):
    with pytest.raises(ValueError, match=f"label a.tif.*{message}"):
        label_to_int(np.array([1.0, value]), "float64", name="label a.tif")


def test_empty_label_stays_empty():
    assert label_to_int(np.zeros((0, 4)), "uint8").shape == (0, 4)
    assert not label_to_int(np.zeros((4, 4)), "uint8").any()
