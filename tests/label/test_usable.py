"""One file of a study that cannot be used stops nothing: it is left out, and named."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from monai_denoiseg.label.study import split_study, study_items
from monai_denoiseg.label.usable import image_problem, label_problem, unsuitable

from .conftest import AFFINE, FakeDatastore, Study, write_planes, write_volume


def volume_bytes(path: Path) -> bytes:
    return write_volume(path.with_name("whole.nii.gz")).read_bytes()


def nifti_header(path: Path, shape: tuple[int, ...]) -> bytes:
    """A NIfTI file that ends behind its header."""
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), AFFINE), path.with_name("small.nii"))
    header = bytearray(path.with_name("small.nii").read_bytes()[:352])
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    return bytes(header)


def huge_png(width: int) -> bytes:
    """A PNG whose header speaks of width x width pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def huge_tiff(path: Path) -> bytes:
    """A TIFF whose header speaks of 500,000 x 500,000 pixels."""
    tifffile.imwrite(path.with_name("small.tif"), np.zeros((8, 8), np.uint16), metadata=None)
    data = bytearray(path.with_name("small.tif").read_bytes())
    with tifffile.TiffFile(path.with_name("small.tif")) as tiff:
        places = [tiff.pages[0].tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]  # type: ignore[union-attr]
    for place in places:
        struct.pack_into("<I", data, place, 500_000)
    return bytes(data)


def stored(path: Path, array: np.ndarray) -> bytes:
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        nibabel.save(nibabel.Nifti1Image(array, AFFINE), path)
    return path.read_bytes()


DAMAGED: dict[str, tuple[int, str, Callable[[Path], bytes]]] = {
    "empty NIfTI": (3, "a.nii.gz", lambda path: b""),
    "text for NIfTI": (3, "a.nii", lambda path: b"hello" * 100),
    "text in gzip": (3, "a.nii.gz", lambda path: gzip.compress(b"hello" * 100)),
    "TIFF named NIfTI": (3, "a.nii.gz", lambda path: stored(path.with_name("t.tif"), np.zeros((4, 8, 8), np.uint8))),
    "truncated gzip": (3, "a.nii.gz", lambda path: volume_bytes(path)[:-400]),
    "volume without data": (3, "a.nii", lambda path: nifti_header(path, (64, 64, 64))),
    "huge volume": (3, "a.nii", lambda path: nifti_header(path, (30000, 30000, 30000))),
    "time series": (3, "a.nii.gz", lambda path: stored(path, np.zeros((8, 8, 4, 3), np.int16))),
    "NaN": (3, "a.nii.gz", lambda path: stored(path, np.full((8, 8, 4), np.nan, np.float32))),
    "empty TIFF": (2, "a.tif", lambda path: b""),
    "text for TIFF": (2, "a.tif", lambda path: b"hello"),
    "truncated TIFF": (2, "a.tif", lambda path: stored(path, np.zeros((64, 64), np.uint16))[:-2000]),
    "huge TIFF": (2, "a.tif", huge_tiff),
    "PNG bomb": (2, "a.png", lambda path: huge_png(30000)),
    "truncated PNG": (2, "a.png", lambda path: huge_png(100)),
    "RGB": (2, "a.tif", lambda path: stored(path, np.zeros((16, 16, 3), np.uint8))),
}


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_image_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    dims, name, content = DAMAGED[kind]
    path = tmp_path / "damaged" / name
    path.parent.mkdir()
    data = content(path)
    path.write_bytes(data)
    assert name in image_problem(path, dims, channels=1)
    sound = write_planes(tmp_path / "study", 2, 1).folder / "plane0.tif" if dims == 2 else write_volume(tmp_path / "v.nii.gz")
    problems: list[str] = []
    store = FakeDatastore({"good": sound, "bad": path}, {})
    items = study_items(store, tmp_path, spatial_dims=dims, channels=1, problems=problems)
    assert [Path(item["image"]) for item in items] == [sound]
    assert len(problems) == 1
    assert f"left out: {problems[0]}" in caplog.text
    with pytest.raises(ValueError, match="left out: "):
        split_study([], problems=problems)


def test_a_sound_image_has_no_problem(tmp_path: Path) -> None:
    study = write_planes(tmp_path / "study", 1, 1)
    assert image_problem(study.folder / "plane0.tif", 2, channels=1) == ""
    assert image_problem(write_volume(tmp_path / "v.nii.gz"), 3, channels=1) == ""
    assert "3 channels" in image_problem(study.folder / "plane0.tif", 2, channels=3) or "takes 3" in image_problem(
        study.folder / "plane0.tif", 2, channels=3
    )
    assert unsuitable(tmp_path / "gone.tif", 2) == "gone.tif: no such file"


def test_a_file_that_was_mended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"hello")
    assert image_problem(path, 2)
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8))
    assert image_problem(path, 2) == ""


LABELS: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "text": ("plane0.tif", lambda path: b"hello"),
    "truncated": ("plane0.tif", lambda path: stored(path, np.ones((48, 40), np.uint16))[:-2000]),
    "other shape": ("plane0.tif", lambda path: stored(path, np.ones((48, 41), np.uint16))),
    "other format": ("plane0.svs", lambda path: b"hello"),
    "fractions": ("plane0.tif", lambda path: stored(path, np.full((48, 40), 0.5, np.float32))),
    "outlines of nothing": ("plane0.xml", lambda path: b"<a"),
    "outlines without numbers": ("plane0.xml", lambda path: b'<A><Annotation Name="c"><Coordinate X="1"/></Annotation></A>'),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("named", [False, True])
def test_a_damaged_label_leaves_its_image_unlabelled(study: Study, tmp_path: Path, kind: str, named: bool) -> None:
    name, content = LABELS[kind]
    path = tmp_path / name
    data = content(path)
    path.write_bytes(data)
    images = {name: study.folder / f"{name}.tif" for name in ("plane0", "plane1")}
    store = FakeDatastore(images, {"plane0": path, "plane1": study.folder / "labels" / "final" / "plane1.tif"})
    if named:
        store.infos = {"plane0": {"label_info": [{"name": "cell", "idx": 1}, {"name": "not annotated", "idx": 2}]}}
    problems: list[str] = []
    items = study_items(store, tmp_path / "work", problems=problems)
    assert ["label" in item for item in items] == [False, True]
    assert [name in problem for problem in problems] == [True]


def test_a_label_is_asked_about_at_once(study: Study, tmp_path: Path) -> None:
    image, label = study.folder / "plane0.tif", study.folder / "labels" / "final" / "plane0.tif"
    assert label_problem(label, image, 2) == ""
    assert "plane0.tif" in label_problem(tmp_path / "plane0.tif", image, 2)
