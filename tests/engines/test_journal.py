"""Journal: what is done is known after any kind of end."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from monai_denoiseg.engines.journal import Journal


def test_steps_and_values_are_found_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "job", {"a": (1, 2)}, "job") as journal:
        assert not journal.resumed
        journal.add("tile", 0, 1)
        journal.add("tile", 1, 1)
        journal.add("grow", 0, 1)
        journal.keep("scale", [0.1, 2.5])
    with Journal(tmp_path / "job", {"a": [1, 2]}, "job") as journal:
        assert journal.resumed
        assert journal.has("tile", 1, 1)
        assert not journal.has("tile", 1, 0)
        assert (journal.count("tile"), journal.count("grow"), journal.count("other")) == (2, 1, 0)
        assert (journal.get("scale"), journal.get("other")) == ([0.1, 2.5], None)
        journal.remove()
    assert not (tmp_path / "job").exists()


def test_other_settings_empty_the_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal(tmp_path / "job", {"a": 1, "b": 2}, "the job") as journal:
        journal.add("tile", 0)
        journal.keep("scale", 1)
    (tmp_path / "job" / "data").mkdir()
    (tmp_path / "job" / "data" / "file").touch()
    (tmp_path / "job" / "other").touch()
    with caplog.at_level(logging.WARNING), Journal(tmp_path / "job", {"a": 3, "c": 4}, "the job") as journal:
        assert not journal.resumed
        assert (journal.count("tile"), journal.get("scale")) == (0, None)
        assert sorted(path.name for path in journal.folder.iterdir()) == ["journal.jsonl", "lock"]
    assert "the job: starts afresh" in caplog.text
    assert "a was 1, is 3, b was 2, is None, c was None, is 4" in caplog.text
    with Journal(tmp_path / "job", {"a": 3, "c": 4}, "the job") as journal:
        assert journal.resumed


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_cut_off_counts_for_nothing(tmp_path: Path, cut: int) -> None:
    with Journal(tmp_path / "job", {}, "job") as journal:
        journal.add("tile", 0)
        journal.add("tile", 1)
    path = tmp_path / "job" / "journal.jsonl"
    path.write_text(path.read_text()[:-cut])
    for _ in range(2):  # what is added then stands on a line of its own
        with Journal(tmp_path / "job", {}, "job") as journal:
            assert journal.resumed
            assert journal.has("tile", 0)
            journal.add("tile", 2)
            assert not journal.has("tile", 1)


def test_no_line_is_whole(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "journal.jsonl").write_text('{"sett')
    with Journal(tmp_path / "job", {}, "job") as journal:
        assert not journal.resumed


def test_restart(tmp_path: Path) -> None:
    with Journal(tmp_path / "job", {}, "job") as journal:
        journal.add("tile", 0)
        journal.restart()
        assert not journal.has("tile", 0)
        journal.add("tile", 1)
    with Journal(tmp_path / "job", {}, "job") as journal:
        assert (journal.has("tile", 0), journal.has("tile", 1)) == (False, True)


def test_one_program_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Journal(tmp_path / "job", {}, "job"), pytest.raises(RuntimeError, match="job: another program works on it in"):
        Journal(tmp_path / "job", {}, "job")
    Journal(tmp_path / "job", {}, "job").close()
