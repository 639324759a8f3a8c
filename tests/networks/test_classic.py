from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_denoiseg.engines import DenoiSegEvaluator, DenoiSegInferer
from monai_denoiseg.networks import ClassicNet, DenoiSegNet, denoise_nlm, noise_sigma, segment_otsu


def noisy_boxes(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """``(1, C, [D,] H, W)`` of noise about 100, with a bright box."""
    image = np.random.default_rng(seed).normal(100, 5, shape)
    image[(0, slice(None), *(slice(n // 4, n - n // 4) for n in shape[2:]))] += 60
    return torch.tensor(image, dtype=torch.float32)


@pytest.mark.parametrize("shape", [(1, 1, 21, 18), (2, 3, 9, 16), (1, 2, 5, 16, 12)])
@pytest.mark.parametrize(("denoise", "segment"), [("nlm", "otsu"), ("median", "none"), ("none", "chan_vese"), ("mean", "otsu")])
def test_channels_and_what_the_engines_ask_for(shape: tuple[int, ...], denoise: str, segment: str) -> None:
    net = ClassicNet(len(shape) - 2, shape[1], denoise, segment)
    image = noisy_boxes(shape)
    output = net(image)
    assert output.dtype == torch.float32
    assert output.shape == (shape[0], net.n_classes + shape[1] * net.denoises, *shape[2:])
    assert (net.n_classes, net.head.kind) == ((0, "none") if segment == "none" else (3, "border"))
    assert net.denoises == (denoise != "none")
    kinds = net.activate(output)[:, : net.n_classes]
    assert set(kinds.unique().tolist()) <= {0.0, 1.0}
    if net.n_classes:
        assert bool((kinds[:, :2].sum(1) == 1).all()), "nothing is border"
    np.testing.assert_array_equal(net.activate(output)[:, net.n_classes :], output[:, net.n_classes :])
    interface = DenoiSegNet(len(shape) - 2, shape[1], depth=1, features=2)
    for name in ("threshold", "overlap", "rays", "image_mode", "classes", "multiple"):
        assert type(getattr(net, name)) is type(getattr(interface, name)), name
    assert net.intensity(image).shape == interface.intensity(image).shape


def test_segments_the_mean_of_the_denoised_channels() -> None:
    image = noisy_boxes((1, 2, 20, 22))
    net = ClassicNet(2, 2, "nlm", "otsu", h=0.7)
    output = net(image)[0].numpy()
    denoised = np.stack([denoise_nlm(channel, 0.7) for channel in image[0].double().numpy()])
    np.testing.assert_allclose(output[3:], denoised, rtol=1e-6)
    np.testing.assert_array_equal(output[1] > 0, segment_otsu(denoised.mean(0)))


def test_without_denoiser_the_raw_image_is_segmented() -> None:
    image = noisy_boxes((1, 1, 20, 22))
    output = ClassicNet(2, denoise="none", segment="otsu")(image)
    assert output.shape[1] == 3
    np.testing.assert_array_equal(output[0, 1] > 0, segment_otsu(image[0, 0]))


def test_dark_objects() -> None:
    image = noisy_boxes((1, 1, 24, 22))
    bright = ClassicNet(2, denoise="median", segment="otsu")(image)
    dark = ClassicNet(2, denoise="median", segment="otsu", dark_objects=True)(-image)
    assert (bright[:, :3] != dark[:, :3]).float().mean() < 0.01


def test_options_reach_the_methods() -> None:
    image = noisy_boxes((1, 1, 20, 22))
    array = image[0, 0].double().numpy()
    sized = ClassicNet(2, denoise="mean", segment="none", size=[1, 5])(image)
    np.testing.assert_allclose(sized[0, 0], ndimage.uniform_filter(array, (1, 5)), rtol=1e-6)
    options: dict[str, Any] = {"h": 1.5, "sigma": 4.0, "patch_size": 3, "patch_distance": 4}
    ours = ClassicNet(2, denoise="nlm", segment="none", **options)(image)
    np.testing.assert_allclose(ours[0, 0], denoise_nlm(array, **options), rtol=1e-6)
    assert "chan_vese" in repr(ClassicNet(2, segment="chan_vese", smoothness=0.2, iterations=7))


@pytest.mark.parametrize(
    ("denoise", "segment", "options"),
    [
        ("median", "none", {"size": 5}),
        ("nlm", "none", {"sigma": 5.0}),
        ("nlm", "otsu", {}),
        ("none", "otsu", {}),
        ("nlm", "none", {}),
    ],
)
def test_tiles_give_the_result_of_the_whole(denoise: str, segment: str, options: dict[str, Any]) -> None:
    image = noisy_boxes((1, 1, 61, 50))
    image[..., 30:] *= 1.5  # another noise and another threshold
    net = ClassicNet(2, denoise=denoise, segment=segment, **options)
    whole, tiled = DenoiSegInferer()(image, net), DenoiSegInferer(tile_size=20)(image, net)
    torch.testing.assert_close(tiled, whole, rtol=1e-5, atol=1e-3)


def test_test_time_augmentation_is_possible() -> None:
    image = noisy_boxes((1, 1, 12, 17))
    net = ClassicNet(2, denoise="mean", segment="otsu")
    assert net.square()
    torch.testing.assert_close(DenoiSegInferer(tta=True)(image, net), DenoiSegInferer()(image, net), rtol=1e-5, atol=1e-3)
    assert not ClassicNet(2, denoise="mean", size=[3, 5]).square()


def test_another_setting_is_another_state() -> None:
    first, second = (ClassicNet(2, h=h).state_dict() for h in (1.0, 1.5))
    assert not torch.equal(first["recipe"], second["recipe"])
    assert not list(ClassicNet(2).parameters())


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int16, torch.int32, torch.float16, torch.bfloat16, torch.float64, torch.bool]
)
def test_any_type_of_number(dtype: torch.dtype) -> None:
    image = torch.arange(30).reshape(1, 1, 5, 6).to(dtype)
    expected = ndimage.median_filter(image[0, 0].double().numpy(), 3)
    np.testing.assert_allclose(ClassicNet(2, denoise="median")(image)[0, 3], expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 1), (7, 12), (1, 1, 1), (1, 8, 9), (3, 1, 9)])
@pytest.mark.parametrize("segment", ["otsu", "chan_vese"])
def test_any_size(size: tuple[int, ...], segment: str) -> None:
    image = torch.rand(1, 1, *size)
    for denoise in ("nlm", "median"):
        assert ClassicNet(len(size), denoise=denoise, segment=segment)(image).shape == (1, 4, *size)


def test_an_empty_batch_and_a_constant_image() -> None:
    net = ClassicNet(2, in_channels=2)
    assert net(torch.zeros(0, 2, 5, 6)).shape == (0, 5, 5, 6)
    output = net(torch.full((1, 2, 5, 6), 7.0))
    assert bool((output[:, 0] > 0).all())
    assert bool((output[:, 3:] == 7).all())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite(bad: float) -> None:
    image = torch.zeros(1, 1, 5, 6)
    image[0, 0, 2, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        ClassicNet(2)(image)


@pytest.mark.parametrize("shape", [(1, 3, 5, 6), (1, 1, 4, 5, 6), (5, 6)])
def test_wrong_shape_is_said(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"1 channel\(s\), 2 spatial axes.*`in_channels`"):
        ClassicNet(2)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"spatial_dims": 4}, "`spatial_dims` must be 2 or 3"),
        ({"in_channels": 0}, "`in_channels`"),
        ({"denoise": "nml"}, "did you mean 'nlm'"),
        ({"segment": "ostu"}, "did you mean 'otsu'"),
        ({"denoise": "none", "segment": "none"}, "both 'none'"),
        ({"size": 0}, "`size`"),
        ({"size": [3, 3, 3]}, "`size` needs one value or 2"),
        ({"h": 0}, "`h`"),
        ({"sigma": -1}, "`sigma`"),
        ({"patch_size": 0}, "`patch_size`"),
        ({"patch_distance": "far"}, "`patch_distance`"),
        ({"smoothness": -1}, "`smoothness`"),
        ({"spatial_dims": 3, "smoothness": 0.5}, "`smoothness`"),
        ({"iterations": 0}, "`iterations`"),
    ],
)
def test_wrong_options_are_named_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ClassicNet(**{"spatial_dims": 2, **options})


def test_missing_bm3d_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm4d", None)
    with pytest.raises(ImportError, match="non-commercial"):
        ClassicNet(3, denoise="bm3d")


def test_the_noise_of_each_image_is_its_own() -> None:
    quiet, loud = noisy_boxes((1, 1, 30, 30)), 10 * noisy_boxes((1, 1, 30, 30), seed=1)
    both = ClassicNet(2)(torch.cat([quiet, loud]))
    torch.testing.assert_close(both, torch.cat([ClassicNet(2)(quiet), ClassicNet(2)(loud)]))
    assert noise_sigma(loud[0, 0]) > 5 * noise_sigma(quiet[0, 0])


def test_goes_through_the_evaluator() -> None:
    from monai_denoiseg.engines import BlindSpotBatch
    from monai_denoiseg.transforms import BlindSpot

    batch = {"image": noisy_boxes((1, 1, 16, 16)), "label": torch.zeros(1, 1, 16, 16, dtype=torch.int64)}
    evaluator = DenoiSegEvaluator("cpu", [batch], ClassicNet(2), DenoiSegInferer(), BlindSpotBatch(BlindSpot()))
    evaluator.run()
    assert evaluator.state.output[0]["pred"].shape == (4, 16, 16)
