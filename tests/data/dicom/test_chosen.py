"""Series that are chosen by one of their files, in every kind of list and in the names of results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from monai_denoiseg.data import images_datalist, labelled_datalist, output_stem
from monai_denoiseg.data.dicom import simulate_series, whole_series
from monai_denoiseg.handlers.evaluation import image_name

pytest.importorskip("pydicom")

ZEROS = np.zeros((3, 4, 5), np.int16)


def scans(folder: Path) -> list[str]:
    for case in ("case_00", "case_01"):
        simulate_series(folder / "images" / case, ZEROS)
        (folder / "labels").mkdir(exist_ok=True)
        np.save(folder / "labels" / f"{case}.npy", ZEROS)
    return [str(folder / "images" / case / "IM0001.dcm") for case in ("case_00", "case_01")]


def mixed(folder: Path) -> tuple[Path, Path]:
    """Two series in one folder."""
    one = simulate_series(folder, ZEROS, SeriesInstanceUID="1.2.3")
    other = simulate_series(folder / "more", ZEROS, SeriesInstanceUID="1.2.4")
    moved = [shutil.move(path, folder / f"b{path.name}") for path in other]
    (folder / "more").rmdir()
    return one[0], moved[0]


def test_series_are_named_by_their_folders(tmp_path: Path) -> None:
    files = scans(tmp_path)
    listed = tmp_path / "list.json"
    entries = [{"image": file, "label": str(tmp_path / "labels" / f"{Path(file).parent.name}.npy")} for file in files]
    listed.write_text(json.dumps({"testing": entries}))
    wanted = ["case_00", "case_01"]
    for source in (files, listed):
        assert [output_stem(item["image"]) for item in images_datalist(source, spatial_dims=3)] == wanted
        items = labelled_datalist(source, section=None, spatial_dims=3)
        assert [image_name(item) for item in items] == wanted
        assert [Path(item["label"]).stem for item in items] == wanted
    assert [Path(item["image"]).name for item in images_datalist(files[0], spatial_dims=2)] == ["IM0001.dcm"]


def test_file_beside_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(scans(tmp_path)[1]).parent)
    assert whole_series("IM0002.dcm", 3).name == "case_01"


def test_two_series_of_a_folder_have_its_name_and_their_files(tmp_path: Path) -> None:
    files = [*mixed(tmp_path / "a"), *mixed(tmp_path / "b")]
    items = images_datalist(files, spatial_dims=3)
    wanted = ["a_IM0001", "a_bIM0001", "b_IM0001", "b_bIM0001"]
    assert [output_stem(item["image"]) for item in items] == wanted
    assert [image_name(item) for item in items] == [f"{name}.dcm" for name in wanted]


def test_localizers_do_not_count(tmp_path: Path) -> None:
    file = Path(scans(tmp_path)[0])
    scout = simulate_series(tmp_path / "s", ZEROS[:1], SeriesInstanceUID="1.9", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    shutil.move(scout[0], file.with_name("scout.dcm"))
    assert whole_series(file, 3).name == "case_00"
    assert output_stem(whole_series(file.with_name("scout.dcm"), 3)) == "case_00_scout"


def test_series_given_twice(tmp_path: Path) -> None:
    file = Path(scans(tmp_path)[0])
    both = [str(file), str(file.with_name("IM0002.dcm"))]
    (tmp_path / "list.json").write_text(json.dumps({"training": both}))
    with pytest.raises(ValueError, match="case_00 is listed twice"):
        images_datalist(both, spatial_dims=3)
    with pytest.raises(ValueError, match=r"lists several files of the series .*case_00"):
        labelled_datalist(tmp_path / "list.json", spatial_dims=3)
