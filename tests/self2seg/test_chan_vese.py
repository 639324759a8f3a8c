from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from skimage.segmentation import chan_vese
from torch import Tensor

from monai_denoiseg.self2seg.chan_vese import segment_convex_chan_vese, segment_sequential
from monai_denoiseg.self2seg.loop import Self2Seg
from monai_denoiseg.self2seg.noise2fast import denoise_noise2fast
from monai_denoiseg.self2seg.solver import solve_u


def blobs(noise: float, size: int = 48) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    mask = ((x - 15) ** 2 + (y - 18) ** 2 < 80) | ((x - 34) ** 2 + (y - 30) ** 2 < 60)
    return mask.float()[None] + noise * torch.randn(1, size, size, generator=torch.Generator().manual_seed(0)), mask


def by_hand(image: Tensor, lam: float, steps: int) -> tuple[Tensor, float]:
    """Two means and a convex step in turn."""
    f = ((image - image.min()) / (image.max() - image.min()))[0].double()
    u = (f > 0.5).double()
    for _ in range(steps):
        outside, inside = ((f * w).sum() / w.sum() for w in (1 - u, u))
        u = solve_u(((f - inside) ** 2 - (f - outside) ** 2)[None, None], lam, tolerance=1e-6).u[0, 0]
    return u, float(inside)


@pytest.mark.parametrize("lam", [0.01, 0.1])
def test_two_constant_experts_alternate_means_and_cuts(lam: float) -> None:
    image, _ = blobs(0.4)
    options: dict[str, Any] = {
        "start": "threshold",
        "start_threshold": 0.5,
        "max_outer": 4,
        "mask_tolerance": 0.0,
        "energy_tolerance": 0.0,
        "gap_tolerance": 1e-6,
    }
    result = segment_convex_chan_vese(image.double(), lam, **options)
    u, inside = by_hand(image, lam, 4)
    assert float((result.labels == (u > 0.5)).double().mean()) > 0.998
    scale = float(image.max() - image.min())
    assert float(result.predictions[1].mean() - image.min()) / scale == pytest.approx(inside, abs=2e-3)
    same = Self2Seg(["constant", "constant"], lam=lam, **options)(image.double())
    assert torch.equal(result.labels, same.labels)
    assert result.records[0].energy == same.records[0].energy


def test_about_as_scikit_image() -> None:
    image, mask = blobs(0.3)
    found = segment_convex_chan_vese(image, 0.05).labels.numpy() == 1
    theirs = chan_vese(image[0].numpy(), mu=0.1, max_num_iter=200)
    theirs = theirs if theirs[18, 15] else ~theirs  # its sides have no order
    assert float(np.mean(found == theirs)) > 0.97
    assert float(np.mean(found == mask.numpy())) > 0.97


def test_it_goes_on_until_the_mask_rests() -> None:
    result = segment_convex_chan_vese(blobs(0.5)[0], 0.05)
    assert result.stopped == "mask"
    assert result.records[-1].changed == 0


def test_options_and_more_regions() -> None:
    image = torch.arange(3.0).repeat_interleave(6).expand(1, 10, 18)
    result = segment_convex_chan_vese(image, 0.01, experts=["constant"] * 3, tv="anisotropic")
    assert torch.equal(result.labels, image[0].long())
    assert segment_convex_chan_vese(image, 0.01, max_outer=1).stopped == "max_outer"


def test_a_lambda_may_be_chosen() -> None:
    image, mask = blobs(0.8)
    result = segment_convex_chan_vese(image, None)
    assert result.path is not None
    assert float((result.labels == mask).double().mean()) > 0.93


@pytest.mark.parametrize("shape", [(1, 20, 20), (2, 3, 16, 16)])
def test_first_denoise_then_segment(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    image[..., 5:12, 5:12] += 2
    noise2fast = {"features": 4, "max_iterations": 15, "seed": 3}
    result = segment_sequential(image, 0.02, noise2fast)
    denoised = denoise_noise2fast(image, **noise2fast)
    torch.testing.assert_close(result.denoised, denoised, rtol=0, atol=0)
    assert torch.equal(result.labels, segment_convex_chan_vese(denoised, 0.02).labels)
    assert result.denoised.shape == shape


def test_the_images_are_checked() -> None:
    with pytest.raises(ValueError, match="NaN"):
        segment_sequential(torch.full((1, 8, 8), torch.nan))
    with pytest.raises(ValueError, match="constant"):
        segment_convex_chan_vese(torch.ones(1, 8, 8))
