"""LazyImage: windows equal the array, whatever the file; only what is needed is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from monai_denoiseg.data import can_stream, open_lazy
from monai_denoiseg.data.ngff import is_zarr, ngff_attributes, open_ngff

WINDOW = (slice(1, 4), slice(5, 17), slice(0, 9))


def volume(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def write_tiff(path: Path, data: np.ndarray, axes: str, **options: Any) -> None:
    tifffile.imwrite(path, data, metadata={"axes": axes}, photometric="minisblack", **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True},
        {"ome": True},
        {"bigtiff": True},
        {"compression": "zlib"},
        {"ome": True, "tile": (16, 16), "compression": "zlib"},
        {"byteorder": ">"},
        {"ome": True, "compression": "zlib", "byteorder": ">"},
    ],
    ids=str,
)
def test_tiff_with_frames_and_channels(tmp_path: Path, options: dict[str, Any]) -> None:
    data = volume((2, 5, 3, 20, 18))
    write_tiff(tmp_path / "a.tif", data, "TZCYX", **options)
    with open_lazy(tmp_path / "a.tif", spatial_dims=3) as image:
        assert (image.axes, image.shape, image.dtype) == ("TCZYX", (2, 3, 5, 20, 18), np.dtype("uint16"))
        assert (image.frames, image.has_frames, image.channels, image.spatial_shape) == (2, True, 3, (5, 20, 18))
        for frame in range(2):
            part = image.read(frame, WINDOW)
            assert part.dtype.isnative
            assert part.flags.c_contiguous
            np.testing.assert_array_equal(part, data[frame].swapaxes(0, 1)[(slice(None), *WINDOW)])


def test_colour_samples_are_channels(tmp_path: Path) -> None:
    data = volume((20, 18, 3), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb")
    with open_lazy(tmp_path / "a.tif", spatial_dims=2) as image:
        np.testing.assert_array_equal(image.read(0, WINDOW[1:]), np.moveaxis(data, -1, 0)[(slice(None), *WINDOW[1:])])


def test_pages_written_one_by_one(tmp_path: Path) -> None:
    data = volume((6, 20, 18))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in data:
            writer.write(page, contiguous=False)
    with open_lazy(tmp_path / "a.tif", spatial_dims=3) as image:
        np.testing.assert_array_equal(image.read(0, WINDOW)[0], data[WINDOW])
    with open_lazy(tmp_path / "a.tif", "TYX", 2) as image:
        np.testing.assert_array_equal(image.read(3, WINDOW[1:])[0], data[(3, *WINDOW[1:])])


def test_a_plane_as_a_volume_of_one_slice(tmp_path: Path) -> None:
    data = volume((20, 18))
    write_tiff(tmp_path / "a.tif", data, "YX")
    with open_lazy(tmp_path / "a.tif", "ZYX", 3) as image:
        assert image.spatial_shape == (1, 20, 18)
        np.testing.assert_array_equal(image.read(0, (slice(0, 1), *WINDOW[1:]))[0, 0], data[WINDOW[1:]])


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_voxel_size(tmp_path: Path, kind: str) -> None:
    sizes: dict[str, Any] = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    if kind == "ome":
        sizes = {"axes": "ZYX"} | {f"PhysicalSize{a}": s for a, s in zip("ZYX", (2.0, 0.5, 0.25), strict=True)}
    options: dict[str, Any] = {kind: True, "metadata": sizes, "resolution": (4, 2), "resolutionunit": 1}
    tifffile.imwrite(tmp_path / "a.tif", volume((5, 20, 18)), **options)
    with open_lazy(tmp_path / "a.tif") as image:
        assert (image.spacing, image.unit) == ((2.0, 0.5, 0.25), "um")


def write_ngff(path: Path, data: np.ndarray, zarr_format: int, axes: str, **sizes: float) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)  # type: ignore[arg-type]
    for level in range(2):
        small = data[..., :: 2**level, :: 2**level]
        array = group.create_array(str(level), shape=small.shape, chunks=(1,) * (data.ndim - 2) + (8, 8), dtype=data.dtype)
        array[...] = small
    attributes = ngff_attributes("a", axes, sizes, "um")
    attributes["ome"]["multiscales"][0]["datasets"].append({"path": "1"})
    # NGFF 0.4 keeps the same entries one level higher.
    group.attrs.update(attributes if zarr_format == 3 else attributes["ome"])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr(tmp_path: Path, zarr_format: int) -> None:
    data = volume((2, 3, 5, 20, 18))
    write_ngff(tmp_path / "a.ome.zarr", data, zarr_format, "TCZYX", Z=2.0, Y=0.5, X=0.25)
    with open_lazy(tmp_path / "a.ome.zarr") as image:
        assert (image.shape, image.frames, image.spacing, image.unit) == ((2, 3, 5, 20, 18), 2, (2.0, 0.5, 0.25), "um")
        np.testing.assert_array_equal(image.read(1, WINDOW), data[(1, slice(None), *WINDOW)])


def test_ome_zarr_of_length_one_axes_in_two_dimensions(tmp_path: Path) -> None:
    data = volume((1, 2, 1, 20, 18))
    write_ngff(tmp_path / "a.zarr", data, 3, "TCZYX", Y=0.5, X=0.5)
    with open_lazy(tmp_path / "a.zarr", spatial_dims=2) as image:
        assert (image.shape, image.has_frames, image.spacing) == ((1, 2, 20, 18), False, (0.5, 0.5))
        np.testing.assert_array_equal(image.read(0, WINDOW[1:]), data[(0, slice(None), 0, *WINDOW[1:])])


def test_old_ome_zarr_without_axes_is_tczyx(tmp_path: Path) -> None:
    write_ngff(tmp_path / "a.zarr", volume((1, 1, 5, 20, 18)), 2, "TCZYX")
    group = zarr.open_group(str(tmp_path / "a.zarr"))
    group.attrs["multiscales"] = [{"version": "0.2", "datasets": [{"path": "0"}]}]
    with open_lazy(tmp_path / "a.zarr") as image:
        assert (image.axes, image.spatial_shape, image.spacing) == ("TCZYX", (5, 20, 18), None)


def test_scales_of_image_and_level_multiply(tmp_path: Path) -> None:
    write_ngff(tmp_path / "a.zarr", volume((5, 20, 18)), 3, "ZYX", Z=2.0, Y=0.5, X=0.5)
    group = zarr.open_group(str(tmp_path / "a.zarr"))
    ome: Any = group.attrs["ome"]
    ome["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [10, 1, 1]}]
    group.attrs["ome"] = ome
    assert open_ngff(tmp_path / "a.zarr").spacing == {"Z": 20.0, "Y": 0.5, "X": 0.5}


def test_a_group_of_one_image_and_of_several(tmp_path: Path) -> None:
    """As bioformats2raw writes them: numbered images in a group."""
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    write_ngff(tmp_path / "a.zarr" / "0", volume((5, 20, 18)), 3, "ZYX")
    assert open_ngff(tmp_path / "a.zarr").axes == "ZYX"
    write_ngff(tmp_path / "a.zarr" / "1", volume((5, 20, 18)), 3, "ZYX")
    with pytest.raises(ValueError, match=r"2 images \(0, 1\); give the path of one"):
        open_lazy(tmp_path / "a.zarr")
    with open_lazy(tmp_path / "a.zarr" / "1") as image:
        assert image.spatial_shape == (5, 20, 18)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("shape", "axes", "dims"), [((20, 18), None, 2), ((5, 20, 18), None, 3), ((5, 20, 18), "TYX", 2)])
def test_plain_zarr_array(tmp_path: Path, zarr_format: Any, shape: tuple[int, ...], axes: str | None, dims: int) -> None:
    data = volume(shape, "float32")
    zarr.create_array(str(tmp_path / "a.zarr"), data=data, zarr_format=zarr_format)
    with open_lazy(tmp_path / "a.zarr", axes, dims) as image:
        assert image.spacing is None
        frame = data[2] if axes else data
        np.testing.assert_array_equal(image.read(2 if axes else 0, WINDOW[-dims:])[0], frame[WINDOW[-dims:]])


def test_names_of_dimensions_count(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), data=volume((4, 20, 18)), dimension_names=["c", "y", "x"])
    with open_lazy(tmp_path / "a.zarr") as image:
        assert image.shape == (1, 4, 20, 18)


@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_file(tmp_path: Path, order: Any) -> None:
    data = volume((5, 20, 18), "float64")
    np.save(tmp_path / "a.npy", np.asarray(data, order=order))
    with open_lazy(tmp_path / "a.npy", spatial_dims=3) as image:
        np.testing.assert_array_equal(image.read(0, WINDOW)[0], data[WINDOW])


@pytest.mark.parametrize(
    ("shape", "axes", "dims", "message"),
    [
        ((2, 3, 5, 20, 18), None, 3, r"Pass axes= naming at most one"),
        ((3, 20, 18), None, 2, r"pass axes='TYX' to take each"),
        ((3, 20, 18), "ZYX", 2, r"3 spatial axes"),
        ((3, 20, 18), "TYX", 3, r"planes stored as time"),
        ((20, 18), None, 3, r"a plane with 2 spatial axes"),
        ((3, 20, 18), "YX", 2, r"has 3 axes"),
    ],
)
def test_ambiguous_axes(tmp_path: Path, shape: tuple[int, ...], axes: str | None, dims: int, message: str) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), data=np.zeros(shape, "uint8"))
    with pytest.raises(ValueError, match=message):
        open_lazy(tmp_path / "a.zarr", axes, dims)


def test_only_the_chunks_of_the_window_are_read(tmp_path: Path) -> None:
    write_ngff(tmp_path / "a.zarr", volume((5, 20, 18)), 3, "ZYX")
    chunks = tmp_path / "a.zarr" / "0" / "c"
    for path in sorted(chunks.rglob("*")):
        if path.is_file() and path.relative_to(chunks).parts != ("2", "1", "0"):
            path.write_bytes(b"harm")
    with open_lazy(tmp_path / "a.zarr") as image:
        image.read(0, (slice(2, 3), slice(8, 16), slice(0, 8)))
        with pytest.raises(Exception):  # noqa: B017 - whatever the decoder says
            image.read(0, (slice(2, 3), slice(8, 17), slice(0, 8)))


def test_only_the_pages_of_the_window_are_decoded(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", volume((5, 20, 18)), "ZYX", compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        where = tif.pages[3].dataoffsets[0]
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(where)
        file.write(b"harm" * 4)
    with open_lazy(tmp_path / "a.tif") as image:
        image.read(0, (slice(0, 3), *WINDOW[1:]))
        with pytest.raises(Exception):  # noqa: B017
            image.read(0, (slice(0, 4), *WINDOW[1:]))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_lazy(tmp_path / "a.tif")
    (tmp_path / "a.nii.gz").touch()
    with pytest.raises(ValueError, match="cannot be read by windows: convert it to OME-Zarr or TIFF"):
        open_lazy(tmp_path / "a.nii.gz")
    zarr.create_array(str(tmp_path / "c.zarr"), data=np.zeros((4, 4), "complex64"))
    with pytest.raises(ValueError, match="values of type complex64"):
        open_lazy(tmp_path / "c.zarr")
    with pytest.raises(ValueError, match="is no zarr"):
        open_ngff(tmp_path)
    zarr.open_group(str(tmp_path / "e.zarr"), mode="w")
    with pytest.raises(ValueError, match=r"group without an image"):
        open_lazy(tmp_path / "e.zarr")


def test_array_named_in_the_metadata_is_missing(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.attrs.update(ngff_attributes("a", "YX", {}, None))
    with pytest.raises(ValueError, match="name the array '0', which is not there"):
        open_lazy(tmp_path / "a.zarr")


def test_formats(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "folder"), data=np.zeros((4, 4)))
    assert is_zarr(tmp_path / "folder")
    assert can_stream(tmp_path / "folder")
    assert not can_stream(tmp_path)
    assert not can_stream("a.png")
