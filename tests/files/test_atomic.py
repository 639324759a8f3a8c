"""Files that are never half-written and never overwritten in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_denoiseg.files import save_atomically, set_aside
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
