"""The files of a result appear together or not at all, and never over what belongs to somebody else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from monai_denoiseg.files import ResultSet, WriteError, foreign_files, result_names, result_set, state_of
from monai_denoiseg.files.fingerprint import describe_source

NAMES = ("a_denoised.tif", "a_instances.tif", "panels/best.png")


def write(folder: Path, text: str, names: tuple[str, ...] = NAMES, **options: object) -> None:
    with ResultSet(folder, "image-a", **options) as results:  # type: ignore[arg-type]
        for name in names:
            results.add(folder / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    """All files but the record, also hidden ones."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".monai_denoiseg" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_own_results_are_replaced_all_together(tmp_path: Path) -> None:
    write(tmp_path, "old")
    write(tmp_path, "new")
    assert content(tmp_path) == dict.fromkeys(NAMES, "new")
    assert result_names(tmp_path) == set(NAMES)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_an_error_while_writing_leaves_the_earlier_results(tmp_path: Path, error: BaseException) -> None:
    write(tmp_path, "old")
    with pytest.raises(type(error)), ResultSet(tmp_path, "image-a") as results:
        results.add(tmp_path / NAMES[0]).write_text("new")
        results.add(tmp_path / NAMES[1]).write_text("ne")
        raise error
    assert content(tmp_path) == dict.fromkeys(NAMES, "old")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["_keep", "_put"])
@pytest.mark.parametrize("call", range(4))
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_between_the_renamings_takes_all_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, step: str, call: int, when: str
) -> None:
    write(tmp_path, "old")
    record = {path.name: path.read_bytes() for path in (tmp_path / ".monai_denoiseg").iterdir()}
    real, calls = getattr(result_set, step), iter(range(9))

    def broken(*paths: Path) -> None:
        number = next(calls)
        if number == call and when == "before":
            raise error
        real(*paths)
        if number == call:
            raise error

    monkeypatch.setattr(result_set, step, broken)
    with pytest.raises(type(error)):
        write(tmp_path, "new")
    assert content(tmp_path) == dict.fromkeys(NAMES, "old")
    assert {path.name: path.read_bytes() for path in (tmp_path / ".monai_denoiseg").iterdir()} == record
    monkeypatch.undo()
    write(tmp_path, "new")
    assert content(tmp_path) == dict.fromkeys(NAMES, "new")


def test_a_first_result_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ResultSet(tmp_path / "x" / "out", "image-a") as results:
        results.add(tmp_path / "x" / "out" / "panels" / "b.png").write_text("1")
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_folders_are_replaced_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def zarr(text: str) -> None:
        with ResultSet(tmp_path, "image-a") as results:
            for name in ("a.zarr", "b.zarr"):
                part = results.add(tmp_path / name)
                (part / "0").mkdir(parents=True)
                (part / "0" / "c").write_text(text)

    zarr("old")
    zarr("newer")
    assert content(tmp_path) == {"a.zarr/0/c": "newer", "b.zarr/0/c": "newer"}
    real = result_set._put
    monkeypatch.setattr(result_set, "_put", lambda part, target: real(part, target) if target.name != "b.zarr" else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        zarr("newest")
    assert content(tmp_path) == {"a.zarr/0/c": "newer", "b.zarr/0/c": "newer"}


@pytest.mark.parametrize("kind", ["by hand", "edited", "edited, same size and time", "link", "another image"])
def test_what_is_not_ours_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    out, source = tmp_path / "out", tmp_path / "a.tif"
    source.write_text("image")
    mine = out / NAMES[1]
    reason = "no record"
    if kind == "by hand":
        out.mkdir()
        mine.write_text("mine")
    elif kind == "link":
        out.mkdir()
        mine.symlink_to(source)
    else:
        write(out, "old", source=source)
        reason = "changed since"
        stat = mine.stat()
        if kind == "another image":
            source = tmp_path / "other" / "a.tif"
            source.parent.mkdir()
            source.write_text("something else")
            reason = "result of another image"
        elif kind == "edited":
            mine.write_text("mine")
        else:
            mine.write_text("OLD")
            os.utime(mine, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    before = content(out)
    expected = rf"{NAMES[1]} is there and is not overwritten by a result of .*a\.tif: .*{reason}.*another output_dir, or move"
    if kind == "another image":
        expected = expected.replace(NAMES[1], NAMES[0])
    with pytest.raises(FileExistsError, match=expected):
        write(out, "new", source=source)
    assert content(out) == before


def test_the_same_image_may_move_and_change(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("image")
    write(tmp_path / "out", "old", source=tmp_path / "a.tif")
    (tmp_path / "b").mkdir()
    (tmp_path / "a.tif").rename(tmp_path / "b" / "a.tif")
    write(tmp_path / "out", "new", source=tmp_path / "b" / "a.tif")
    (tmp_path / "b" / "a.tif").write_text("changed")
    write(tmp_path / "out", "newer", source=tmp_path / "b" / "a.tif")
    assert set(content(tmp_path / "out").values()) == {"newer"}


@pytest.mark.parametrize("noted", [True, False])
def test_results_beside_their_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: bool) -> None:
    """Their notes are in the files where that is possible, else in the hidden folder: the same holds for both."""
    if not noted:
        monkeypatch.setattr(result_set, "write_notes", lambda notes: False)
    source = tmp_path / "a.tif"
    source.write_text("image")

    def state(settings: str = "s") -> str:
        targets = [tmp_path / name for name in NAMES]
        return state_of(tmp_path, "image-a", settings, describe_source(source), targets)

    assert state() == "none"
    write(tmp_path, "1", source=source, settings="s")
    write(tmp_path, "2", source=source, settings="s")
    assert (tmp_path / ".monai_denoiseg").exists() is not noted
    assert result_names(tmp_path) == ({NAMES[0], NAMES[1]} if noted else set(NAMES)), "of the folder itself"
    assert (state(), state("t")) == ("complete", "other")
    write(tmp_path, "3", NAMES[:1], source=source, settings="t")
    assert state("t") == ("other" if noted else "complete"), "some files are of other settings"
    write(tmp_path, "4", source=source, settings="s")
    (tmp_path / NAMES[1]).write_text("mine")
    assert state() == "edited"
    with pytest.raises(FileExistsError, match=f"{NAMES[1]} .*changed since"):
        write(tmp_path, "5", source=source)
    (tmp_path / NAMES[1]).unlink()
    assert state() == "other"
    (tmp_path / NAMES[1]).write_text("mine")
    with pytest.raises(FileExistsError, match=r"changed since|no record"):
        write(tmp_path, "5", source=source)


def test_results_may_be_copied_without_their_times(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=shutil.copyfile)
    for path in (tmp_path / "copy").rglob("*.*"):
        os.utime(path, (1, 1))
    write(tmp_path / "copy", "new")


def test_other_files_of_earlier_sets_stay_ours(tmp_path: Path) -> None:
    write(tmp_path, "1")
    write(tmp_path, "2", NAMES[:1])
    assert content(tmp_path) == {NAMES[0]: "2", NAMES[1]: "1", NAMES[2]: "1"}
    assert foreign_files(tmp_path, "image-a", [tmp_path / name for name in NAMES], {}) == []
    write(tmp_path, "3")


def test_sweep_removes_what_is_not_replaced_but_nothing_edited(tmp_path: Path) -> None:
    write(tmp_path, "1", ("a", "b", "c"), sweep=True)
    (tmp_path / "b").write_text("mine")
    write(tmp_path, "2", ("a",), sweep=True)
    assert content(tmp_path) == {"a": "2", "b": "mine"}


def test_states(tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    source.write_text("image")
    out = tmp_path / "out"

    def state(settings: str = "s") -> str:
        return state_of(out, "image-a", settings, describe_source(source))

    assert state() == "none"
    write(out, "1", source=source, settings="s")
    assert (state(), state("t")) == ("complete", "other")
    (out / NAMES[0]).write_text("x")
    assert state() == "edited"
    (out / NAMES[0]).unlink()
    assert state() == "other"
    write(out, "1", source=source, settings="s")
    source.write_text("changed")
    assert state() == "other"
    for name in NAMES:
        (out / name).unlink()
    assert state() == "none"
    write(out, "1", source=source)
    assert state("") == "other", "results of unknown settings count for nothing"


def test_a_damaged_record_makes_files_foreign(tmp_path: Path) -> None:
    write(tmp_path, "1")
    (tmp_path / ".monai_denoiseg" / "image-a.json").write_text("{")
    with pytest.raises(FileExistsError, match="no record"):
        write(tmp_path, "2")


def test_adopted_files_survive_an_error_and_a_kill(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_text("a")
    (tmp_path / "b").write_text("mine")
    (tmp_path / "b.part").write_text("b")

    def publish() -> None:
        with ResultSet(tmp_path, "image-a") as results:
            for name in ("a", "b"):
                results.adopt(tmp_path / name, tmp_path / f"{name}.part")

    with pytest.raises(FileExistsError):
        publish()
    assert content(tmp_path) == {"a.part": "a", "b": "mine", "b.part": "b"}
    (tmp_path / "b").unlink()
    publish()
    assert content(tmp_path) == {"a": "a", "b": "b"}
    publish()  # as after a kill in the end: nothing is left to rename
    assert content(tmp_path) == {"a": "a", "b": "b"} and result_names(tmp_path) == {"a", "b"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    write(tmp_path, "old")
    expected = r"cannot write .*a_instances\.tif: no space left on the disk.*make room"
    with pytest.raises(WriteError, match=expected) as caught, ResultSet(tmp_path, "image-a") as results:
        results.add(tmp_path / NAMES[0]).write_text("new")
        part = results.add(tmp_path / NAMES[1])
        part.symlink_to("/dev/full")
        with result_set.explained(tmp_path / NAMES[1]):
            part.write_text("x" * 100)
    assert caught.value.errno == 28
    assert content(tmp_path) == dict.fromkeys(NAMES, "old")
