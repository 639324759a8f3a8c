from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from monai.data import DataLoader, MetaTensor
from monai.transforms import LoadImage, LoadImaged, SaveImage
from PIL import Image

from monai_denoiseg.data import TiffReader, TiffWriter, image_shape


def read(path, axes=None):
    reader = TiffReader(axes)
    assert reader.verify_suffix(path)
    return reader.get_data(reader.read(path))


def write(path, array, channel_dim=0, meta=None, **options):
    writer = TiffWriter(**options)
    writer.set_data_array(array, channel_dim=channel_dim)
    writer.set_metadata(meta)
    writer.write(path)
    return path


def random_array(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    array = rng.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)
    array.flat[0], array.flat[-1] = info.min, info.max
    return array


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 7, 5), (1, 4, 7, 5), (2, 7, 5), (3, 4, 7, 5), (5, 7, 6)])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_round_trip_is_exact(tmp_path, dtype, shape, name):
    if name == "a.ome.tif" and dtype == "int64":
        pytest.skip("OME has no 64-bit integers")
    array = random_array(shape, dtype)
    back, meta = read(write(tmp_path / name, array))
    expected = array if shape[0] > 1 else array[0]
    assert back.dtype == array.dtype and meta["dtype"] == dtype
    np.testing.assert_array_equal(back, expected)
    assert meta["original_channel_dim"] == (0 if shape[0] > 1 else "no_channel")
    assert tuple(meta["spatial_shape"]) == shape[1:] == image_shape(tmp_path / name)


def test_page_order_is_z_and_rows_are_y(tmp_path):
    array = np.zeros((3, 6, 9), np.uint16)
    array[2, 5, 1] = 7
    write(tmp_path / "a.tif", array, channel_dim=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:  # an independent look at the file
        assert len(tif.pages) == 3 and tif.pages[2].asarray()[5, 1] == 7


def test_imagej_metadata_survives(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    array = random_array((5, 2, 12, 10), "uint16")
    metadata = {"axes": "ZCYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(source, array, imagej=True, resolution=(1 / 0.25, 1 / 0.5), metadata=metadata)
    read_array, meta = read(source)
    np.testing.assert_array_equal(read_array, array.transpose(1, 0, 2, 3))
    assert meta["axes"] == "CZYX" and meta["unit"] == "um" and meta["original_channel_dim"] == 0
    np.testing.assert_allclose(meta["affine"], np.diag([2, 0.5, 0.25, 1]), rtol=1e-6)
    write(target, read_array, meta=meta)
    with tifffile.TiffFile(source) as before, tifffile.TiffFile(target) as after:
        assert after.is_imagej and after.series[0].axes == before.series[0].axes == "ZCYX"
        for key in ("spacing", "unit", "slices", "channels"):
            assert after.imagej_metadata[key] == before.imagej_metadata[key], key
        for key in ("XResolution", "YResolution"):
            assert np.divide(*after.pages[0].tags.valueof(key)) == pytest.approx(np.divide(*before.pages[0].tags.valueof(key)))
        np.testing.assert_array_equal(after.asarray(), array)


def test_imagej_leaves_out_a_slice_distance_of_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 4), "u1"), imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    assert read(tmp_path / "a.tif", "ZYX")[1]["spacing"] == (1.0, 0.5, 0.5)


def test_imagej_unit_spelt_with_an_escape(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), "u1"), imagej=True, resolution=(2, 2), metadata={"unit": "\\u00B5m"})
    assert read(tmp_path / "a.tif")[1]["unit"] == "um"


def test_ome_metadata_survives(tmp_path):
    source, target = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    array = random_array((2, 5, 12, 10), "uint16")
    sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.7}
    tifffile.imwrite(source, array, metadata={"axes": "CZYX", **sizes, **{f"{key}Unit": "µm" for key in sizes}})
    read_array, meta = read(source)
    np.testing.assert_array_equal(read_array, array)
    assert meta["spacing"] == (0.7, 0.2, 0.1) and meta["unit"] == "um"
    write(target, read_array.astype("uint32"), meta=meta)
    with tifffile.TiffFile(target) as tif:
        assert tif.is_ome
        for key, size in sizes.items():
            assert f'{key}="{size}"' in tif.ome_metadata and f'{key}Unit="µm"' in tif.ome_metadata
    again, meta_again = read(target)
    np.testing.assert_array_equal(again, array)
    assert meta_again["spacing"] == meta["spacing"]


@pytest.mark.parametrize("spacing", [(2.0, 0.5, 0.25), (0.5, 0.25)])
def test_labels_of_32_bits_keep_the_voxel_size(tmp_path, spacing):
    """ImageJ has no such numbers: the file is tifffile's own, where the size of every axis must stand, in 2D too."""
    meta = {"axes": "ZYX"[-len(spacing) :], "spacing": spacing, "unit": "nm", "affine": np.diag([*spacing, 1])}
    array = random_array((1, *[3, 8, 7][-len(spacing) :]), "uint32")
    back, meta_back = read(write(tmp_path / "a.tif", array, meta=meta))
    np.testing.assert_array_equal(back, array[0])
    assert meta_back["spacing"] == pytest.approx(spacing) and meta_back["unit"] == "nm"


def test_voxel_size_follows_a_changed_affine(tmp_path):
    meta = {"spacing": (1.0, 1.0), "unit": "um", "affine": torch.diag(torch.tensor([0.5, 0.25, 1.0]))}
    assert read(write(tmp_path / "a.tif", np.zeros((1, 4, 4), "u1"), meta=meta))[1]["spacing"] == pytest.approx((0.5, 0.25))


def test_unknown_voxel_size_is_not_invented(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), "u1"))
    meta = read(tmp_path / "a.tif")[1]
    assert "spacing" not in meta and "unit" not in meta
    np.testing.assert_array_equal(meta["affine"], np.eye(3))
    assert all(value is not None for value in meta.values())


def test_time_axis_alone_is_a_stack_and_stays_time(tmp_path):
    array = random_array((4, 6, 5), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "TYX"})
    back, meta = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(back, array)
    write(tmp_path / "b.tif", back, channel_dim=None, meta=meta)
    assert tifffile.TiffFile(tmp_path / "b.tif").series[0].axes == "TYX"


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_rgb_samples_are_channels(tmp_path, planar):
    array = random_array((6, 5, 3), "uint8")
    stored = array if planar == "contig" else np.ascontiguousarray(array.transpose(2, 0, 1))
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    back, meta = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(back, array.transpose(2, 0, 1))
    assert meta["original_channel_dim"] == 0 and image_shape(tmp_path / "a.tif") == (6, 5)
    write(tmp_path / "b.tif", back, meta=meta)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.tif")), array)


def test_palette_gives_stored_numbers(tmp_path):
    array = np.arange(30, dtype=np.uint8).reshape(5, 6)
    colormap = np.zeros((3, 256), np.uint16)
    colormap[1] = np.arange(256) * 256  # the green look-up table of ImageJ
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="palette", colormap=colormap)
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0], array)


def test_big_endian_comes_in_native_order(tmp_path):
    array = random_array((4, 4), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", array, byteorder=">")
    back, meta = read(tmp_path / "a.tif")
    assert back.dtype.isnative and meta["dtype"] == "uint16"
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_lzw_without_imagecodecs(tmp_path, dtype):
    array = random_array((3, 12, 10), dtype)
    pages = [Image.fromarray(page) for page in array]
    pages[0].save(tmp_path / "a.tif", compression="tiff_lzw", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0], array)


def test_pages_written_one_by_one_are_a_stack(tmp_path):
    array = random_array((4, 6, 5), "uint16")
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in array:
            tif.write(page)
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0], array)
    assert image_shape(tmp_path / "a.tif") == (4, 6, 5)


def test_explicit_axes_win(tmp_path):
    array = random_array((3, 6, 5), "float32")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    assert read(tmp_path / "a.tif")[1]["axes"] == "ZYX"
    back, meta = read(tmp_path / "a.tif", axes="cyx")
    assert meta["original_channel_dim"] == 0 and tuple(meta["spatial_shape"]) == (6, 5)
    back, _ = read(tmp_path / "a.tif", axes="XZY")
    np.testing.assert_array_equal(back, array.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("shape", "stored", "axes", "message"),
    [
        ((2, 3, 4, 5), "TZYX", None, "more than one could be the stack axis .T, Z.. Pass axes="),
        ((2, 6, 4, 5), None, None, "has axes 'Q+YX' of lengths .2, 6, 4, 5.: more than one could be the stack"),
        ((3, 4, 5), "ZYX", "YX", "has 3 axes of lengths .3, 4, 5., but axes='YX' names 2"),
        ((3, 4, 5), "ZYX", "ZCX", "one Y and one X are needed"),
    ],
)
def test_ambiguous_axes_are_an_error_that_names_the_file(tmp_path, shape, stored, axes, message):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, "f4"), metadata={"axes": stored} if stored else {})
    for function in (lambda: read(tmp_path / "a.tif", axes), lambda: image_shape(tmp_path / "a.tif", axes)):
        with pytest.raises(ValueError, match=message) as error:
            function()
        assert "a.tif" in str(error.value)


def test_several_different_images_are_an_error(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.zeros((8, 8), "u1"))
        tif.write(np.zeros((6, 6), "u1"))
    with pytest.raises(ValueError, match=r"a\.tif holds 2 different images"):
        read(tmp_path / "a.tif")


def test_lengths_of_one_are_no_ambiguity(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((1, 3, 1, 4, 5), "u2"), imagej=True, metadata={"axes": "TZCYX"})
    assert read(tmp_path / "a.tif")[1]["axes"] == "ZYX"
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((1, 1), "u2"))
    assert read(tmp_path / "b.tif")[0].shape == (1, 1)


def test_two_files_as_channels(tmp_path):
    a, b = random_array((2, 6, 5), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", a)
    tifffile.imwrite(tmp_path / "b.tif", b)
    image = LoadImage(reader=TiffReader(), ensure_channel_first=True)([tmp_path / "a.tif", tmp_path / "b.tif"])
    np.testing.assert_array_equal(image.numpy(), np.stack([a, b]).astype("f4"))
    tifffile.imwrite(tmp_path / "b.tif", b[:4])
    with pytest.raises(ValueError, match="differ in spatial shape"):
        read([tmp_path / "a.tif", tmp_path / "b.tif"])


def test_through_monai_load_batch_and_save(tmp_path):
    array = random_array((4, 12, 10), "uint16")
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(2, 2), metadata=metadata)
    load = LoadImaged("image", reader=TiffReader, ensure_channel_first=True)
    image = next(iter(DataLoader([load({"image": tmp_path / "a.tif"})], batch_size=1)))["image"][0]
    assert isinstance(image, MetaTensor) and image.shape == (1, 4, 12, 10)
    assert image.pixdim.tolist() == [3, 0.5, 0.5]
    folder = tmp_path / "out"
    SaveImage(folder, "x", ".tif", output_dtype=np.uint16, writer=TiffWriter, separate_folder=False, print_log=False)(image)
    back, meta = read(folder / "a_x.tif")
    np.testing.assert_array_equal(back, array)
    assert meta["spacing"] == pytest.approx((3, 0.5, 0.5)) and meta["unit"] == "um"


def test_wrong_use(tmp_path):
    assert not TiffReader().verify_suffix("a.tif.png")
    with pytest.raises(ValueError, match="needs set_data_array"):
        TiffWriter().write(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"got shape \(4, 4\)"):
        TiffWriter().set_data_array(np.zeros((4, 4)))
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.tif")


@pytest.mark.skipif("DENOISEG_DATA" not in os.environ, reason="DENOISEG_DATA names no folder of real images")
def test_real_stack():
    path = next(Path(os.environ["DENOISEG_DATA"], "nuclei3d_bbbc050/dev-test/images").glob("*.tif"))
    array, meta = read(path)
    np.testing.assert_array_equal(array, tifffile.imread(path))
    assert meta["axes"] == "ZYX" and meta["dtype"] == "uint16"
