"""The drawing of the rooms in docs/architecture.md, made from the imports of the code.

Without an option it is printed; ``--write`` puts it into the page.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
sys.path.insert(0, str(ROOT / "tests"))

from test_floors import FLOORS, GROUND, import_graph, room_of  # noqa: E402

BEGIN, END = "<!-- made by scripts/rooms_table.py -->", "<!-- end -->"
BESIDE = "self2seg"
NAMES = ("ground", "1st floor", "2nd floor", "3rd floor", "4th floor", "5th floor", "roof", "beside")


def room_imports(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """For each room the other rooms it imports; the package's own ``__init__`` is no room."""
    rooms: dict[str, set[str]] = {room_of(module): set() for module in graph if module}
    for module, targets in graph.items():
        if module:
            rooms[room_of(module)] |= {room_of(target) for target in targets if target} - {room_of(module)}
    return rooms


def floor_of(room: str) -> int:
    """Place of the room's floor in :data:`NAMES`."""
    if room in GROUND:
        return 0
    if room == BESIDE:
        return len(NAMES) - 1
    return next((number for number, floor in enumerate(FLOORS, 1) if room in floor), len(NAMES) - 2)


def drawing(graph: Mapping[str, set[str]]) -> str:
    """The floors from the roof down, and the table of what each room imports."""
    rooms = room_imports(graph)
    floors = [sorted(room for room in rooms if floor_of(room) == number) for number in range(len(NAMES))]
    roof, beside = len(NAMES) - 2, len(NAMES) - 1
    order = [number for number in (*range(roof, -1, -1), beside) if floors[number]]
    stack = [f"{NAMES[number]:<11}{'   '.join(floors[number])}" for number in order]
    rows = [
        f"| {NAMES[number]} | `{room}` | {', '.join(f'`{name}`' for name in sorted(rooms[room])) or '–'} |"
        for number in order
        for room in floors[number]
    ]
    table = ["| Floor | Room | Imports |", "|---|---|---|", *rows]
    return "\n".join(["```text", *stack, "```", "", *table])


def current() -> str:
    """The drawing of the package as it is."""
    return drawing(import_graph(ROOT / "monai_denoiseg"))


def shown(page: str) -> str:
    """The drawing that a page holds between the two marks."""
    found = re.search(f"{re.escape(BEGIN)}\n\n(.*?)\n\n{re.escape(END)}", page, re.DOTALL)
    if not found:
        raise ValueError(f"{PAGE.name}: no drawing between {BEGIN!r} and {END!r}")
    return found[1]


def main() -> None:
    """Print the drawing, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put it into docs/architecture.md")
    if not parser.parse_args().write:
        print(current())
        return
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text.replace(shown(text), current()), "utf-8")


if __name__ == "__main__":
    main()
