from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_denoiseg.losses import BlindSpotLoss

SHAPES = [(2, 1, 7, 5), (2, 3, 4, 6), (1, 2, 3, 4, 5), (3, 1, 1, 1)]


def example(shape: tuple[int, ...], fraction: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(3)
    mask = rng.random(shape) < fraction
    mask.flat[0] = True
    return torch.tensor(rng.normal(size=shape)), torch.tensor(rng.normal(size=shape)), torch.tensor(mask)


def slow_loss(denoised: Tensor, noisy: Tensor, mask: Tensor, channels: str, unit: list[float] | None = None) -> float:
    """``Ld`` voxel by voxel; the paper's code takes the mean of each channel and adds the channels up."""
    errors: list[list[float]] = [[] for _ in range(noisy.shape[1])]
    for at in np.ndindex(noisy.shape):
        if mask[at]:
            errors[at[1]].append(((float(denoised[at]) - float(noisy[at])) / (unit[at[1]] if unit else 1)) ** 2)
    if channels == "sum":
        return sum(float(np.mean(one)) for one in errors if one)
    return float(np.mean([error for one in errors for error in one]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", ["mean", "sum"])
def test_against_loops(shape: tuple[int, ...], channels: str) -> None:
    denoised, noisy, mask = example(shape)
    assert float(BlindSpotLoss(channels)(denoised, noisy, mask)) == pytest.approx(slow_loss(denoised, noisy, mask, channels))
    unit = [10.0, 0.5, 3.0][: shape[1]]
    measured = BlindSpotLoss(channels)(denoised, noisy, mask, torch.tensor(unit))
    assert float(measured) == pytest.approx(slow_loss(denoised, noisy, mask, channels, unit), rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES[:3])
@pytest.mark.parametrize("channels", ["mean", "sum"])
def test_gradient(shape: tuple[int, ...], channels: str) -> None:
    denoised, noisy, mask = example(shape)
    assert torch.autograd.gradcheck(lambda d: BlindSpotLoss(channels)(d, noisy, mask), denoised.requires_grad_())


def test_only_masked_voxels_matter_whatever_lies_elsewhere() -> None:
    denoised, noisy, mask = example((2, 2, 6, 6))
    before = BlindSpotLoss()(denoised, noisy, mask)
    denoised = denoised.masked_fill(~mask, float("nan")).requires_grad_()
    after = BlindSpotLoss()(denoised, noisy.masked_fill(~mask, float("inf")), mask)
    after.backward()
    assert after.item() == before.item()
    assert denoised.grad is not None
    assert torch.equal(denoised.grad != 0, mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("channels", ["mean", "sum"])
def test_nothing_masked(dtype: torch.dtype, channels: str) -> None:
    denoised = torch.ones(2, 2, 4, 4, dtype=dtype, requires_grad=True)
    loss = BlindSpotLoss(channels)(denoised, torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert denoised.grad is not None
    assert not denoised.grad.any()


def test_low_precision_input_is_summed_in_float32() -> None:
    denoised, noisy, mask = example((1, 1, 200, 200), fraction=1)
    denoised, noisy = denoised.bfloat16(), noisy.bfloat16()
    loss = BlindSpotLoss()(denoised, noisy, mask)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float((denoised.double() - noisy.double()).square().mean()), rel=1e-5)
    assert torch.isfinite(
        BlindSpotLoss()(torch.full((1, 1, 2, 2), 6e4).half(), torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2) > 0)
    )


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"`channels` must be one of 'mean', 'sum', got 'men'; did you mean 'mean'\?"):
        BlindSpotLoss("men")
    image, mask = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"must have one shape, got \[\(1, 1, 4, 4\), \(1, 1, 4, 4\), \(1, 1, 4, 5\)\]"):
        BlindSpotLoss()(image, image, mask)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_unit_for_each_image(dims: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (3, 2, *[4] * dims)
    denoised, noisy = torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)
    mask, unit = torch.rand(shape, generator=generator) < 0.5, 1 + torch.rand(3, 2, generator=generator)
    squares = [((denoised[b, c] - noisy[b, c]) / unit[b, c])[mask[b, c]].square() for b in range(3) for c in range(2)]
    torch.testing.assert_close(BlindSpotLoss()(denoised, noisy, mask, unit), torch.cat(squares).mean())


@pytest.mark.parametrize("dims", [2, 3])
def test_huber(dims: int) -> None:
    """Twice torch's Huber loss at the masked voxels: squared errors within delta, straight lines beyond."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, 1, *[5] * dims)
    denoised, noisy = 4 * torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)
    mask, unit = torch.rand(shape, generator=generator) < 0.5, torch.tensor([2.0])
    found = BlindSpotLoss(huber_delta=0.7)(denoised, noisy, mask, unit)
    wanted = [d * d if d <= 0.7 else 0.7 * (2 * d - 0.7) for d in ((denoised - noisy)[mask].abs() / 2).tolist()]
    assert float(found) == pytest.approx(sum(wanted) / len(wanted), rel=1e-5)
    torch.testing.assert_close(
        BlindSpotLoss(huber_delta=100.0)(denoised, noisy, mask), BlindSpotLoss()(denoised, noisy, mask), rtol=1e-5, atol=0
    )
    with pytest.raises(ValueError, match=r"`huber_delta` must be in \(0, inf\], got 0"):
        BlindSpotLoss(huber_delta=0)
