"""The floors of the house: no import runs upwards, none across the first floor, none in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import monai_denoiseg

PACKAGE = "monai_denoiseg"
GROUND = {"", "constants", "checks", "files", "intensity", "memory", "open_classes", "processes", "spacing", "sparse", "units"}
"""The lazy `__init__` ("") and what stands beside it."""
FLOORS = (
    {"data", "transforms", "losses", "metrics", "pictures"},
    {"heads"},
    {"networks", "handlers"},
    {"engines", "measure"},
    {"bundle"},
)
"""From the first floor up. Rooms of the first floor do not import each other; ``self2seg`` stands beside them."""


def allowed_rooms(room: str) -> set[str] | None:
    """Rooms that ``room`` may import beside itself; None: everything (the roof: cli, demo, label, report, ...)."""
    if room in GROUND:
        return GROUND
    if room == "self2seg":
        return GROUND | {"transforms", "metrics", "pictures"}
    below = set(GROUND)
    for number, floor in enumerate(FLOORS):
        if room in floor:
            return below | (floor if number else set()) | ({"self2seg"} if room == "bundle" else set())
        below |= floor
    return None


def find_modules(root: Path) -> dict[str, Path]:
    """Dotted name, relative to the package, of every module below ``root``: "" is the package itself."""
    names = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imported_names(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Dotted names, relative to the package, that the code imports from it (also inside functions)."""
    here = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = here[: len(here) - node.level + is_package] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            full = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix(PACKAGE).lstrip(".") for name in full if name.split(".")[0] == PACKAGE)


def import_graph(root: Path) -> dict[str, set[str]]:
    """For each module the modules of the package it imports."""
    modules = find_modules(root)
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imported_names(ast.parse(path.read_text("utf-8")), module, path.name == "__init__.py"):
            while name not in modules:  # `from room.module import Class`: the class is no module, its home is
                name = name.rpartition(".")[0]
            graph[module].add(name)
    return graph


def room_of(module: str) -> str:
    return module.split(".")[0]


def wrong_imports(graph: dict[str, set[str]]) -> list[str]:
    complaints = []
    for module, targets in graph.items():
        allowed = allowed_rooms(room_of(module))
        for target in sorted(targets):
            if allowed is not None and room_of(target) not in allowed | {room_of(module)}:
                complaints.append(f"{module} imports {target}: not allowed from `{room_of(module)}`")
    return complaints


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of imports, first module repeated at the end; empty if there is none."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph[module]):
            if found := visit(target, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module, []))), [])


def test_no_import_runs_upwards_or_across() -> None:
    graph = import_graph(Path(monai_denoiseg.__file__).parent)
    assert len(graph) > 3
    assert wrong_imports(graph) == []


def test_no_circle() -> None:
    assert find_cycle(import_graph(Path(monai_denoiseg.__file__).parent)) == []


def make_package(root: Path, **files: str) -> Path:
    """Write ``room__module="code"`` as room/module.py, with the __init__ files it needs."""
    (root / "__init__.py").write_text("")
    for name, code in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(code)
    return root


@pytest.mark.parametrize(
    "code",
    [
        "from monai_denoiseg.transforms.border import f",
        "from monai_denoiseg.transforms import border",
        "import monai_denoiseg.transforms.border as b",
        "from ..transforms.border import f",
        "from .. import transforms",
        "def g():\n    from monai_denoiseg import transforms",
        "from monai_denoiseg.engines import trainer",
        "from monai_denoiseg.cli import main",
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, code: str) -> None:
    make_package(tmp_path, data__reader=code, transforms__border="", engines__trainer="", cli="")
    assert len(wrong_imports(import_graph(tmp_path))) == 1


def test_right_imports_pass(tmp_path: Path) -> None:
    make_package(
        tmp_path,
        checks="from monai_denoiseg.constants import IGNORE",
        constants="import numpy",
        data__reader="from monai_denoiseg.checks import f\nfrom .other import g\nfrom . import third",
        data__other="",
        data__third="",
        engines__trainer="from monai_denoiseg.data import reader\nfrom monai_denoiseg.constants import IGNORE",
        self2seg__solver="",
        cli="from monai_denoiseg.engines.trainer import Trainer\nfrom monai_denoiseg import __version__, self2seg",
    )
    graph = import_graph(tmp_path)
    assert graph["data.reader"] == {"checks", "data.other", "data.third"}
    assert graph["cli"] == {"engines.trainer", "", "self2seg"}
    assert wrong_imports(graph) == []
    assert find_cycle(graph) == []


@pytest.mark.parametrize("room", ["losses", "handlers", "label"])
def test_self2seg_stands_on_little(tmp_path: Path, room: str) -> None:
    make_package(tmp_path, self2seg__solver=f"from monai_denoiseg import {room}, metrics", metrics__ap="", **{f"{room}__a": ""})
    assert wrong_imports(import_graph(tmp_path)) == [f"self2seg.solver imports {room}: not allowed from `self2seg`"]


def test_a_circle_is_found(tmp_path: Path) -> None:
    make_package(
        tmp_path,
        data__a="from monai_denoiseg.data.b import f",
        data__b="def g():\n    from .c import h",
        data__c="from . import a",
    )
    assert find_cycle(import_graph(tmp_path)) == ["data.a", "data.b", "data.c", "data.a"]
