"""Pixels and places of series are those of SimpleITK, an independent reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monai_denoiseg.data import FileReader, LoadItemd, image_layout
from monai_denoiseg.data.dicom import read_dicom, simulate_series

sitk = pytest.importorskip("SimpleITK")
pydicom = pytest.importorskip("pydicom")

C, S = np.cos(0.3), np.sin(0.3)
ORIENTATIONS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "flipped": (-1, 0, 0, 0, -1, 0),
    "feet first": (1, 0, 0, 0, -1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "oblique": (C, S, 0, -S * C, C * C, S),
}


def volume(shape: tuple[int, ...] = (5, 6, 7), unsigned: bool = False) -> NDArray:
    values = np.random.default_rng(0).integers(-1000, 1000, shape)
    return (values + 1000).astype(np.uint16) if unsigned else values.astype(np.int16)


def by_sitk(folder: Path) -> Any:
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return sitk.ReadImage(files[0] if len(files) == 1 else files)


def places(image: Any, index: tuple[int, ...]) -> NDArray:
    """Of a voxel (z, y, x), in RAS."""
    return np.array(image.TransformIndexToPhysicalPoint(index[::-1])) * (-1, -1, 1)


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["int16", "uint16", "slope"])
def test_series_equals_simpleitk(tmp_path: Path, name: str, kind: str) -> None:
    scaling = {"slope": 0.5, "intercept": -3.0} if kind == "slope" else {}
    where = {"spacing": (2.5, 0.7, 0.8), "orientation": ORIENTATIONS[name], "origin": (3, -4.25, 5.5)}
    files = simulate_series(tmp_path / "scan", volume(unsigned=kind == "uint16"), **where, **scaling)
    for number, path in enumerate(files):  # any order of names
        path.rename(path.with_name(f"{(number * 7) % 5}_{'abcde'[number]}.dcm"))
    ours, theirs = read_dicom(tmp_path / "scan", spatial_dims=3), by_sitk(tmp_path / "scan")
    np.testing.assert_array_equal(ours.array, sitk.GetArrayFromImage(theirs))
    np.testing.assert_array_equal(ours.array, volume(unsigned=kind == "uint16"))
    for index in np.ndindex(2, 2, 2):
        corner = tuple(int(i * (n - 1)) for i, n in zip(index, ours.array.shape, strict=True))
        np.testing.assert_allclose(ours.meta["affine"] @ (*corner, 1), (*places(theirs, corner), 1), atol=1e-5)
    np.testing.assert_allclose(ours.meta["spacing"], theirs.GetSpacing()[::-1], atol=1e-6)


@pytest.mark.parametrize("name", ["axial", "oblique", "sagittal"])
@pytest.mark.parametrize("backwards", [False, True])
def test_multiframe_equals_its_single_frames(tmp_path: Path, name: str, backwards: bool) -> None:
    where = {"spacing": (2.5, 0.7, 0.8), "orientation": ORIENTATIONS[name], "origin": (3, -4.25, 5.5), "modality": "MR"}
    simulate_series(tmp_path / "single", volume(), slope=0.5, **where)
    (path,) = simulate_series(tmp_path / "multi", volume(), slope=0.5, multiframe=True, **where)
    if backwards:  # the frames stand in the file in the other order
        dataset = pydicom.dcmread(path)
        dataset.PixelData = dataset.pixel_array[::-1].tobytes()
        dataset.PerFrameFunctionalGroupsSequence = list(dataset.PerFrameFunctionalGroupsSequence)[::-1]
        dataset.save_as(path)
    single, multi = read_dicom(tmp_path / "single"), read_dicom(path)
    np.testing.assert_array_equal(single.array, multi.array)
    np.testing.assert_allclose(single.meta["affine"], multi.meta["affine"], atol=1e-9)


def test_gantry_tilt_is_kept(tmp_path: Path) -> None:
    files = simulate_series(tmp_path / "scan", volume(), spacing=(2, 1, 1))
    for number, path in enumerate(files):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [0, 0.5 * number, 2 * number]
        dataset.save_as(path)
    affine = read_dicom(tmp_path / "scan").meta["affine"]
    np.testing.assert_allclose(affine[:3, 0], (0, -0.5, 2))


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEGLSLossless", "JPEG2000Lossless"])
def test_compressed_pixels(tmp_path: Path, syntax: str) -> None:
    pytest.importorskip("gdcm")
    for path in simulate_series(tmp_path / "scan", volume(unsigned=True)):
        dataset = pydicom.dcmread(path)
        try:
            dataset.compress(getattr(pydicom.uid, syntax))
        except (RuntimeError, NotImplementedError) as error:
            pytest.skip(f"no encoder: {error}")
        dataset.save_as(path)
    np.testing.assert_array_equal(read_dicom(tmp_path / "scan").array, volume(unsigned=True))


def test_what_cannot_be_decoded_names_the_file(tmp_path: Path) -> None:
    path = simulate_series(tmp_path / "scan", volume((1, 6, 7)))[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8no picture"])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    with pytest.raises(ValueError, match=r"IM0001\.dcm: its pixels are compressed as JPEG Lossless.* gdcmconv --raw"):
        FileReader(spatial_dims=3).read(tmp_path / "scan")


def test_planes_for_2d(tmp_path: Path) -> None:
    simulate_series(tmp_path / "scan", volume(), spacing=(3, 1, 2))
    assert image_layout(tmp_path / "scan", "TYX", 2).frames == 5
    item = LoadItemd(axes="TYX", spatial_dims=2)({"image": str(tmp_path / "scan"), "frame": 2})
    np.testing.assert_array_equal(item["image"][0], volume()[2])
    assert item["image"].affine[:3, 3].tolist() == [0, 0, 6]
    one = LoadItemd(spatial_dims=2)({"image": str(tmp_path / "scan" / "IM0003.dcm")})
    np.testing.assert_array_equal(one["image"][0], volume()[2])
    assert item["spacing"].tolist() == one["spacing"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="TYX"):
        image_layout(tmp_path / "scan", None, 2)


def test_values_of_monochrome1_are_not_inverted(tmp_path: Path) -> None:
    simulate_series(tmp_path / "scan", volume(), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_dicom(tmp_path / "scan").array, volume())


def test_nothing_about_the_patient_is_kept(tmp_path: Path) -> None:
    simulate_series(tmp_path / "scan", volume(), PatientName="Doe^Jane", PatientID="4711")
    assert not any(word in str(read_dicom(tmp_path / "scan").meta) for word in ("Doe", "4711", "19700101"))
