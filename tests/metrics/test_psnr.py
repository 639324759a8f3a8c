from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from monai_denoiseg.metrics import PSNRMetric, psnr, scale_invariant_psnr, ssim

SHAPES = [(1, 24, 31), (3, 17, 16), (1, 12, 13, 14), (2, 4, 16, 15)]


def pair(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clean = 3000 + 500 * np.cumsum(rng.normal(size=shape), axis=-1)
    return clean + rng.normal(0, 100, shape), clean


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_against_skimage(shape: tuple[int, ...]) -> None:
    noisy, clean = pair(shape)
    assert psnr(noisy, clean) == pytest.approx(peak_signal_noise_ratio(clean, noisy, data_range=clean.max() - clean.min()))
    assert psnr(noisy, clean, 255) == pytest.approx(peak_signal_noise_ratio(clean, noisy, data_range=255))


def test_paper_formula() -> None:
    clean, denoised = np.array([0.0, 10.0, 4.0, 200.0]), np.array([1.0, 12.0, 4.0, 300.0])
    mse = (1 + 4 + 0 + 100**2) / 4  # nothing is clipped to the range of the reference
    assert psnr(denoised, clean) == pytest.approx(20 * math.log10(200) - 10 * math.log10(mse))


def careamics_sipsnr(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Scale-invariant PSNR as CAREamics writes it down."""

    def zero_mean(x: np.ndarray) -> np.ndarray:
        return x - x.mean()

    span = (reference.max() - reference.min()) / reference.std()
    target = zero_mean(reference) / reference.std()
    x = zero_mean(prediction)
    fitted = x * (target * x).sum() / (x * x).sum()
    return float(peak_signal_noise_ratio(zero_mean(target), fitted, data_range=span))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (0.01, -3), (-2, 1e4)])
def test_scale_invariant(shape: tuple[int, ...], scale: float, offset: float) -> None:
    noisy, clean = pair(shape)
    value = scale_invariant_psnr(scale * noisy + offset, clean)
    assert value == pytest.approx(careamics_sipsnr(clean, noisy))
    slope, shift = np.polyfit(noisy.ravel(), clean.ravel(), 1)
    assert value == pytest.approx(psnr(slope * noisy + shift, clean))
    assert value > psnr(noisy, clean)


def test_scale_invariant_of_a_constant_prediction() -> None:
    _, clean = pair((1, 8, 8))
    expected = psnr(np.full_like(clean, clean.mean()), clean)
    assert scale_invariant_psnr(np.full_like(clean, 7.0), clean) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 24, 31), (1, 12, 13, 14), (2, 16, 17)])
def test_ssim_against_skimage(shape: tuple[int, ...]) -> None:
    noisy, clean = pair(shape)
    span = clean.max() - clean.min()
    expected = [
        structural_similarity(c, n, data_range=span, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=False)
        for c, n in zip(clean, noisy, strict=True)
    ]
    assert ssim(noisy, clean) == pytest.approx(np.mean(expected), abs=2e-4)
    assert ssim(noisy, clean, span) == ssim(noisy, clean)
    assert ssim(noisy, clean, 10 * span) > ssim(noisy, clean)


@pytest.mark.parametrize("shape", [(1, 4, 20, 20), (1, 3, 3), (1, 1, 20)])
def test_ssim_of_images_smaller_than_the_window(shape: tuple[int, ...]) -> None:
    noisy, clean = pair(shape)
    assert ssim(clean, clean) == pytest.approx(1)
    assert -1 <= ssim(noisy, clean) < 1


@pytest.mark.parametrize("kind", ["float32", "uint16", "bfloat16", "meta"])
def test_kinds_of_arrays(kind: str) -> None:
    noisy, clean = (np.clip(np.rint(x), 0, 60000).astype(np.float32) for x in pair((1, 12, 12)))
    expected = psnr(noisy, clean)
    convert = {
        "float32": torch.from_numpy,
        "uint16": lambda x: x.astype(np.uint16),  # differences must not wrap round
        "bfloat16": lambda x: torch.from_numpy(x).bfloat16(),
        "meta": MetaTensor,
    }[kind]
    assert psnr(convert(noisy), convert(clean)) == pytest.approx(expected, abs=0.2 if kind == "bfloat16" else 1e-6)


@pytest.mark.parametrize("score", [psnr, scale_invariant_psnr])
def test_identical_constant_and_nan(score: type) -> None:
    noisy, clean = pair((1, 8, 8))
    assert score(clean, clean) > 250
    assert psnr(clean, clean) == math.inf
    for prediction in (noisy, np.full((1, 8, 8), 5.0)):
        with pytest.warns(UserWarning, match="reference image is constant.*data_range"):
            assert math.isnan(score(prediction, np.full((1, 8, 8), 5.0)))
    with pytest.warns(UserWarning, match="reference image is constant"):
        assert math.isnan(ssim(np.ones((1, 12, 12)), np.ones((1, 12, 12))))
    noisy[0, 0, 0] = np.nan
    assert math.isnan(score(noisy, clean))


@pytest.mark.parametrize("score", [psnr, scale_invariant_psnr, ssim])
def test_wrong_arguments(score: type) -> None:
    with pytest.raises(ValueError, match=r"same shape, got \(1, 4, 4\) and \(1, 4, 5\)"):
        score(np.zeros((1, 4, 4)), np.zeros((1, 4, 5)))
    with pytest.raises(ValueError, match=r"`data_range` must be in \(0, inf\], got 0"):
        score(*pair((1, 12, 12)), data_range=0)


def test_ssim_needs_channels() -> None:
    with pytest.raises(ValueError, match=r"\(C, \[D,\] H, W\), got \(12, 12\)"):
        ssim(np.zeros((12, 12)), np.eye(12))


@pytest.mark.parametrize(("kind", "score"), [("paper", psnr), ("scale_invariant", scale_invariant_psnr)])
@pytest.mark.parametrize("shape", [(1, 12, 13), (2, 5, 6, 7)])
def test_metric(kind: str, score: type, shape: tuple[int, ...]) -> None:
    noisy, clean = (torch.from_numpy(np.stack(x)) for x in zip(*[pair(shape, seed) for seed in range(4)], strict=True))
    metric = PSNRMetric(kind)
    assert math.isnan(metric.aggregate())
    metric(noisy[:2], clean[:2])
    metric(list(noisy[2:]), list(clean[2:]))
    values = [score(n, c) for n, c in zip(noisy, clean, strict=True)]
    assert len(set(values)) == 4
    assert metric.aggregate() == pytest.approx(np.mean(values), abs=1e-4)
    assert metric.get_buffer().shape == (4, 1)
    fixed = PSNRMetric(kind, data_range=100.0)
    fixed(noisy, clean)
    assert fixed.aggregate() == pytest.approx(np.mean([score(n, c, 100.0) for n, c in zip(noisy, clean, strict=True)]), abs=1e-4)


@pytest.mark.filterwarnings("ignore:the reference image is constant")
def test_metric_leaves_out_undefined_images() -> None:
    noisy, clean = (torch.from_numpy(x) for x in pair((2, 1, 8, 8)))
    clean[0] = 3.0
    metric = PSNRMetric()
    metric(noisy, clean)
    assert metric.aggregate() == pytest.approx(psnr(noisy[1], clean[1]), abs=1e-4)


def test_wrong_metric() -> None:
    with pytest.raises(ValueError, match="did you mean 'paper'"):
        PSNRMetric("papr")
    with pytest.raises(ValueError, match="`data_range` must be in"):
        PSNRMetric(data_range=-1.0)
    with pytest.raises(ValueError, match="`y`, the clean reference, is missing"):
        PSNRMetric()(torch.zeros(1, 1, 4, 4))
