"""The drawing of the rooms in the user guide agrees with the imports of the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="runs in a checkout of the project only")
sys.path.insert(0, str(ROOT / "scripts"))

import rooms_table  # noqa: E402

GRAPH = {
    "": {"cli"},
    "checks": {"constants"},
    "constants": set(),
    "data.reader": {"data.axes", "checks"},
    "data.axes": {""},
    "self2seg": {"transforms.blindspot"},
    "transforms.blindspot": {"checks"},
    "engines.trainer": {"data.reader", "transforms.blindspot"},
    "cli": {"engines.trainer", "self2seg"},
}


def test_the_page_agrees_with_the_imports() -> None:
    right = rooms_table.current()
    text = PAGE.read_text("utf-8")
    assert rooms_table.shown(text) == right, f"run python scripts/rooms_table.py --write; it must be:\n{right}"


def test_every_room_is_described() -> None:
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]*`) \|", text[: text.index("## Floors")], re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    # `heads` is described before it is built: this line goes when the room is there
    assert described == rooms_table.room_imports(rooms_table.import_graph(ROOT / "monai_denoiseg")).keys() | {"heads"}


def test_contributing_is_true() -> None:
    """It names every room on its floor, and files that exist."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^ *\| (ground|\d|roof|beside) \| ([^|]*) \|", text, re.MULTILINE)
    floors = {floor: set(re.findall(r"`(\w+)`", rooms)) for floor, rooms in rows}
    names = ["ground", "1", "2", "3", "4", "5", "roof", "beside"]
    right = {
        name: {
            room
            for room in [*rooms_table.room_imports(rooms_table.import_graph(ROOT / "monai_denoiseg")), "heads"]
            if rooms_table.floor_of(room) == number
        }
        for number, name in enumerate(names)
    }
    assert floors == right
    files = re.findall(r"`([\w/.]+/[\w.]+\.\w+)`", text)
    assert len(files) > 3
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_imports_between_rooms() -> None:
    assert rooms_table.room_imports(GRAPH) == {
        "checks": {"constants"},
        "constants": set(),
        "data": {"checks"},
        "self2seg": {"transforms"},
        "transforms": {"checks"},
        "engines": {"data", "transforms"},
        "cli": {"engines", "self2seg"},
    }


def test_drawing() -> None:
    stack, table = rooms_table.drawing(GRAPH).split("```\n\n")
    assert stack.splitlines()[1:] == [
        "roof       cli",
        "4th floor  engines",
        "1st floor  data   transforms",
        "ground     checks   constants",
        "beside     self2seg",
    ]
    assert "| roof | `cli` | `engines`, `self2seg` |\n| 4th floor | `engines` | `data`, `transforms` |\n" in table
    assert "| ground | `constants` | – |" in table


def test_a_page_without_a_drawing() -> None:
    with pytest.raises(ValueError, match=r"architecture\.md: no drawing"):
        rooms_table.shown("# Architecture\n")
