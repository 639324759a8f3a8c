"""Files that are never half-written and never overwritten in silence."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from monai_denoiseg.files import WriteError, move_file, new_folder, save_atomically, set_aside, write_bytes, write_text, writing
from monai_denoiseg.files.parts import _leftovers, part_for
from monai_denoiseg.processes import is_main_process, of_all_processes


def test_set_aside_counts_on(tmp_path: Path) -> None:
    path = tmp_path / "model.v2.pt"
    for text in ("first", "second", "third"):
        set_aside(path)
        path.write_text(text)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "model.v2.1.pt": "first",
        "model.v2.2.pt": "second",
        "model.v2.pt": "third",
    }


def test_set_aside_of_a_folder_and_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "a.txt").write_text("kept")
    assert set_aside(tmp_path / "demo") == tmp_path / "demo.1"
    assert (tmp_path / "demo.1" / "a.txt").read_text() == "kept"
    assert set_aside(tmp_path / "demo") is None


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_atomically({"x": torch.ones(2)}, path)
    with pytest.raises(Exception, match=r"pickle|local"):
        save_atomically({"x": lambda: None}, path)
    assert torch.equal(torch.load(path)["x"], torch.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_one_process_alone() -> None:
    assert is_main_process()
    assert of_all_processes([1, 2]) == [[1, 2]]


def test_only_rank_0_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        assert is_main_process() is (rank == 0)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every new file is a link to the device that is always full: real calls, real errors."""
    if not Path("/dev/full").exists():
        pytest.skip("Linux only")

    def linked(target: Path, kind: str = "part") -> Path:
        part = part_for(target, kind)
        part.symlink_to("/dev/full")
        return part

    monkeypatch.setattr("monai_denoiseg.files.atomic.part_for", linked)
    return Path("/dev/full")


@pytest.mark.parametrize("kind", ["torch", "text"])
def test_a_full_disk_is_said_with_the_name_and_leaves_the_old_file(tmp_path: Path, full_disk: Path, kind: str) -> None:
    path = tmp_path / "last.pt"
    path.write_text("old")
    with pytest.raises(WriteError, match=r"cannot write .*/last\.pt: no space left on the disk.*make room") as caught:
        save_atomically({"x": torch.ones(9000)}, path) if kind == "torch" else write_text("x" * 9000, path)
    assert caught.value.errno == errno.ENOSPC and isinstance(caught.value, OSError)
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"] and path.read_text() == "old"


LIMITED = """
import resource, sys
import torch
from monai_denoiseg.files import save_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
save_atomically({"x": torch.ones(9000)}, sys.argv[1])
"""


def test_a_network_larger_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"cannot write {path}: " in done.stderr.splitlines()[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"] and path.read_text() == "old"


@pytest.mark.parametrize(("number", "words"), [(errno.EACCES, "permission denied"), (errno.EROFS, "the disk is read-only")])
def test_a_forbidden_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def forbidden(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "x"))

    monkeypatch.setattr("monai_denoiseg.files.atomic.flush", forbidden)
    with pytest.raises(WriteError, match=rf"cannot write .*/a\.txt: {words}; choose a folder you may write to") as caught:
        write_text("x", tmp_path / "a.txt")
    assert isinstance(caught.value, PermissionError) and caught.value.errno == number


def test_an_error_about_a_file_that_is_read_is_not_blamed_on_the_target(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="elsewhere") as caught, writing(tmp_path / "out" / "a.txt"):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/b.tif")
    assert not isinstance(caught.value, WriteError)


def test_what_killed_runs_left_of_a_file_is_removed_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.tif"
    dead = 999_999_999
    left = part_for(target)
    left = left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{dead}-"))
    alive, other = part_for(target), left.with_name(left.name.replace("-a.tif", "-b.tif"))
    elsewhere = left.with_name(".part-000000" + left.name[len(".part-000000") :])
    for path in (left, alive, other, elsewhere):
        path.write_text("x")
    _leftovers.cache_clear()
    write_bytes(b"whole", target)
    assert {p.name for p in tmp_path.iterdir()} == {"a.tif", alive.name, other.name, elsewhere.name}


def test_names_of_the_greatest_length(tmp_path: Path) -> None:
    write_text("x", tmp_path / ("a" * 250 + ".txt"))
    assert [p.read_text() for p in tmp_path.iterdir()] == ["x"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "app") as part:
        (part / "a").write_text("x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "mine").write_text("x")
    with pytest.raises(FileExistsError, match="app exists and is not empty"), new_folder(tmp_path / "app") as part:
        (part / "a").write_text("x")
    assert [p.name for p in tmp_path.rglob("*")] == ["app", "mine"]


def test_moving_to_another_disk(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=other) as folder:
        Path(folder, "a").write_text("x")
        move_file(Path(folder, "a"), tmp_path / "b")
        assert not Path(folder, "a").exists() and (tmp_path / "b").read_text() == "x"
