"""What is typed on the two command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_denoiseg.bundle.settings import read_words, settings_of
from monai_denoiseg.bundle.settings.typed import typed_words

TRAIN, INFER = settings_of("train"), settings_of("infer")
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
MONAI = "/venv/lib/monai/bundle/__main__.py"


@settings(max_examples=200, deadline=None)
@given(PLAIN | st.lists(PLAIN, max_size=4))
def test_values_come_back(value: Any) -> None:
    """Whatever Python writes is read as it was."""
    assert read_words([f"--alpha={value}"], TRAIN) == {"alpha": value}
    assert read_words(["--alpha", str(value)], TRAIN) == {"alpha": value}


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=20).filter(lambda text: text.lower() not in ("none", "null") and text[:1] not in "'\""))
def test_paths_stay_text(text: str) -> None:
    assert read_words([f"--output_dir={text}"], TRAIN) == {"output_dir": text}
    assert read_words([f"--validation_dir={text}"], TRAIN) == {"validation_dir": text}


@pytest.mark.parametrize("text", ["2024", "true", "[1]", "1e5", "plate#1", "$HOME", "@x", "%x", "a b", "None"])
@pytest.mark.parametrize("key", ["dataset_dir", "output_dir", "model_file", "labels_dir", "pattern"])
def test_odd_names(key: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(text).mkdir()
    known = settings_of("evaluate") if key == "labels_dir" else INFER
    none = key == "pattern" and text == "None"  # no path: the word means none
    assert read_words([f"--{key}", text], known) == {key: None if none else text}


def test_none_and_lists_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_words(["--validation_dir", "none"], TRAIN) == {"validation_dir": None}
    assert read_words(["--dataset_dir", "none"], TRAIN) == {"dataset_dir": "none"}
    assert read_words(["--dataset_dir", "['a.tif', 'b.tif']"], INFER) == {"dataset_dir": ["a.tif", "b.tif"]}
    assert read_words(["--dataset_dir", "['a.tif']"], TRAIN) == {"dataset_dir": ["a.tif"]}
    assert read_words(["--dataset_dir", "'2024'"], INFER) == {"dataset_dir": "2024"}
    Path("none").mkdir()
    assert read_words(["--validation_dir", "none"], TRAIN) == {"validation_dir": "none"}


@pytest.mark.parametrize("words", [["--resume"], ["--resume", "true"], ["--resume=True"], ["--resume", "--seed", "3"]])
def test_switches(words: list[str]) -> None:
    assert read_words(words, TRAIN)["resume"] is True
    assert read_words(["--seed", "3", "--resume"], TRAIN) == {"seed": 3, "resume": True}
    assert read_words(["--tta", "false"], TRAIN) == {"tta": False}


def test_hyphens() -> None:
    assert read_words(["--max-epochs", "3", "--dataset-dir=a-b"], TRAIN) == {"max_epochs": 3, "dataset_dir": "a-b"}


@pytest.mark.parametrize(
    ("words", "known", "message"),
    [
        (["image.tif"], INFER, r"expected --key value, got 'image.tif'; did you mean --dataset_dir image.tif\?"),
        (["image.tif"], settings_of("self2seg"), r"did you mean --image image.tif\?"),
        (["--alpha"], TRAIN, "--alpha needs a value"),
        (["--resumee"], TRAIN, "--resumee needs a value"),
    ],
)
def test_words_that_are_no_settings(words: list[str], known: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_words(words, known)


def test_words_of_monais_command() -> None:
    words = ["run", "--config_file", "a.json", "--dataset-dir", "2024", "--output_dir=plate#1", "--flag", "--seed", "-1"]
    found = typed_words([MONAI, *words])
    assert found == {"config_file": "a.json", "dataset_dir": "2024", "output_dir": "plate#1", "seed": "-1"}
    assert typed_words(["pytest", *words]) == {}
