"""Values no training image held: what the network sees of them, and what the denoised image keeps."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.networks import load_network
from monai_denoiseg.networks.plausible import plausible

SHIPPED = Path(__file__).parents[2] / "bundles" / "denoiseg_2d" / "models" / "model.pt"
LOW, HIGH, USUAL = -2.0, 5.0, -0.5


def slow(image: np.ndarray, reach: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """One channel, voxel by voxel."""
    wrong = (image < LOW - (HIGH - LOW)) | (image > HIGH + (HIGH - LOW))
    seen, taken = image.copy(), np.zeros_like(image)
    for place in itertools.product(*map(range, image.shape)):
        if not wrong[place]:
            continue
        around = tuple(slice(max(0, p - reach), p + reach + 1) for p in place)
        bad, good = image[around][wrong[around]], image[around][~wrong[around]]
        alike = (bad == bad[0]).all()
        filled = good.mean() if good.size > image[around].size / 2 else USUAL
        seen[place] = filled if alike else np.clip(image[place], LOW, HIGH)
        taken[place] = image[place] - seen[place] if bad.size > 2 else 0
    return seen, taken


@pytest.mark.parametrize("size", [(13, 11), (7, 6, 8)])
def test_against_plain_loops(size: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, size)
    image[rng.random(size) < 0.03] = 400  # hot pixels, some beside each other
    image[rng.random(size) < 0.02] = -70  # and dead ones
    image[tuple(slice(0, 3) for _ in size)] = rng.uniform(20, 300, [3] * len(size))  # something bright
    image[tuple(slice(-3, None) for _ in size)] = 999  # a bar
    two = torch.from_numpy(np.stack([image, rng.normal(0, 1, size)]))[None].repeat(2, 1, *[1] * len(size))
    seen, taken = plausible(two, torch.tensor([[LOW, LOW], [HIGH, HIGH], [USUAL, USUAL]], dtype=torch.float64))
    wanted = slow(image)
    for found, right in zip((seen, taken), wanted, strict=True):
        np.testing.assert_allclose(found[1, 0].numpy(), right, atol=1e-9)
    assert torch.equal(seen[:, 1], two[:, 1]) and not taken[:, 1].any(), "what is plausible is left alone"
    assert len(np.unique(np.sign(wanted[1]))) > 1, "the example holds what is given back and what is not"


@pytest.mark.parametrize("tile", [None, 32])
@pytest.mark.parametrize("peak", [500.0, 2000.0, 10000.0])
def test_the_denoised_image_keeps_what_is_far_brighter_than_any_training_image(peak: float, tile: int | None) -> None:
    """A bead in a dim image was flattened to the end of the range, without a word."""
    y, x = np.mgrid[:96, :80]
    bead = peak * np.exp(-((y - 41.0) ** 2 + (x - 37.0) ** 2) / 18)
    image = torch.from_numpy((10 + np.random.default_rng(1).normal(0, 2, bead.shape) + bead).astype(np.float32))[None, None]
    network = load_network(SHIPPED)
    assert network.bounded
    with torch.no_grad():
        denoised = DenoiSegInferer(tile)(image, network)[0, 3].numpy()
        network.bounded = False
        unbounded = DenoiSegInferer(tile)(image, network)[0, 3].numpy()
    place = (slice(30, 53), slice(26, 49))
    assert denoised[place].sum() == pytest.approx(image[0, 0].numpy()[place].sum(), rel=0.08)
    assert denoised[41, 37] == pytest.approx(unbounded[41, 37], rel=0.08)


def test_a_hot_pixel_is_gone_from_the_denoised_image() -> None:
    image = torch.full((1, 1, 64, 64), 10.0) + torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    clean = image.clone()
    image[..., 30, 31] = 65535
    network = load_network(SHIPPED)
    with torch.no_grad():
        with_it, without = (DenoiSegInferer()(one, network)[0, 3] for one in (image, clean))
    assert float((with_it - without).abs().max()) < 3


def test_a_scale_bar_is_not_smeared_by_refine() -> None:
    """The bar that the network does not see stands in the image that its output is compared with."""
    sample = simulate_nuclei((300, 280), seed=0)
    clean = sample.image.astype(np.float32)
    image, away = clean.copy(), np.ones(clean.shape, bool)
    image[270:280, 200:270] = 4095
    away[262:288, 192:278] = False  # the network has fewer neighbours to look at there
    network, infer = load_network(SHIPPED), DenoiSegInferer(refine=True)
    with torch.no_grad():
        found, wanted = (infer(torch.from_numpy(one)[None, None], network)[0, 3].numpy() for one in (image, clean))
    error, usual = (float(np.sqrt(np.square(one - sample.clean)[away].mean())) for one in (found, wanted))
    assert error < 1.05 * usual
    assert np.abs(found - wanted)[away].max() < 30


@pytest.mark.parametrize("shape", [(1, 7, 9), (2, 4, 2), (4, 1, 1)])
def test_volumes_thinner_than_the_neighbourhood(shape: tuple[int, ...]) -> None:
    """Pooling refuses an axis shorter than its kernel in 3D; the same values stand in a larger volume, mean for mean."""
    image = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    image.view(-1)[0] = 1000.0
    bounds = torch.tensor([[-3.0], [3.0], [0.0]])
    seen, _ = plausible(image, bounds)
    around = torch.zeros(1, 1, *(size + 4 for size in shape))
    inner = (..., *(slice(2, 2 + size) for size in shape))
    around[inner] = image.masked_fill(image > 100, 0.0)
    count = torch.zeros_like(around)
    count[inner] = (image <= 100).float()
    expected = around[..., :5, :5, :5].sum() / count[..., :5, :5, :5].sum().clamp(min=1)
    assert float(seen.view(-1)[0]) == pytest.approx(float(expected), abs=1e-5)
    assert torch.equal(seen.view(-1)[1:], image.view(-1)[1:])
