"""Folders that are no single regular stack: each error names file and way out."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_denoiseg.data import folder_datalist, images_datalist, labelled_datalist
from monai_denoiseg.data.dicom import read_dicom, simulate_series
from monai_denoiseg.data.dicom.series import open_series

pydicom = pytest.importorskip("pydicom")

ZEROS = np.zeros((6, 4, 5), np.int16)


def change(path: Path, **values: object) -> None:
    dataset = pydicom.dcmread(path)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


def test_missing_slices_are_named(tmp_path: Path) -> None:
    simulate_series(tmp_path, ZEROS, spacing=(2, 1, 1))
    (tmp_path / "IM0003.dcm").unlink()
    with pytest.raises(ValueError, match=r"1 slice is missing between IM0002\.dcm and IM0004\.dcm, which lie 4 mm apart"):
        open_series(tmp_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ImagePositionPatient": [0, 0, 4.6]}, "no regular stack.*IM0003"),
        ({"ImagePositionPatient": [0, 0, 2]}, "IM0002.dcm and IM0003.dcm show the same place"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "several orientations.*IM0003"),
        ({"PixelSpacing": [1, 2]}, "several pixel sizes.*IM0003"),
        ({"Rows": 5, "Columns": 4}, "several sizes.*IM0003.dcm has 5 x 4"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "IM0003.dcm holds colours"),
    ],
)
def test_irregular_planes_are_named(tmp_path: Path, values: dict[str, object], said: str) -> None:
    files = simulate_series(tmp_path, ZEROS, spacing=(2, 1, 1))
    change(files[2], **values)
    with pytest.raises(ValueError, match=said):
        open_series(tmp_path)


def test_mixed_series_are_named_and_one_is_chosen_by_a_file(tmp_path: Path) -> None:
    simulate_series(tmp_path, ZEROS + 1, SeriesInstanceUID="1.2.3", SeriesNumber=4, SeriesDescription="Jane Doe")
    simulate_series(tmp_path / "more", ZEROS[:3], SeriesInstanceUID="1.2.4", SeriesNumber=5)
    for path in (tmp_path / "more").iterdir():
        shutil.move(path, tmp_path / f"b{path.name}")
    (tmp_path / "more").rmdir()
    with pytest.raises(ValueError, match=r"2 series: number 4 \(CT, 6 files, the first.*such as .*IM0001\.dcm") as error:
        open_series(tmp_path)
    assert "Doe" not in str(error.value)  # a description may name the patient
    assert open_series(tmp_path / "IM0002.dcm", 3).shape == (6, 4, 5)
    assert open_series(tmp_path / "bIM0002.dcm", 3).shape == (3, 4, 5)


def test_localizers_copies_and_other_objects_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = simulate_series(tmp_path, ZEROS)
    shutil.copy(files[0], tmp_path / "copy.dcm")
    scout = simulate_series(tmp_path / "s", ZEROS[:1], SeriesInstanceUID="1.2.9", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    shutil.move(scout[0], tmp_path / "scout")
    (tmp_path / "s").rmdir()
    (tmp_path / "DICOMDIR").write_bytes(b"x")
    with caplog.at_level(logging.INFO, logger="monai_denoiseg"):
        assert open_series(tmp_path).shape == (6, 4, 5)
    assert "1 localizers are passed over, the first is scout" in caplog.text


@pytest.mark.parametrize("uid", ["1.2.3", ""])
def test_planes_of_one_identifier_stay(tmp_path: Path, uid: str) -> None:
    values = np.arange(6)[:, None, None] + ZEROS
    files = simulate_series(tmp_path, values, SOPInstanceUID="1.2.3")
    for path in files if not uid else ():
        change(path, SOPInstanceUID=uid)
    shutil.copy(files[0], tmp_path / "copy.dcm")
    shutil.copy(files[1], tmp_path / "renamed.dcm")
    change(tmp_path / "renamed.dcm", PatientName="Other")  # the same image all the same
    np.testing.assert_array_equal(read_dicom(tmp_path).array, values)
    other = pydicom.dcmread(tmp_path / "copy.dcm")
    other.PixelData = np.full((4, 5), 7, np.int16).tobytes()
    other.save_as(tmp_path / "copy.dcm")
    with pytest.raises(ValueError, match=r"IM0001\.dcm and copy\.dcm show the same place"):
        open_series(tmp_path)


def test_planes_without_place_are_copies_only_if_their_files_are(tmp_path: Path) -> None:
    files = simulate_series(tmp_path, ZEROS[:2], SOPInstanceUID="1.2.3", ImagePositionPatient=None)
    with pytest.raises(ValueError, match="2 planes that do not say where they lie"):
        open_series(tmp_path)
    shutil.copy(files[0], files[1])
    assert open_series(tmp_path).shape == (1, 4, 5)


def test_damaged_file_is_named(tmp_path: Path) -> None:
    simulate_series(tmp_path, ZEROS)
    (tmp_path / "IM0009.dcm").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"IM0009\.dcm .*\.nii\.gz"):
        open_series(tmp_path)


def test_data_lists(tmp_path: Path) -> None:
    for case in ("case.1", "case.2"):
        simulate_series(tmp_path / "images" / case, ZEROS)
    (tmp_path / "labels").mkdir()
    np.save(tmp_path / "labels" / "case.1.npy", ZEROS)
    items = folder_datalist(tmp_path, spatial_dims=3)
    assert [sorted(item) for item in items] == [["image", "label"], ["image"]]
    assert [Path(item["image"]).name for item in images_datalist(tmp_path)] == ["case.1", "case.2"]
    assert len(labelled_datalist(tmp_path / "images" / "case.1")) == len(images_datalist(tmp_path / "images" / "case.1")) == 1
    (tmp_path / "data.json").write_text('{"training": [{"image": "images/case.1", "label": "labels/case.1.npy"}]}')
    assert len(labelled_datalist(tmp_path / "data.json", spatial_dims=3)) == 1


def test_loose_files_among_images_are_refused(tmp_path: Path) -> None:
    simulate_series(tmp_path / "images", ZEROS)
    with pytest.raises(ValueError, match="into a folder of its own"):
        folder_datalist(tmp_path)


@pytest.mark.parametrize("listed", [images_datalist, labelled_datalist])
def test_series_that_lie_deeper_are_named_and_a_data_list_takes_them(tmp_path: Path, listed: Any) -> None:
    for case in ("PAT1", "PAT2"):
        simulate_series(tmp_path / "pacs" / case / "ST1" / f"SE_{case}", ZEROS)
    with pytest.raises(FileNotFoundError, match=r"lie deeper, the first in .*pacs/PAT1/ST1/SE_PAT1: .* data list"):
        listed(tmp_path / "pacs")
    places = [f"pacs/{case}/ST1/SE_{case}" for case in ("PAT1", "PAT2")]
    (tmp_path / "list.json").write_text(json.dumps({"training": places}))
    assert [item["image"] for item in listed(tmp_path / "list.json")] == [str(tmp_path / place) for place in places]


def test_files_that_are_each_an_image(tmp_path: Path) -> None:
    for name, uid in (("a", "1.2.1"), ("b", "1.2.2")):
        path = simulate_series(tmp_path / name, ZEROS, modality="MR", multiframe=True, SeriesInstanceUID=uid)[0]
        shutil.move(path, tmp_path / f"{name}.dcm")
        (tmp_path / name).rmdir()
    assert [Path(item["image"]).name for item in images_datalist(tmp_path)] == ["a.dcm", "b.dcm"]


def test_without_pydicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_series(tmp_path, ZEROS)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'monai_denoiseg\[dicom\]'.*\.nii\.gz"):
        open_series(tmp_path)
    assert len(images_datalist(tmp_path)) == 1  # what is wrong is said when it is read
