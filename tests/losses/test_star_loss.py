from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_denoiseg.losses import StarDistLoss

SPATIAL = [(5, 7), (1, 1), (3, 4, 2)]


def example(spatial: tuple[int, ...], n_rays: int = 4, unknown: float = 0.5) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(3)
    target = rng.uniform(1, 9, (2, 1 + n_rays, *spatial))
    target[:, 0] = rng.random(target[:, 0].shape) * (rng.random(target[:, 0].shape) < 0.7)
    target[:, 1:] *= target[:, :1] > 0
    target[:, 1:][rng.random(target[:, 1:].shape) < unknown / 2] = -1
    target = np.where(rng.random((2, 1, *spatial)) < unknown, -1, target)
    target[(0, 0, *[0] * len(spatial))], target[(0, 1, *[0] * len(spatial))] = 0.5, 3
    return torch.tensor(rng.normal(0, 3, target.shape)), torch.tensor(target)


def slow_loss(
    output: Tensor, target: Tensor, reduction: str, distance_weight: float = 0.2, background_weight: float = 1e-4
) -> float:
    """The formula voxel by voxel and ray by ray."""
    cross = within = beyond = share = 0.0
    voxels = annotated = pairs = known = 0
    for b, *at in np.ndindex(output.shape[0], *output.shape[2:]):
        voxels += 1
        p = float(target[(b, 0, *at)])
        annotated += p >= 0
        if p >= 0:
            guess = 1 / (1 + math.exp(-float(output[(b, 0, *at)])))
            cross -= p * math.log(guess) + (1 - p) * math.log(1 - guess)
        for ray in range(1, output.shape[1]):
            pairs += 1
            d, found = float(target[(b, ray, *at)]), float(output[(b, ray, *at)])
            if p >= 0 and d != -1:
                known += 1
                within += p * abs(d - found)
                beyond += (1 - p) * abs(found)
                share += p
    n, m = (voxels, pairs) if reduction == "paper" else (annotated, known)
    return cross / n + distance_weight * (within / m / (share / m + 1e-7) + background_weight * beyond / m)


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("unknown", [0.0, 0.5])
@pytest.mark.parametrize("reduction", ["labelled", "paper"])
@pytest.mark.parametrize("weights", [(0.2, 1e-4), (1.0, 0.5), (0.0, 0.0)])
def test_against_loops(spatial: tuple[int, ...], unknown: float, reduction: str, weights: tuple[float, float]) -> None:
    output, target = example(spatial, unknown=unknown)
    loss = StarDistLoss(*weights, reduction)(output, target)
    assert loss.dtype == torch.float64
    assert float(loss) == pytest.approx(slow_loss(output, target, reduction, *weights))


def test_defaults_are_those_of_stardist() -> None:
    output, target = example((6, 6))
    assert float(StarDistLoss()(output, target)) == pytest.approx(slow_loss(output, target, "labelled", 0.2, 1e-4))


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_gradient(spatial: tuple[int, ...], reduction: str) -> None:
    output, target = example(spatial)
    assert torch.autograd.gradcheck(lambda x: StarDistLoss(reduction=reduction)(x, target), output.requires_grad_())


@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_exactly_what_is_known_matters(reduction: str) -> None:
    output, target = example((8, 9))
    known, loss = (target != -1) & (target[:, :1] != -1), StarDistLoss(reduction=reduction)
    changed = torch.where(known, output, output * 50 - 7).requires_grad_()
    after = loss(changed, target)
    after.backward()
    assert after.item() == loss(output, target).item()
    assert changed.grad is not None
    assert torch.equal(changed.grad.ne(0), known)


def test_unlabelled_images_dilute_only_the_papers_probability() -> None:
    output, target = example((8, 8), unknown=0)
    more, none = torch.cat([output, output]), torch.cat([target, torch.full_like(target, -1)])
    whole = float(StarDistLoss()(output, target))
    assert float(StarDistLoss(reduction="paper")(output, target)) == pytest.approx(whole)
    assert float(StarDistLoss()(more, none)) == pytest.approx(whole)
    cross = float(StarDistLoss(0)(output, target))
    distances = float(StarDistLoss(0.2, 0)(output, target)) - cross
    assert float(StarDistLoss(0.2, 0, "paper")(more, none)) == pytest.approx(cross / 2 + distances, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_nothing_annotated(dtype: torch.dtype, reduction: str) -> None:
    output = torch.randn(2, 5, 4, 4).to(dtype).requires_grad_()
    loss = StarDistLoss(reduction=reduction)(output, torch.full((2, 5, 4, 4), -1.0))
    loss.backward()
    assert loss.item() == 0
    assert loss.dtype == torch.float32
    assert output.grad is not None
    assert not output.grad.any()


@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_an_annotated_empty_image_and_a_perfect_prediction(reduction: str) -> None:
    empty = torch.zeros(1, 5, 4, 4)
    output = torch.cat([torch.full((1, 1, 4, 4), -100.0), torch.full((1, 4, 4, 4), 10.0)], 1)
    assert float(StarDistLoss(reduction=reduction)(output, empty)) == pytest.approx(0.2 * 1e-4 * 10)
    assert float(StarDistLoss(reduction=reduction)(empty, empty)) == pytest.approx(math.log(2))


def test_low_precision_and_extreme_logits_stay_finite() -> None:
    output, target = example((40, 40))
    loss = StarDistLoss()(output.bfloat16(), target)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(slow_loss(output.bfloat16(), target, "labelled"), rel=1e-4)
    assert torch.isfinite(StarDistLoss()(torch.full((1, 2, 1, 1), 1e30), torch.tensor([0.0, 0.0]).reshape(1, 2, 1, 1)))


def test_errors() -> None:
    output, target = example((4, 4))
    for wrong in (target[:, :1], target[:1], target[..., :3]):
        with pytest.raises(ValueError, match=r"output and target must both be \(B, 1 \+ n_rays, \[D,\] H, W\), got"):
            StarDistLoss()(output, wrong)
    for value in (2.0, -0.5, float("nan")):
        odd = target.clone()
        odd[0, 0, 1, 1] = value
        with pytest.raises(ValueError, match=f"target holds the object probability {value:g}, which is neither in"):
            StarDistLoss()(output, odd)
    with pytest.raises(ValueError, match=r"`distance_weight` must be in \[0, inf\), got -1"):
        StarDistLoss(-1)
    with pytest.raises(ValueError, match="did you mean 'labelled'"):
        StarDistLoss(reduction="labeled")
