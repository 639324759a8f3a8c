from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from monai.data import DataLoader
from monai.transforms import LoadImage
from PIL import Image

from monai_denoiseg.data import FileReader, image_layout, image_shape, split_name


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
        nibabel.save(nibabel.Nifti1Image(array.T, np.diag([2.0, 3, 4, 1])), path)  # X, Y, Z on disk
    else:
        Image.fromarray(array).save(path)
    image = load(path)
    np.testing.assert_array_equal(image.numpy(), array[None].astype("f4"))
    assert image.meta["dtype"] == array.dtype.name
    assert image_shape(path) == array.shape == tuple(image.meta["spatial_shape"])
    assert FileReader().verify_suffix(path)
    assert next(iter(DataLoader([{"image": image}], batch_size=1)))["image"].shape == (1, *image.shape)


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


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".npy", ".zarr", ".nii.gz"])
def test_one_frame_of_every_format(tmp_path, suffix):
    array = ramp((4, 3, 2, 6, 9), "uint16")  # T, Z, C, Y, X
    path = tmp_path / f"a{suffix}"
    if suffix.endswith("tif"):
        tifffile.imwrite(path, array, metadata={"axes": "TZCYX"}, ome=suffix == ".ome.tif", photometric="minisblack")
    elif suffix == ".npy":
        np.save(path, array)
    elif suffix == ".zarr":
        zarr.create_array(path, data=array, dimension_names=list("tzcyx"))
    else:
        nibabel.save(nibabel.Nifti1Image(array.transpose(4, 3, 1, 0, 2), np.eye(4)), path)
    axes = "TZCYX" if suffix in (".npy", ".nii.gz") else None
    layout = image_layout(path, axes, spatial_dims=3)
    assert (layout.shape, layout.frames, layout.letters) == ((3, 6, 9), 4, "CZYX")
    reader = FileReader(axes, spatial_dims=3, frame=2)
    read, meta = reader.get_data(reader.read(path))
    np.testing.assert_array_equal(read, array[2].transpose(1, 0, 2, 3))
    assert meta["axes"] == "CZYX" and tuple(meta["spatial_shape"]) == (3, 6, 9) and meta["dtype"] == "uint16"
    with pytest.raises(ValueError, match=r"has no frame 4; it holds 4 separate images, frames 0 to 3"):
        FileReader(axes, spatial_dims=3, frame=4).read(path)


def test_pictures_are_planes(tmp_path):
    Image.fromarray(ramp((6, 9), "uint8")).save(tmp_path / "a.png")
    for function in (
        lambda: FileReader(spatial_dims=3).read(tmp_path / "a.png"),
        lambda: image_layout(tmp_path / "a.png", None, 3),
    ):
        with pytest.raises(ValueError, match=r"a\.png has axes 'YX' .*a plane with 2 spatial axes"):
            function()
    with pytest.raises(ValueError, match=r"a\.png has no frame 1; it holds one image"):
        FileReader(spatial_dims=2, frame=1).read(tmp_path / "a.png")


def test_ome_zarr(tmp_path):
    array = ramp((2, 3, 6, 9), "uint16")
    group = zarr.create_group(tmp_path / "a.ome.zarr")
    group.create_array("0", data=array)
    scale = {"type": "scale", "scale": [1, 2.0, 0.5, 0.25]}
    space = [{"name": letter, "type": "space", "unit": "micrometer"} for letter in "zyx"]
    axes = [{"name": "c", "type": "channel"}, *space]
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    image = load(tmp_path / "a.ome.zarr", spatial_dims=3)
    np.testing.assert_array_equal(image.numpy(), array)
    assert image.meta["spacing"] == (2, 0.5, 0.25) and image.meta["unit"] == "um"
    assert image_shape(tmp_path / "a.ome.zarr", spatial_dims=3) == (3, 6, 9)
    assert split_name(tmp_path / "a.ome.zarr") == ("a", ".ome.zarr")


def test_values_that_are_no_numbers(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((6, 9), complex))
    colours = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), tmp_path / "a.nii.gz")
    for name in ("a.npy", "a.nii.gz"):
        with pytest.raises(ValueError, match=rf"{name} holds values of type .*; integers and real numbers can be read"):
            FileReader().read(tmp_path / name)
