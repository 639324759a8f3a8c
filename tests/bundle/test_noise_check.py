"""A warning, once, where the noise is correlated and no mask hides it."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import Dataset, MetaTensor
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from monai_denoiseg.bundle import check_noise, share_spots
from monai_denoiseg.transforms.blindspot import box_mask, line_mask


def items(kind: str, size: tuple[int, ...] = (96, 128), count: int = 3) -> list[dict[str, Any]]:
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        noise, base = rng.normal(size=size), gaussian_filter(100.0 * (gaussian_filter(rng.normal(size=size), 6) > 0), 1)
        if kind in "zyx":
            noise = gaussian_filter1d(noise, 0.9, axis="zyx"[-len(size) :].index(kind))
        elif kind == "both":
            noise = gaussian_filter(noise, 0.9)
        found.append({"image": MetaTensor(torch.tensor(base + 10 * noise / noise.std())[None])})
    return found


def test_white_noise_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    found = check_noise(items("white"))
    assert (found["n_images"], found["correlated"], found["uncovered"], found["suggested_mask"]) == (3, [], [], None)
    assert list(found["correlation"]) == ["Y", "X"]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("kind", "size", "axes", "mask"),
    [
        ("x", (96, 128), ["X"], line_mask("x", 5)),
        ("y", (96, 128), ["Y"], line_mask("y", 5)),
        ("both", (96, 128), ["Y", "X"], box_mask([5, 5])),
        ("z", (24, 48, 48), ["Z"], line_mask("z", 5, 3)),
        ("x", (24, 48, 48), ["X"], line_mask("x", 5, 3)),
    ],
)
def test_one_warning_names_figures_overlay_and_mask(
    kind: str, size: tuple[int, ...], axes: list[str], mask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = check_noise(Dataset(items(kind, size)))
    assert (found["correlated"], found["uncovered"], found["suggested_mask"]) == (axes, axes, mask)
    assert len(caplog.records) == 1
    text = caplog.records[0].getMessage()
    assert f"correlated along {' and '.join(axes)} (correlation" in text
    assert all(f"{axis} 0." in text for axis in axes)
    assert "measured on 3 images" in text
    assert "plain Noise2Void would keep it" in text
    assert "configs/train/structn2v.json" in text
    assert f'--struct_mask "{str(mask).replace(" ", "")}"' in text
    assert " x ".join(f"5 along {axis}" for axis in axes) in text
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("mask", "open_axes"), [(box_mask([3, 3]), []), (line_mask("x", 9), ["Y"]), (line_mask("y", 3), ["X"]), (None, ["Y", "X"])]
)
def test_what_the_mask_covers_is_no_reason_to_warn(mask: Any, open_axes: list[str], caplog: pytest.LogCaptureFixture) -> None:
    found = check_noise(items("both", count=1), struct_mask=mask)
    assert (found["correlated"], found["uncovered"]) == (["Y", "X"], open_axes)
    assert len(caplog.records) == bool(open_axes)
    if open_axes:
        assert found["suggested_mask"] == box_mask([5, 5]), "the whole box, not only the axis that is open"
        assert "measured on 1 image;" in caplog.text


def test_images_are_spread_over_the_data_set_and_large_ones_cut(caplog: pytest.LogCaptureFixture) -> None:
    asked = []

    class Large:
        def __len__(self) -> int:
            return 100

        def __getitem__(self, index: int) -> dict[str, Any]:
            asked.append(index)
            image = np.zeros((1, 40, 3000), np.uint8)
            image[:, :, 1100:1900] = np.random.default_rng(index).poisson(20, (1, 40, 800))
            return {"noisy": image}

    assert check_noise(Large(), n=3, key="noisy")["n_images"] == 3  # type: ignore[arg-type]
    assert asked == [0, 50, 99]
    assert caplog.records == []


def test_one_odd_image_does_not_decide() -> None:
    assert check_noise([*items("white"), *items("x", count=1)])["correlated"] == []


@pytest.mark.parametrize("dataset", [[], [{"image": torch.zeros(1, 20, 20)}], [{"image": torch.zeros(1, 1, 1)}]])
def test_nothing_to_measure(dataset: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    found = check_noise(dataset)
    assert (found["correlation"], found["correlated"], found["n_images"]) == ({}, [], len(dataset))
    assert caplog.records == []


def test_other_ranks_are_silent(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("monai_denoiseg.bundle.noise_check.is_main_process", lambda: False)
    assert check_noise(items("x", count=1))["correlated"] == ["X"]
    assert caplog.records == []


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="`n` must be an integer >= 1, got 0"):
        check_noise([], n=0)
    with pytest.raises(ValueError, match=r"`limit` must be in \(0, 1\], got 2"):
        check_noise([], limit=2)
    with pytest.raises(ValueError, match="`struct_mask` must be nested lists"):
        check_noise([], struct_mask="x")


@pytest.mark.parametrize("size", [(96, 128), (24, 48, 48)])
@pytest.mark.parametrize(("alike", "shared"), [(1.0, True), (0.6, True), (0.0, False)])
def test_noise_of_the_channels(size: tuple[int, ...], alike: float, shared: bool, caplog: pytest.LogCaptureFixture) -> None:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        base = gaussian_filter(100.0 * (gaussian_filter(rng.normal(size=size), 6) > 0), 1)  # the same in both
        own, common = rng.normal(size=(2, *size)), rng.normal(size=size)
        found.append({"image": torch.tensor(base + 10 * (alike**0.5 * common + (1 - alike) ** 0.5 * own))})
    noise = check_noise(found)
    assert noise["between_channels"] == pytest.approx(alike, abs=0.08)
    with caplog.at_level(logging.INFO):
        assert share_spots("auto", noise) is shared
    assert "correlation between channels" in caplog.text
    assert share_spots(not shared, noise) is not shared
    assert share_spots("auto", None) is False
    assert check_noise([{"image": item["image"][:1]} for item in found])["between_channels"] is None


@pytest.mark.parametrize("size", [(64, 64), (12, 32, 32), (24, 64, 64)])
def test_contrast_is_no_noise(size: tuple[int, ...], caplog: pytest.LogCaptureFixture) -> None:
    """A CT-like phantom: organs of 1000 HU, white noise of 20 HU."""
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        image = rng.normal(-1000, 20, size)
        for k in range(3):
            image[(*[slice(n // 6, n * 3 // 4) for n in size[:-1]], slice(4 + 9 * k, 10 + 9 * k))] += 1000 + 100 * k
        found.append({"image": torch.tensor(image)[None]})
    noise = check_noise(found)
    assert all(abs(value) < 0.1 for value in noise["correlation"].values()), noise["correlation"]
    assert caplog.records == []


@pytest.mark.parametrize("size", [(64, 64), (12, 32, 32)])
def test_correlated_noise_on_contrast_is_still_found(size: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    noise = gaussian_filter1d(rng.normal(size=size), 0.9, axis=-1)
    image = 20 * noise / noise.std()
    image[(*[slice(n // 6, n * 3 // 4) for n in size[:-1]], slice(4, 14))] += 1000
    assert check_noise([{"image": torch.tensor(image)[None]}])["correlated"] == ["X"]
