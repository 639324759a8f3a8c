"""Text goes through MONAI's configurations unchanged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from monai.bundle import ConfigParser

from monai_denoiseg.bundle.settings.literals import is_wiring, protect, unprotect
from monai_denoiseg.bundle.settings.overrides import for_monai

ODD = (
    "2024",
    "true",
    "[1]",
    "None",
    "1e5",
    "plate#1",
    "$HOME",
    "@x",
    "%x",
    "50%_FBS",
    "exp@37C",
    "a b",
    "it's",
    'a"b',
    "a\\b",
    "µm",
    "::",
)
TEXT = st.text(min_size=1, max_size=30) | st.text("#$@%:'\"\\ax{}[]\n", min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(TEXT)
@example("$__import__('os').system('touch broken')")
@example("import os")
@example("@dataset_dir#0")
@example("%configs/train.json")
def test_any_text_comes_back(text: str) -> None:
    assert unprotect(protect(text)) == text
    parser = ConfigParser({"x": 1, "path": protect(text), "below": "$@path + '/a'", "many": [protect(text), "b"]})
    get = parser.get_parsed_content
    assert (get("path"), get("below"), get("many")) == (text, text + "/a", [text, "b"])


@pytest.mark.parametrize("text", ODD)
def test_names_people_use(text: str) -> None:
    assert ConfigParser({"path": protect(text)}).get_parsed_content("path") == text
    assert not is_wiring(protect(text))


def test_nothing_is_run(tmp_path: Path) -> None:
    command = f"$__import__('pathlib').Path({str(tmp_path / 'broken')!r}).touch()"
    given = for_monai({"dataset_dir": command, "labels_dir": [command], "pattern": command})
    parser = ConfigParser(given)
    assert parser.get_parsed_content("dataset_dir") == command
    assert parser.get_parsed_content("labels_dir") == [command]
    assert parser.get_parsed_content("pattern") == command
    assert list(tmp_path.iterdir()) == []


def test_other_settings_keep_what_monai_means() -> None:
    given = {"alpha": "$1 / 3", "network_def": {"_target_": "x"}, "tile_size": "@patch_size", "_mine": "a#b"}
    assert for_monai(given) == given
    assert for_monai({"classes": ["background", "tumour #1"]})["classes"] == ["background", "$'tumour \\x231'"]
    assert for_monai({"dataset_dir": Path("a#b"), "output_dir": Path("c")}) == {"dataset_dir": "$'a\\x23b'", "output_dir": "c"}


def test_options_of_monais_command_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`config_file` is an option of `python -m monai\.bundle run`"):
        for_monai({"config_file": "train.json"})


def test_tracking_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_denoiseg.bundle.settings.tracking.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="`tracking` 'mlflow' needs MLflow, which is not installed: pip install mlflow"):
        for_monai({"tracking": "mlflow"})
    monkeypatch.setattr("monai_denoiseg.bundle.settings.tracking.find_spec", lambda name: object())
    assert for_monai({"tracking": "mlflow"}) == {"tracking": "mlflow"}


@pytest.mark.parametrize("value", ["$1 + 1", "$torch.device('cpu')", "$'a' + 'b'", "$'a' + @b", "$'a", 5, None, {"a": 1}])
def test_what_is_no_protected_text_stays(value: Any) -> None:
    assert unprotect(value) == value
    assert is_wiring(value) == isinstance(value, str)


def test_names_that_are_no_unicode() -> None:
    """File systems allow any bytes; Python writes those that are no UTF-8 as lone surrogates."""
    text = os.fsdecode(b"plate#\xff")
    assert ConfigParser({"path": protect(text)}).get_parsed_content("path") == text
