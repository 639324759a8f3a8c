"""What the page says about correlated noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_denoiseg.report import write_report
from monai_denoiseg.report.noise import noise_note, residual_check
from monai_denoiseg.report.run_folder import Example, RunFolder

FOUND = {"correlation": {"Y": 0.01, "X": 0.62}, "uncovered": ["X"], "n_images": 3, "suggested_mask": [[1, 1, 1]]}


def run_with(removed: np.ndarray, **settings: Any) -> RunFolder:
    arrays = {"input": removed, "denoised": np.zeros_like(removed)}
    return RunFolder(Path("run"), about={"settings": settings}, examples=[Example("median", "a", arrays)])


def stripes() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(1, 60, 60))
    return noise + np.roll(noise, 1, axis=2)


def test_correlated_residual_names_structn2v() -> None:
    html = residual_check(run_with(stripes()))
    assert "along X are correlated" in html
    assert "structN2V can (overlay <code>configs/train/structn2v.json</code>)" in html
    assert "note warn" in html


@pytest.mark.parametrize(("mask", "fits"), [([[1, 1, 1]], True), ([[1], [1], [1]], False), ("broken", False)])
def test_a_mask_along_the_axis_makes_it_expected(mask: Any, fits: bool) -> None:
    html = residual_check(run_with(stripes(), struct_mask=mask))
    assert ("to be expected" in html) == fits
    assert ("note warn" in html) != fits


def test_learned_from_a_target_there_is_no_assumption() -> None:
    html = residual_check(run_with(stripes(), target="clean"))
    assert "correlated between neighbouring pixels, or some signal" in html
    assert "structN2V" not in html
    assert "assumes" not in html


def test_warning_before_training_is_repeated(run_dir: Path) -> None:
    path = run_dir / "settings.json"
    settings = json.loads(path.read_text())
    assert "structN2V" not in write_report(run_dir).read_text("utf-8")
    path.write_text(json.dumps(settings | {"noise": FOUND}))
    html = write_report(run_dir).read_text("utf-8")
    for text in (
        "along X (lag-1 correlation Y: +0.01, X: +0.62;",
        "<code>struct_mask</code> [[1, 1, 1]]",
        "configs/train/structn2v.json",
    ):
        assert text in html
    for path in (run_dir / "evaluation" / "arrays").iterdir():
        path.unlink()
    assert "Is the noise of a kind that can be removed?" in write_report(run_dir).read_text("utf-8")


@pytest.mark.parametrize("noise", [None, {}, "text", {"uncovered": []}, FOUND | {"uncovered": []}])
def test_nothing_to_warn_of(noise: Any) -> None:
    assert noise_note(RunFolder(Path("run"), about={"noise": noise})) == ""


def test_an_incomplete_record_does_not_break_the_page() -> None:
    html = noise_note(RunFolder(Path("run"), about={"settings": {"noise": {"uncovered": ["<b>"]}}}))
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
