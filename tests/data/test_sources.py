"""Lists of files and data lists in JSON: read as a folder is, and wrong entries are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import images_datalist, labelled_datalist, split_datalist
from monai_denoiseg.data.list_file import read_list_file


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(root / name, np.zeros((8, 8), np.uint8))


def listed(root: Path, **sections: Any) -> Path:
    path = root / "data.json"
    path.write_text(json.dumps({"name": "mine", **sections}))
    return path


def test_files_from_several_places_keep_their_labels_and_get_names(tmp_path: Path) -> None:
    put(tmp_path, "p1/images/a.tif", "p1/labels/a.tif", "p2/images/a.tif", "p2/images/b.tif", "p3/c.tif", "p3/labels/c.tif")
    found = labelled_datalist([tmp_path / "p1/images/a.tif", tmp_path / "p2", tmp_path / "p3/c.tif"])
    assert {item["name"]: "label" in item for item in found} == {
        "p1/images/a.tif": True,
        "p2/images/a.tif": False,
        "p2/images/b.tif": False,
        "p3/c.tif": True,
    }
    assert len(labelled_datalist([tmp_path / "p1", tmp_path / "p2"], pattern="a*")) == 2
    (single,) = labelled_datalist(str(tmp_path / "p1/images/a.tif"))
    assert single["label"] == str(tmp_path / "p1/labels/a.tif")
    with pytest.raises(ValueError, match="is listed twice"):
        labelled_datalist([tmp_path / "p1", tmp_path / "p1/images/a.tif"])
    with pytest.raises(FileNotFoundError, match=r"gone\.tif does not exist"):
        labelled_datalist([tmp_path / "p1", tmp_path / "gone.tif"])


def test_sections_of_a_data_list(tmp_path: Path) -> None:
    put(tmp_path, "x/a.tif", "y/a.tif", "x/b.tif", "x/t.tif")
    path = listed(
        tmp_path,
        training=[{"image": "x/a.tif", "label": "./y/a.tif", "group": 7}, {"image": "x/b.tif", "label": ""}],
        test=["./x/t.tif"],
    )
    found = labelled_datalist(path)
    assert [(item["name"], item.get("label"), item.get("group")) for item in found] == [
        ("x/a.tif", str(tmp_path / "y/a.tif"), "7"),
        ("x/b.tif", None, None),
    ]
    assert [Path(item["image"]).name for item in images_datalist(path)] == ["t.tif"]
    assert [Path(item["image"]).name for item in images_datalist(path, "b*", section="training")] == ["b.tif"]
    assert images_datalist(path, section="training")[0] == {"image": str(tmp_path / "x/a.tif")}
    with pytest.raises(ValueError, match=r"no entries for `section` 'validation'; it has 'training', 'testing'"):
        images_datalist(path, section="validation")


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        ({"image": "gone.tif"}, FileNotFoundError, r"training\[1\]: image gone\.tif does not exist"),
        ({"image": "a.tif", "label": "gone.tif"}, FileNotFoundError, r"training\[1\]: label gone\.tif does not exist"),
        ({"image": "dir.tif"}, FileNotFoundError, r"training\[1\]: image dir\.tif is a folder"),
        ({"image": "link.tif"}, FileNotFoundError, r"training\[1\]: image link\.tif is a link that leads nowhere"),
        ({"image": "a.tif", "lable": "a.tif"}, ValueError, r"training\[1\] has the unknown key 'lable'; did you mean 'label'"),
        ({"label": "a.tif"}, ValueError, r"training\[1\] has no 'image'"),
        ({"image": ["a.tif", "b.tif"]}, ValueError, r"training\[1\]: image is \[.*one file must hold the image"),
        ({"image": "b.tif", "fold": "one"}, ValueError, r"training\[1\]: fold must be an integer, got 'one'"),
        ({"image": "notes.txt"}, ValueError, r"notes\.txt has an unsupported file format"),
        ({"image": "a.tif"}, ValueError, r"training\[1\] has the image of training\[0\] once more"),
        (3, ValueError, r"training\[1\] must be an object with the key 'image', got 3"),
    ],
)
def test_wrong_entries_are_named(entry: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    put(tmp_path, "a.tif", "b.tif")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "dir.tif").mkdir()
    (tmp_path / "link.tif").symlink_to("/not/mounted")
    with pytest.raises(error, match=message):
        read_list_file(listed(tmp_path, training=[{"image": "a.tif"}, entry]), "training")


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is no JSON file"), ("[1]", "is no data list"), ('{"images": []}', "it has 'images'")]
)
def test_files_that_are_no_data_list(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        labelled_datalist(tmp_path / "a.json")


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together(seed: int) -> None:
    items = [{"image": f"{i}.tif", "group": f"patient {i // 4}", **({"label": "x"} if i % 4 == 0 else {})} for i in range(24)]
    training, validation = split_datalist(items, 0.3, seed)
    sides = [{item["group"] for item in part} for part in (training, validation)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == 2
    assert len(training) + len(validation) == 24
