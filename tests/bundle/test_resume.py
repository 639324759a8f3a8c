"""A resumed training keeps its settings and its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_denoiseg.bundle.resume import (
    BEFORE,
    MAY_DIFFER,
    kept_settings,
    previous_recipe,
    previous_split,
    read_checkpoint,
    resumed_settings,
    stored_settings,
)

STORED = {"alpha": 0.9, "seed": 3, "max_epochs": 4, "num_workers": 0, "dataset_dir": "cells", "resume": False}
DEFAULTS = {"alpha": 0.5, "seed": 0, "max_epochs": 40, "num_workers": 0, "dataset_dir": "simulated", "resume": True}


def test_without_a_word_everything_is_as_it_was() -> None:
    wanted = {"alpha": 0.9, "seed": 3, "max_epochs": 4, "dataset_dir": "cells"}
    assert resumed_settings(STORED, DEFAULTS, {"resume"}) == wanted


@pytest.mark.parametrize(("key", "value"), [("alpha", 0.5), ("seed", 7)])
def test_another_meaning_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"`{key}` was {STORED[key]} in last\.pt and is {value} now: leave it out"):
        resumed_settings(STORED, DEFAULTS | {key: value}, {key})


def test_all_that_differ_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"`alpha` was 0\.9 .* and `seed` was 3 .*: leave them out"):
        resumed_settings(STORED, DEFAULTS | {"alpha": 0.1, "seed": 9}, {"alpha", "seed"})


def test_what_may_differ_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    found = resumed_settings(STORED, DEFAULTS | {"num_workers": 2, "max_epochs": 8}, {"num_workers", "max_epochs"})
    assert "num_workers" not in found
    assert "max_epochs" not in found
    assert "resumed with `num_workers` 2 (was 0)" in caplog.text
    assert "resumed with `max_epochs` 8 (was 4)" in caplog.text


def test_the_same_value_given_again_is_fine() -> None:
    assert "alpha" not in resumed_settings(STORED, DEFAULTS | {"alpha": 0.9}, {"alpha"})


@pytest.mark.parametrize(
    "key", ["learning_rate", "batch_size", "steps_per_epoch", "patch_size", "head", "validation_fraction", "n_labels"]
)
def test_what_shapes_the_result_may_not_differ(key: str) -> None:
    assert key not in MAY_DIFFER


def test_the_split_of_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state: dict[str, Any] = {name: {} for name in ("network", "optimizer", "rng")} | {"epoch": 1, "iteration": 9, "max_epochs": 4}
    torch.save(state, tmp_path / "last.pt")
    assert previous_split(tmp_path, True) is None
    assert "the split is drawn anew" in caplog.text
    split = {"training": ["images/a.tif"], "validation": [], "labelled": []}
    torch.save(state | {"about": {"split": split, "settings": {"alpha": 0.1}}}, tmp_path / "last.pt")
    assert previous_split(tmp_path, True) == split
    assert previous_split(tmp_path, False) is None
    assert read_checkpoint(tmp_path / "last.pt")["about"]["settings"] == {"alpha": 0.1}


def test_places_are_kept_as_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = kept_settings({"dataset_dir": "cells", "alpha": 0.5, "validation_dir": None})
    assert kept == {"dataset_dir": str(tmp_path / "cells"), "alpha": 0.5, "validation_dir": None}
    assert resumed_settings(kept, {"dataset_dir": "cells"}, {"dataset_dir"}) == {}


@pytest.mark.parametrize(("before", "now"), [(None, "other"), ("other", None)])
def test_a_validation_folder_does_not_come_or_go(before: str | None, now: str | None) -> None:
    with pytest.raises(ValueError, match="`validation_dir` was"):
        resumed_settings({"validation_dir": before}, {"validation_dir": now}, {"validation_dir"})
    assert resumed_settings({"validation_dir": "a"}, {"validation_dir": "b"}, {"validation_dir"}) == {}


def checkpoint(folder: Path, **about: Any) -> Path:
    state: dict[str, Any] = {name: {} for name in ("network", "optimizer", "rng")} | {"epoch": 1, "iteration": 9, "max_epochs": 4}
    torch.save(state | {"about": about}, folder / "last.pt")
    return folder / "last.pt"


def test_the_plan_of_a_run(tmp_path: Path) -> None:
    plan = {"patch_size": [8, 8], "normalisation": "dataset", "limits": [-100.0, 200.0]}
    checkpoint(tmp_path, recipe=plan)
    assert previous_recipe(tmp_path, True) == plan
    assert previous_recipe(tmp_path, False) is None
    checkpoint(tmp_path)
    assert previous_recipe(tmp_path, True) == {}
    with pytest.raises(FileNotFoundError):
        previous_recipe(tmp_path / "missing", True)


def test_runs_of_earlier_versions_go_on_as_they_began(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, settings={"alpha": 0.0, "classes": ["background", "liver"]})
    stored = stored_settings(path)
    assert BEFORE.items() <= stored.items()
    now = resumed_settings(stored, {key: "auto" for key in BEFORE}, set())
    assert {key: now[key] for key in BEFORE} == BEFORE
    assert stored_settings(checkpoint(tmp_path, settings={"orientations": "fixed"}))["orientations"] == "fixed"
