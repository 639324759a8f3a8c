"""Notes that files carry themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_denoiseg.files.notes import ATTRIBUTE, read_note, write_notes

NOTE = {"set": "image-a", "source": {}, "settings": "", "print": {}, "names": ["a"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_text("x")
    if not write_notes({path: NOTE}):
        pytest.skip("a file system without extended attributes")
    return path


def test_a_note_stays_with_its_file(file: Path) -> None:
    moved = file.rename(file.with_name("b"))
    assert read_note(moved) == NOTE and moved.read_text() == "x"


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff"])
def test_what_is_no_note(file: Path, content: bytes) -> None:
    os.setxattr(file, ATTRIBUTE, content)
    assert read_note(file) is None


def test_links_have_none(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    assert read_note(link) is None


def test_without_attributes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not write_notes({file: {**NOTE, "names": ["x" * 100_000]}}), "too long for a file system"
    monkeypatch.delattr(os, "setxattr")
    monkeypatch.delattr(os, "getxattr")
    assert not write_notes({file: NOTE}) and read_note(file) is None
