"""A folder that one command replaces as a whole, and only if nothing in it is anybody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_denoiseg.files import OwnedFolder


def use(folder: Path, text: str = "1") -> None:
    with OwnedFolder(folder, "demo") as owned:
        owned.clear()
        (folder / "run" / "empty").mkdir(parents=True)
        (folder / "run" / "a.txt").write_text(text)


@pytest.mark.parametrize("name", ["new", "."])
def test_its_own_content_is_replaced(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    use(folder, "1")
    (folder / "run" / "a.txt").touch()
    use(folder, "2")
    assert (folder / "run" / "a.txt").read_text() == "2"


@pytest.mark.parametrize("what", ["file", "changed", "link", "empty folder", "hidden", "in the record"])
def test_anything_else_is_left_alone(tmp_path: Path, what: str) -> None:
    use(tmp_path)
    mine = tmp_path / "run" / "thesis"
    if what == "changed":
        mine = tmp_path / "run" / "a.txt"
        mine.write_text("2")
    elif what == "link":
        mine.symlink_to("nowhere")
    elif what == "empty folder":
        mine.mkdir()
    elif what == "hidden":
        mine = tmp_path / ".thesis"
        mine.write_text("mine")
    else:
        mine.write_text("mine")
    if what == "in the record":  # a record of something else does not count
        with pytest.raises(FileExistsError):
            OwnedFolder(tmp_path, "other").__enter__()
    with pytest.raises(
        FileExistsError, match=rf"holds .*{mine.name}, which .* earlier demo: give another folder, or move it away"
    ):
        use(tmp_path)
    assert os.path.lexists(mine) and (tmp_path / "run" / "a.txt").is_file()


def test_after_an_error_the_rest_counts_as_its_own(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), OwnedFolder(tmp_path / "d", "demo"):
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "half").write_text("x")
        raise KeyboardInterrupt
    use(tmp_path / "d")


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file: give a folder for the demo"):
        use(tmp_path / "image.tif")
    assert (tmp_path / "image.tif").read_text() == "mine"
