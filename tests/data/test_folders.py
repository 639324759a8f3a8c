"""Folders as people have them: links, odd names, other programs' files. What is certain is read, what is not is said."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import folder_datalist, inference_datalist
from monai_denoiseg.data.foreign import like_labels


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".nii.gz"):
            nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 4), np.uint8), np.eye(4)), path)
        elif name.endswith(".tif"):
            tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
        else:
            path.write_bytes(b"")


def pairs(root: Path, **options: object) -> dict[str, str | None]:
    items = folder_datalist(root, **options)  # type: ignore[arg-type]
    return {Path(item["image"]).name: Path(item["label"]).name if "label" in item else None for item in items}


@pytest.mark.parametrize("folders", [("images", "Labels"), ("Images", "MASKS"), ("IMAGES", "masks"), ("imagesTr", "labelsTr")])
def test_folders_in_other_case_and_of_nnunet(folders: tuple[str, str], tmp_path: Path) -> None:
    put(tmp_path, f"{folders[0]}/a.tif", f"{folders[0]}/b.tif", f"{folders[1]}/a.tif")
    assert pairs(tmp_path) == {"a.tif": "a.tif", "b.tif": None}


def test_two_folders_that_differ_in_case(tmp_path: Path) -> None:
    put(tmp_path, "images/a.tif", "Labels/a.tif", "LABELS/a.tif")
    with pytest.raises(ValueError, match="differ in the case of letters only"):
        folder_datalist(tmp_path)
    put(tmp_path, "labels/a.tif")
    assert pairs(tmp_path) == {"a.tif": "a.tif"}  # the one that is meant is there


@pytest.mark.parametrize(("image", "label"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_in_two_unicode_forms(image: str, label: str, tmp_path: Path) -> None:
    name = "Präparat_µé 0"
    put(tmp_path, f"images/{unicodedata.normalize(image, name)}.tif", f"labels/{unicodedata.normalize(label, name)}.tif")
    assert None not in pairs(tmp_path).values()
    pattern = unicodedata.normalize(label, "Prä*")
    assert len(inference_datalist(tmp_path, pattern)) == 1


@pytest.mark.parametrize("end", ["_cp_masks", "_mask", "_labels", "_seg"])
def test_labels_with_an_end_that_programs_add(end: str, tmp_path: Path) -> None:
    put(tmp_path, "images/a.tif", "images/b.tif", f"labels/a{end}.tif")
    assert pairs(tmp_path) == {"a.tif": f"a{end}.tif", "b.tif": None}
    put(tmp_path, "labels/stray.tif")
    with pytest.raises(ValueError, match=r"stray\.tif has no image"):
        folder_datalist(tmp_path)


def test_a_folder_cellpose_worked_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "a.tif", "b.tif", "a_cp_masks.tif", "a_flows.tif", "b_seg.tif")
    np.save(tmp_path / "a_seg.npy", {"masks": 1}, allow_pickle=True)  # type: ignore[arg-type]
    listed = [Path(item["image"]).name for item in inference_datalist(tmp_path)]
    assert listed == ["a.tif", "b.tif", "b_seg.tif"]  # the last may be anything
    assert "3 files of Cellpose are no images and are passed over: a_cp_masks.tif, a_flows.tif, a_seg.npy" in caplog.text
    assert list(pairs(tmp_path)) == listed
    assert [Path(item["image"]).name for item in inference_datalist(tmp_path, "*_cp_masks.tif")] == ["a_cp_masks.tif"]
    (tmp_path / "labels").mkdir()
    for name in ("a_cp_masks.tif", "a_seg.npy"):
        (tmp_path / "labels" / name).write_bytes((tmp_path / name).read_bytes())
    assert pairs(tmp_path)["a.tif"] == "a_cp_masks.tif"


def test_nnunet(tmp_path: Path) -> None:
    put(tmp_path, "imagesTr/case1_0000.nii.gz", "imagesTr/case2_0000.nii.gz", "labelsTr/case1.nii.gz")
    assert pairs(tmp_path, spatial_dims=3) == {"case1_0000.nii.gz": "case1.nii.gz", "case2_0000.nii.gz": None}
    put(tmp_path, "imagesTr/case1_0001.nii.gz")
    for listed in (lambda: folder_datalist(tmp_path), lambda: inference_datalist(tmp_path / "imagesTr")):
        with pytest.raises(ValueError, match=r"case1_0000, case1_0001, one for each channel \(nnU-Net\).*--pattern"):
            listed()
    assert pairs(tmp_path, spatial_dims=3, pattern="*_0000.*")["case1_0000.nii.gz"] == "case1.nii.gz"


@pytest.mark.parametrize("target", ["/not/mounted/b.tif", "b.tif"])
def test_a_label_that_is_a_broken_link_is_an_error(target: str, tmp_path: Path) -> None:
    put(tmp_path, "images/a.tif", "images/b.tif", "labels/a.tif")
    (tmp_path / "labels" / "b.tif").symlink_to(target)
    with pytest.raises(FileNotFoundError, match=r"label .*b\.tif is a link that leads nowhere .*mount"):
        folder_datalist(tmp_path)
    (tmp_path / "labels" / "b.tif").unlink()
    (tmp_path / "labels" / "old.tif").symlink_to(target)  # of no image
    assert pairs(tmp_path) == {"a.tif": "a.tif", "b.tif": None}


def test_a_folder_that_is_a_broken_link(tmp_path: Path) -> None:
    put(tmp_path, "images/a.tif")
    (tmp_path / "Labels").symlink_to("/not/mounted")
    with pytest.raises(FileNotFoundError, match="Labels is a link that leads nowhere"):
        folder_datalist(tmp_path)


def test_a_broken_image_with_a_label_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "images/a.tif", "labels/a.tif", "labels/b.tif")
    (tmp_path / "images" / "b.tif").symlink_to("/not/mounted")
    assert pairs(tmp_path) == {"a.tif": "a.tif"}
    assert "b.tif (a link that leads nowhere)" in caplog.text


def test_a_pattern_chooses_images_and_leaves_their_labels_alone(tmp_path: Path) -> None:
    put(tmp_path, "images/a_raw.tif", "images/b_raw.tif", "images/c.tif", "labels/b_raw.tif", "labels/c.tif")
    assert pairs(tmp_path, pattern="*_raw.tif") == {"a_raw.tif": None, "b_raw.tif": "b_raw.tif"}
    with pytest.raises(FileNotFoundError, match=r"no image matching '\*_dapi\*'"):
        folder_datalist(tmp_path, pattern="*_dapi*")


def test_what_looks_like_labels(tmp_path: Path) -> None:
    for name in ("images", "ground_truth", "Annotations", "metadata", "gt", "segmented", "notes"):
        (tmp_path / name).mkdir()
    assert [Path(name).name for name in like_labels(tmp_path)] == ["Annotations", "ground_truth", "gt", "segmented"]
    assert str(tmp_path / "gt") in like_labels(tmp_path / "images")  # the folder of the images was named itself


def test_images_one_folder_deeper_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "train/images/a.tif", "train/masks/a.tif")
    with caplog.at_level(logging.INFO), pytest.raises(FileNotFoundError, match=r"no image in .*did you mean .*train\?"):
        folder_datalist(tmp_path)
