"""Which curves are drawn of which training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.report.curves import curves
from monai_denoiseg.report.run_folder import RunFolder

LOSSES = ["Joint loss", "Denoising part", "Segmentation part"]


def run(settings: dict[str, Any], *columns: str, **metrics: Any) -> RunFolder:
    rows = [{"epoch": str(epoch), **{name: str(1 / (epoch + i)) for i, name in enumerate(columns)}} for epoch in (1, 2, 3)]
    return RunFolder(Path("run"), about={"settings": settings}, training=rows, validation=rows, metrics=metrics)


def titles(html: str) -> list[str]:
    return re.findall(r"<h3>(.*?)</h3>", html)


def keys(html: str) -> list[str]:
    return re.findall(r'<span class="key"[^>]*>(.*?)</span>', html)


def test_a_joint_training() -> None:
    html = curves(run({"alpha": 0.5}, "loss", "denoising", "segmentation", "ap", "seg"))
    assert titles(html) == [*LOSSES, "Objects found in the validation images"]
    assert keys(html) == [*["training", "validation"] * 3, "AP", "SEG"]
    assert html.count("<svg") == 4
    assert "The ring marks the best AP" in html


def test_classes_have_a_curve_each_and_their_names_are_escaped() -> None:
    names = ["background", "a<b", "spleen"]
    html = curves(run({"classes": names}, "loss", "denoising", "segmentation", "dice", "dice_a<b", "dice_spleen"))
    assert titles(html) == [*LOSSES, "Dice in the validation images"]
    assert keys(html)[-3:] == ["mean", "a&lt;b", "spleen"]
    assert "a<b" not in html


def test_denoising_alone_has_one_loss() -> None:
    html = curves(run({"head": "none"}, "loss", "denoising", "psnr"))
    assert titles(html) == ["Loss", "Agreement with the clean validation images"]
    assert "higher for PSNR" in html


@pytest.mark.parametrize("rows", [[], [{"epoch": "1", "loss": "nan"}]])
def test_nothing_to_draw(rows: list[dict[str, str]]) -> None:
    assert curves(RunFolder(Path("run"), training=rows)) == ""
