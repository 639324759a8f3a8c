"""DICOM-SEG: what independent readers find in it is what was written."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_denoiseg.data import LoadItemd, SavePredictiond
from monai_denoiseg.data.dicom import simulate_series, write_seg

pydicom = pytest.importorskip("pydicom")
sitk = pytest.importorskip("SimpleITK")
pytest.importorskip("highdicom")

C, S = np.cos(0.3), np.sin(0.3)
OBLIQUE = {"spacing": (2.5, 0.7, 0.8), "orientation": (C, S, 0, -S * C, C * C, S), "origin": (3, -4.25, 5.5)}
NAMES = {1: "liver", 2: "left kidney", 3: "gadget"}


def labels() -> NDArray:
    found = np.random.default_rng(1).integers(0, 3, (5, 6, 7))
    found[2] = 0
    found[0, 0, 0] = 2
    return found


def points(seg: Any) -> dict[int, set[tuple[float, ...]]]:
    """Places in LPS of the voxels of each segment, by pydicom alone, frame by frame."""
    found: dict[int, set[tuple[float, ...]]] = {}
    shared = seg.SharedFunctionalGroupsSequence[0]
    rows, columns = (float(one) for one in shared.PixelMeasuresSequence[0].PixelSpacing)
    way = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    for frame, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        start = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for y, x in np.argwhere(frame):
            place = start + way[3:] * rows * y + way[:3] * columns * x
            found.setdefault(number, set()).add(tuple(np.round(place, 2) + 0.0))
    return found


def saved(tmp_path: Path, multiframe: bool) -> tuple[Any, Any]:
    simulate_series(tmp_path / "scan", np.zeros((5, 6, 7)), modality="MR", multiframe=multiframe, **OBLIQUE)
    item = LoadItemd(spatial_dims=3)({"image": str(tmp_path / "scan")})
    save = SavePredictiond(
        tmp_path, {"pred": "classes"}, label_keys=["pred"], seg_key="pred", classes=["background", *NAMES.values()]
    )
    save({**item, "pred": torch.tensor(labels())[None]})
    return pydicom.dcmread(tmp_path / "scan_seg.dcm"), nibabel.load(tmp_path / "scan_classes.nii.gz")


@pytest.mark.parametrize("multiframe", [False, True])
def test_seg_lies_where_the_nifti_lies(tmp_path: Path, multiframe: bool) -> None:
    seg, nifti = saved(tmp_path, multiframe)
    found = points(seg)
    assert sorted(found) == [1, 2]
    for number in (1, 2):
        voxels = np.argwhere(np.asarray(nifti.dataobj) == number)
        world = nibabel.affines.apply_affine(nifti.affine, voxels) * (-1, -1, 1)
        ours = np.array(sorted(found[number]))
        assert len(ours) == len(world) == (labels() == number).sum()
        nearest = np.linalg.norm(ours[:, None] - world[None], axis=2).min(1)
        assert nearest.max() < 0.02
    assert [one.SegmentLabel for one in seg.SegmentSequence] == list(NAMES.values())


def test_terms_and_references(tmp_path: Path) -> None:
    seg, _ = saved(tmp_path, False)
    liver, kidney, gadget = (one.SegmentedPropertyTypeCodeSequence[0] for one in seg.SegmentSequence)
    assert [one.CodeValue for one in (liver, kidney, gadget)] == ["10200004", "64033007", "85756007"]
    assert kidney.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    source = pydicom.dcmread(tmp_path / "scan" / "IM0001.dcm")
    assert (seg.PatientID, seg.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    referenced = seg.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == source.SeriesInstanceUID
    assert len(referenced.ReferencedInstanceSequence) == 5


def test_codes_of_the_user_and_objects(tmp_path: Path) -> None:
    simulate_series(tmp_path / "scan", np.zeros((5, 6, 7)))
    write_seg(labels(), tmp_path / "scan", tmp_path / "a.dcm", NAMES, {"gadget": ["C1", "99LOCAL", "Gadget"]})
    assert pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence[2].SegmentedPropertyTypeCodeSequence[0].CodeValue == "C1"
    write_seg(labels(), tmp_path / "scan", tmp_path / "b.dcm")
    write_seg(labels(), tmp_path / "scan", tmp_path / "c.dcm")
    objects, again = (pydicom.dcmread(tmp_path / name) for name in ("b.dcm", "c.dcm"))
    assert objects.pixel_array.sum() == (labels() > 0).sum()
    assert objects.SOPInstanceUID == again.SOPInstanceUID
    with pytest.raises(ValueError, match="labels of shape"):
        write_seg(labels()[:3], tmp_path / "scan", tmp_path / "d.dcm")


def test_plane(tmp_path: Path) -> None:
    simulate_series(tmp_path / "scan", np.zeros((1, 6, 7)))
    write_seg(labels()[0], tmp_path / "scan" / "IM0001.dcm", tmp_path / "a.dcm", NAMES)
    found = pydicom.dcmread(tmp_path / "a.dcm").pixel_array
    assert found.sum() == (labels()[0] > 0).sum()


@pytest.mark.parametrize("multiframe", [False, True])
def test_dciodvfy_finds_no_error(tmp_path: Path, multiframe: bool) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian dicom3tools) is not installed: DICOM-SEG is checked by other readers only")
    saved(tmp_path, multiframe)
    done = subprocess.run(["dciodvfy", tmp_path / "scan_seg.dcm"], capture_output=True, text=True, check=False)
    assert "Error" not in done.stdout + done.stderr
    assert "Segmentation" in done.stdout + done.stderr


def test_nifti_of_a_series_equals_simpleitk_and_names_nobody(tmp_path: Path) -> None:
    _, nifti = saved(tmp_path, False)
    path = tmp_path / "scan_classes.nii.gz"
    theirs = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "scan")))
    ours = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), labels())
    for name in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, name)(), getattr(theirs, name)(), atol=1e-5)
    assert not nifti.header.extensions
    assert all(not str(nifti.header[key].item(), "latin1") for key in ("descrip", "aux_file", "db_name", "intent_name"))


def test_other_images_get_no_seg(tmp_path: Path) -> None:
    image = MetaTensor(torch.zeros(1, 4, 6), meta={"filename_or_obj": "cells.tif"})
    SavePredictiond(tmp_path, {"pred": "classes"}, label_keys=["pred"], seg_key="pred")(
        {"image": image, "pred": torch.ones(1, 4, 6)}
    )
    assert [path.name for path in sorted(tmp_path.glob("cells*"))] == ["cells_classes.tif"]


def test_steps_of_highdicom_are_not_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    simulate_series(tmp_path / "scan", np.zeros((5, 6, 7)))
    with caplog.at_level(logging.INFO):
        write_seg(labels(), tmp_path / "scan", tmp_path / "a.dcm", NAMES)
    assert not caplog.messages
