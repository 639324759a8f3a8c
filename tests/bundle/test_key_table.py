"""The tables of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_denoiseg.bundle.key_table import defaults, key_table, settings_page, show_default
from monai_denoiseg.bundle.settings import SETTINGS, settings_of

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.skipif(not PAGE.parent.is_dir(), reason="runs in a checkout of the project only")
def test_the_page_of_the_guide_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == settings_page(), "run: monai-denoiseg keys --markdown > docs/settings.md"


def test_the_page_has_every_setting() -> None:
    page = settings_page()
    for setting in SETTINGS:
        assert f"| `{setting.name}` | " in page
        assert setting.meaning in page
    assert page.count("| `alpha` |") == 1
    assert page.count("| `device` |") == 4


def test_defaults_of_the_other_bundle() -> None:
    rows = {line.split("`")[1]: line for line in key_table("train", ["denoiseg_2d", "denoiseg_3d"]).splitlines() if "`" in line}
    assert "`15`, in denoiseg_3d `100`" in rows["min_size"]
    assert "denoiseg_3d" not in rows["alpha"]


def test_defaults_in_words() -> None:
    known = settings_of("train")
    values = defaults("train", "denoiseg_2d")
    shown = {
        name: show_default(known[name], values)
        for name in ("device", "dataset_dir", "class_weights", "resume", "first_stage_use")
    }
    assert shown == {
        "device": "the first GPU, else the CPU",
        "dataset_dir": "simulated",
        "class_weights": "null",
        "resume": "false",
        "first_stage_use": "[]",
    }
    assert not [name for name in known if "$" in show_default(known[name], values)]
