"""What the bundles share is written once: 3D follows 2D, methods without training follow one list."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TRAIN = ROOT / "bundles" / "denoiseg_2d" / "configs" / "train.json"


@pytest.fixture(scope="module")
def sync() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sync_bundles", ROOT / "scripts" / "sync_bundles.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bundles_are_in_step(sync: ModuleType) -> None:
    assert sync.out_of_step() == [], "run python scripts/sync_bundles.py"


def test_a_change_is_noticed(sync: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, text in sync.wanted_files().items():
        copy = tmp_path / path.relative_to(sync.BUNDLES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
    shutil.copy(TRAIN.parent / "logging.conf", tmp_path / "denoiseg_2d" / "configs")
    monkeypatch.setattr(sync, "BUNDLES", tmp_path)
    assert sync.out_of_step() == []
    changed, added = tmp_path / "denoiseg_3d/configs/evaluate.json", tmp_path / "denoiseg_3d/configs/predict/own.json"
    changed.write_text(changed.read_text().replace('"tta": true', '"tta": false'))
    added.write_text("{}")
    assert sync.out_of_step() == [changed, added]


@pytest.mark.parametrize("value", [{"a": [1, {"b": 2}], "c": {"d": {"e": "x" * 200}}, "f": [], "g": [[1, 2], [3]] * 30}, {}])
def test_the_form_changes_no_value(sync: ModuleType, value: Any) -> None:
    assert json.loads(sync.render(value)) == value


def expressions(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.startswith("$") else []
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for entry in entries for text in expressions(entry)]


def test_a_training_can_be_read() -> None:
    """As long as the training configurations of MONAI's model zoo (median 329 lines), and wiring only."""
    text = TRAIN.read_text("utf-8")
    found = expressions(json.loads(text))
    logic = re.compile(r"\b(if|else|for|and|or|not|is|in|lambda)\b|[=!<>]=|[<>]|//")
    assert len(text.splitlines()) <= 360
    assert max(map(len, found)) <= 120
    assert len([one for one in found if logic.search(one)]) <= 5
