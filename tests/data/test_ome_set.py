"""OME-TIFF sets of several files: a file is its own planes, with their axes, whatever else belongs to the set."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import TiffReader, folder_datalist, image_layout, inference_datalist, open_lazy
from monai_denoiseg.data.ome_set import own_metadata, renamed_alone


def write_set(
    folder: Path, data: np.ndarray, order: str = "XYCZT", split: str = "T", images: bool = False, ids: bool = True
) -> list[Path]:
    """Write ``data`` (T, Z, C, Y, X) as one file for each step along ``split``, each with the metadata of all."""
    sizes = dict(zip("TZC", data.shape[:3], strict=True))
    names = [f"s_{split}{i}.ome.tif" for i in range(sizes[split])]
    letters = order[:1:-1]
    pages: dict[str, list[np.ndarray]] = {name: [] for name in names}
    entries: dict[str, str] = {name: "" for name in names}
    for place in itertools.product(*(range(sizes[axis]) for axis in letters)):
        at = dict(zip(letters, place, strict=True))
        name = names[at[split]]
        first = "".join(f' First{axis}="{0 if images and axis == split else i}"' for axis, i in at.items())
        identity = f'<UUID FileName="{name}">urn:uuid:{name}</UUID>'
        entries[name] += f'<TiffData{first} IFD="{len(pages[name])}" PlaneCount="1">{identity}</TiffData>'
        pages[name].append(data[at["T"], at["Z"], at["C"]])
    shape = "".join(f' Size{axis}="{1 if images and axis == split else n}"' for axis, n in sizes.items())
    pixels = (
        f'<Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16"{shape} SizeX="{data.shape[4]}" SizeY="{data.shape[3]}">'
    )
    pixels += "".join(f'<Channel ID="Channel:0:{i}" SamplesPerPixel="1"/>' for i in range(sizes["C"]))
    groups = list(entries.values()) if images else ["".join(entries.values())]
    body = "".join(f'<Image ID="Image:{i}">{pixels}{group}</Pixels></Image>' for i, group in enumerate(groups))
    space = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    for name in names:
        xml = f'<?xml version="1.0" encoding="UTF-8"?><OME {space}' + f' UUID="urn:uuid:{name}"' * ids + f">{body}</OME>"
        with tifffile.TiffWriter(folder / name) as writer:
            for i, page in enumerate(pages[name]):
                writer.write(page, contiguous=False, metadata=None, description=xml if i == 0 else None)
    return [folder / name for name in names]


def series(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)


def read(path: Path, dims: int | None = None) -> np.ndarray:
    reader = TiffReader(spatial_dims=dims)
    return reader.get_data(reader.read(path))[0]


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("images", [True, False])
def test_a_plane_a_file(tmp_path: Path, images: bool, ids: bool) -> None:
    data = series(3, 1, 1, 8, 6)
    paths = write_set(tmp_path, data, images=images, ids=ids)
    for path, plane in zip(paths, data[:, 0, 0], strict=True):
        np.testing.assert_array_equal(read(path, 2), plane)
        with open_lazy(path, spatial_dims=2) as image:
            np.testing.assert_array_equal(image.read(0, (slice(0, 8), slice(0, 6)))[0], plane)
    assert len(folder_datalist(tmp_path, spatial_dims=2)) == len(inference_datalist(tmp_path)) == 3


def test_nothing_is_made_up_where_a_file_is_missing(tmp_path: Path) -> None:
    data = series(3, 1, 1, 8, 6)
    paths = write_set(tmp_path, data)
    paths[1].unlink()
    for i in (0, 2):
        np.testing.assert_array_equal(read(paths[i], 2), data[i, 0, 0])


@pytest.mark.parametrize("order", ["XYCZT", "XYZCT", "XYTZC", "XYZTC"])
@pytest.mark.parametrize(("split", "axes", "dims"), [("T", "CZYX", 3), ("C", "ZYX", 3), ("Z", "CYX", 2)])
def test_several_pages_keep_their_axes(tmp_path: Path, order: str, split: str, axes: str, dims: int) -> None:
    data = series(2, 3, 2, 8, 6)
    for i, path in enumerate(write_set(tmp_path, data, order, split)):
        own = np.take(data, [i], "TZC".index(split))  # (T, Z, C, Y, X)
        frames = own.shape[0] if split != "T" else 0
        layout = image_layout(path, spatial_dims=dims)
        assert (layout.letters, layout.frames) == (axes, frames)
        for frame in range(max(frames, 1)):
            reader = TiffReader(spatial_dims=dims, frame=frame if frames else None)
            got = reader.get_data(reader.read(path))[0]
            want = own[frame].swapaxes(0, 1)  # (C, Z, Y, X)
            np.testing.assert_array_equal(got, want.reshape(got.shape))


def test_a_file_of_the_set_that_was_cut_off(tmp_path: Path) -> None:
    path = write_set(tmp_path, series(2, 3, 1, 8, 6))[0]
    with tifffile.TiffFile(path) as tif:
        description, pages = tif.pages[0].description, [page.asarray() for page in list(tif.pages)[:2]]
    with tifffile.TiffWriter(path) as writer:
        for i, page in enumerate(pages):
            writer.write(page, contiguous=False, metadata=None, description=description if i == 0 else None)
    with pytest.raises(ValueError, match=r"s_T0\.ome\.tif: its metadata name page 3, but the file has 2"):
        read(path, 3)


def test_a_single_file_that_was_renamed(tmp_path: Path) -> None:
    data = series(1, 3, 1, 8, 6)
    path = write_set(tmp_path, data, ids=False)[0].rename(tmp_path / "new.ome.tif")
    np.testing.assert_array_equal(read(path, 3), data[0, :, 0])


def test_no_full_grid() -> None:
    entry = '<TiffData FirstT="{}" FirstZ="{}" IFD="{}"><UUID FileName="{}.tif">{}</UUID></TiffData>'
    places = [(0, 0, 0, "a"), (1, 1, 1, "a"), (0, 1, 0, "b"), (1, 0, 1, "b")]
    data = "".join(entry.format(*place, place[3]) for place in places)
    sizes = 'SizeX="8" SizeY="8" SizeZ="2" SizeC="1" SizeT="2"'
    xml = f'<OME UUID="a"><Image><Pixels DimensionOrder="XYCZT" {sizes}>{data}</Pixels></Image></OME>'
    with pytest.raises(ValueError, match=r"a\.tif holds 2 planes of a set of files, which are no full grid \(2 T, 2 Z, 1 C\)"):
        own_metadata(xml, "a.tif", 2)


def test_a_file_alone_is_left_as_it_is() -> None:
    entry = '<TiffData IFD="0"><UUID FileName="a.tif">1</UUID></TiffData>'
    for xml in (f'<OME UUID="1">{entry}</OME>', f"<OME>{entry}</OME>", "<OME/>"):
        assert own_metadata(xml, "A.TIF", 1) is None
        assert renamed_alone(xml, "a.tif") is None
