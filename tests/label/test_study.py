"""Which images of a study are trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from monai_denoiseg.label.study import describe, image_path, served_times, split_study, study_items
from monai_denoiseg.label.usable import unsuitable

from .conftest import FakeDatastore, Study, write_volume


def datastore(study: Study) -> FakeDatastore:
    names = study.annotated + study.waiting
    labels = {name: study.folder / "labels" / "final" / f"{name}.tif" for name in study.annotated}
    return FakeDatastore({name: study.folder / f"{name}.tif" for name in names}, labels)


def test_all_images_are_listed_annotated_or_not(study: Study, tmp_path: Path) -> None:
    items = study_items(datastore(study), tmp_path)
    assert [Path(item["image"]).stem for item in items] == study.annotated + study.waiting
    assert [Path(item["label"]).stem for item in items if "label" in item] == study.annotated


def test_other_files_are_left_out(study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = datastore(study)
    store.images |= {"volume": write_volume(tmp_path / "volume.nii.gz"), "slide": tmp_path / "slide.svs"}
    assert len(study_items(store, tmp_path)) == 8
    assert "volume.nii.gz" in caplog.text
    assert "slide.svs: unsupported file format" in caplog.text
    assert [Path(item["image"]).name for item in study_items(store, tmp_path, spatial_dims=3)][-1] == "volume.nii.gz"


def test_names_of_segments_reach_the_label(study: Study, tmp_path: Path) -> None:
    store = datastore(study)
    store.infos = {"plane0": {"label_info": [{"name": "cell"}, {"name": "annotated background"}]}}
    items = study_items(store, tmp_path)
    assert tifffile.imread(items[0]["label"]).min() == -1
    assert items[1]["label"] == str(store.labels["plane1"])


@pytest.mark.parametrize(
    ("labelled", "val_split", "counts"),
    [(1, 0.2, (9, 1)), (2, 0.2, (9, 2)), (3, 0.2, (8, 1)), (9, 0.2, (7, 2)), (5, 0.9, (5, 4)), (5, 0.0, (9, 5))],
)
def test_only_annotated_images_validate(labelled: int, val_split: float, counts: tuple[int, int]) -> None:
    items = [{"image": f"{i}.tif", **({"label": "l"} if i < labelled else {})} for i in range(9)]
    training, validation = split_study(items, val_split)
    assert (len(training), len(validation)) == counts
    assert all("label" in item for item in validation)
    assert any("label" in item for item in training)
    assert {item["image"] for item in training + validation} == {item["image"] for item in items}
    assert f"{counts[0]}" in describe(items, training, validation)


@pytest.mark.parametrize(
    ("items", "val_split", "message"),
    [
        ([], 0.2, "holds no image"),
        ([{"image": "a"}], 0.2, "no image of the study is annotated"),
        ([{"image": "a", "label": "b"}], 1.0, r"`val_split` must be in \[0, 1\)"),
    ],
)
def test_what_cannot_be_split(items: list[dict[str, str]], val_split: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_study(items, val_split)


def test_image_by_id_or_path(study: Study) -> None:
    store = datastore(study)
    assert image_path(store, "plane0").name == "plane0.tif"
    assert image_path(store, str(study.folder / "plane1.tif")).name == "plane1.tif"
    for name in ("", "nowhere", "/", str(study.folder), "A" * 100_000, "a\0b"):
        with pytest.raises(LookupError, match="no image"):
            image_path(store, name)


def test_a_segment_that_is_no_class_stops_with_the_name_of_the_file(study: Study, tmp_path: Path) -> None:
    store = datastore(study)
    store.infos = {"plane0": {"label_info": [{"name": "heart", "idx": 1}]}}
    with pytest.raises(ValueError, match=r"label plane0\.tif: "):
        study_items(store, tmp_path, classes=["background", "cell"])


def test_numbers_of_segments_reach_the_label(study: Study, tmp_path: Path) -> None:
    store = datastore(study)
    tifffile.imwrite(tmp_path / "plane0.tif", np.full((48, 40), 7, np.uint8))
    store.labels["plane0"] = tmp_path / "plane0.tif"
    store.infos = {"plane0": {"label_info": [{"name": "cell", "idx": 7}]}}
    [item] = [item for item in study_items(store, tmp_path / "work", classes=["background", "cell"]) if "plane0" in item["image"]]
    assert np.unique(tifffile.imread(item["label"])).tolist() == [1]


def test_frames_are_said_to_be_split(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 8), "u1"), metadata={"axes": "TYX"}, imagej=True)
    assert "3 images along time" in unsuitable(tmp_path / "a.tif", 2)


def test_served_times() -> None:
    store = FakeDatastore({"a": Path("a"), "b": Path("b")}, {})
    store.image_infos = {"a": {"strategy": {"random": {"ts": 7}, "other": {"ts": 9}}}}
    for odd in (None, 5, [], {"random": None}, {"random": {"ts": "x"}}):
        store.image_infos["b"] = {"strategy": odd}
        assert list(served_times(store, ["a", "b"], "random")) == ["a"]
    assert json.dumps(served_times(store, ["a", "b"], "random")) == '{"a": 7.0}'
