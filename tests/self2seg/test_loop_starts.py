from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_denoiseg.self2seg.loop import Self2Seg

from .shapes import TINY, TWO, noisy, square, three_bars


def dice(one: Tensor, other: Tensor) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def drawn_strokes() -> Tensor:
    """One stroke in each region, and one of the foreground in the middle of nowhere."""
    strokes = torch.full((24, 24), -1)
    strokes[1, 2:20] = 0
    strokes[12, 10:14] = 1
    strokes[21, 3:9] = 1
    return strokes


@pytest.mark.parametrize("threshold", [0.5, None])
def test_start_by_threshold(threshold: float | None) -> None:
    labels = square()
    result = Self2Seg(TWO, start="threshold", start_threshold=threshold)(noisy(labels, 0.2))
    assert dice(result.labels == 1, labels == 1) > 0.95


def test_a_start_by_denoising_is_less_noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    image, asked = noisy(square(), 0.3), []

    def denoise(noisy_image: Tensor, **options: Any) -> Tensor:
        asked.append(options)
        return square()[None].float() if torch.equal(noisy_image, image) else noisy_image

    monkeypatch.setattr("monai_denoiseg.self2seg.loop.denoise_noise2fast", denoise)
    result = Self2Seg(TWO, start="denoise", seed=7, lam=0.0, max_outer=1, warm=False, **TINY)(image)
    assert result.records[0].changed < 0.2  # from the true labels; a threshold on the noisy image is not asked
    assert {name: asked[0][name] for name in ("seed", *TINY)} == {"seed": 7, **TINY}
    assert "warm" not in asked[0]  # an option of the expert, not of the denoiser


def test_start_by_denoising_for_real() -> None:
    labels = square()
    result = Self2Seg(TWO, start="denoise", **{**TINY, "features": 8, "max_iterations": 60})(noisy(labels, 0.3))
    assert dice(result.labels == 1, labels == 1) > 0.9


@pytest.mark.parametrize("kind", [lambda x: x, lambda x: x.numpy(), lambda x: torch.where(x < 0, 255, x).to(torch.uint8)])
def test_strokes_teach_and_may_be_overruled(kind: Callable[[Tensor], Any]) -> None:
    labels, strokes = square(), drawn_strokes()
    result = Self2Seg(TWO, start="scribbles", lam=0.02)(noisy(labels, 0.2), scribbles=kind(strokes))
    assert dice(result.labels == 1, labels == 1) > 0.95
    assert result.labels[21, 3:9].sum() == 0


@pytest.mark.parametrize("lam", [0.02, 3.0, None])
def test_kept_strokes_are_held_against_the_data(lam: float | None) -> None:
    strokes = drawn_strokes()
    method = Self2Seg(TWO, start="scribbles", lam=lam, keep_scribbles=True)
    result = method(noisy(square(), 0.2), scribbles=strokes)
    drawn = strokes >= 0
    assert torch.equal(result.labels[drawn], strokes[drawn])
    if result.path is not None:
        for chosen in result.path.labels:
            assert torch.equal(chosen[drawn], strokes[drawn])


def test_strokes_of_three_regions_are_held() -> None:
    labels = three_bars()
    strokes = torch.full((24, 24), -1)
    for region in range(3):
        strokes[2:22, 8 * region + 3] = region
    strokes[10, 19:23] = 0
    result = Self2Seg(["constant"] * 3, start="scribbles", lam=0.05, keep_scribbles=True)(noisy(labels, 0.1), scribbles=strokes)
    assert torch.equal(result.labels[strokes >= 0], strokes[strokes >= 0])
    assert float((result.labels == labels).double().mean()) > 0.9


@pytest.mark.parametrize(
    ("options", "call", "message"),
    [
        ({"start": "boxes"}, {}, "needs `boxes`"),
        ({"start": "scribbles"}, {}, "needs `scribbles`"),
        ({}, {"boxes": [[[0, 1, 0, 1]], [[2, 3, 2, 3]]]}, "`boxes` are given, but start='denoise' does not"),
        ({}, {"scribbles": torch.zeros(24, 24)}, "`scribbles` are given, but start='denoise' does not"),
        ({"start": "boxes"}, {"boxes": [[[0, 1, 0, 1]]]}, "list for each of 2 regions"),
        ({"start": "scribbles"}, {"scribbles": torch.zeros(3, 3)}, r"scribbles have shape \(3, 3\)"),
    ],
)
def test_wrong_starts(options: dict[str, Any], call: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Self2Seg(TWO, **options)(noisy(square(), 0.2), **call)


def test_a_start_that_leaves_a_region_empty() -> None:
    image = square()[None].float()
    with pytest.raises(ValueError, match="leaves region 1 empty: change `start_threshold`, or give boxes"):
        Self2Seg(TWO, start="threshold", start_threshold=0.5)(
            torch.cat([image, 1 - image])
        )  # the mean of the channels is the same everywhere
