from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor

from monai_denoiseg.self2seg.energy import (
    boundary_length,
    channel_weight,
    explained,
    membership_cost,
    memberships,
    residuals,
    to_labels,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 4, 5), (2, 3, 4, 5), (1, 1, 1)])
def test_residuals_by_loops(shape: tuple[int, ...]) -> None:
    image, predictions = random(*shape), random(3, *shape, seed=1)
    found = residuals(image, predictions)
    assert found.shape == (3, *shape[1:])
    for region in range(3):
        for p in itertools.product(*map(range, shape[1:])):
            expected = sum((float(image[(c, *p)]) - float(predictions[(region, c, *p)])) ** 2 for c in range(shape[0]))
            assert float(found[(region, *p)]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("box", [3, 5])
@pytest.mark.parametrize("shape", [(1, 9, 8), (2, 11, 7), (2, 5, 6, 7)])
def test_box_as_scipy_away_from_the_border(shape: tuple[int, ...], box: int) -> None:
    image, predictions = random(*shape), random(2, *shape, seed=1)
    inner = tuple(slice(box // 2, n - box // 2) for n in shape[1:])
    found = residuals(image, predictions, box).numpy()
    for region in range(2):
        expected = sum(uniform_filter((image - predictions[region])[c].numpy(), box) ** 2 for c in range(shape[0]))
        np.testing.assert_allclose(found[region][inner], np.asarray(expected)[inner], atol=1e-12)


@pytest.mark.parametrize(("shape", "size"), [((5, 6), (3, 3)), ((5, 2), (3, 1)), ((1, 7), (1, 3)), ((4, 3, 1), (3, 3, 1))])
def test_box_at_the_border_and_on_short_axes_by_loops(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    """The box is cut at the border, and no longer than the image."""
    image, predictions = random(1, *shape), random(1, 1, *shape, seed=1)
    difference, found = (image - predictions)[0, 0], residuals(image, predictions, 3)[0]
    for p in itertools.product(*map(range, shape)):
        box = tuple(slice(max(0, x - s // 2), x + s // 2 + 1) for x, s in zip(p, size, strict=True))
        assert float(found[p]) == pytest.approx(float(difference[box].mean()) ** 2, abs=1e-12)


def test_membership_cost_of_two_is_the_difference() -> None:
    costs = random(2, 4, 5)
    assert torch.equal(membership_cost(costs), (costs[1] - costs[0])[None])
    three = random(3, 4, 5)
    assert torch.equal(membership_cost(three), three)


def test_memberships_sum_to_one() -> None:
    u = random(1, 4, 5)
    both = memberships(u)
    torch.testing.assert_close(both.sum(0), torch.ones(4, 5).double())
    assert torch.equal(both[1], u[0])  # region 1 is the foreground
    four = torch.softmax(random(4, 3, 3), 0)
    assert torch.equal(memberships(four), four)


def test_labels_agree_with_the_memberships() -> None:
    u = random(1, 9, 9)
    assert torch.equal(to_labels(u), memberships(u).argmax(0))
    three = torch.softmax(random(3, 9, 9), 0)
    assert torch.equal(to_labels(three), three.argmax(0))
    assert to_labels(u).dtype == to_labels(three).dtype == torch.int64


def test_of_equals_the_first() -> None:
    assert to_labels(torch.full((1, 1, 1), 0.5)).item() == 0
    assert to_labels(torch.full((3, 1, 1), 1 / 3)).item() == 0


@pytest.mark.parametrize("tv", ["isotropic", "anisotropic"])
@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6), (1, 5)])
def test_boundary_of_one_channel_as_of_two(tv: str, shape: tuple[int, ...]) -> None:
    u = random(1, *shape)
    one = boundary_length(u, tv)
    assert one == pytest.approx(boundary_length(memberships(u), tv), rel=1e-12)
    third = torch.cat([memberships(u), torch.zeros(1, *shape)])  # a region without any pixel changes nothing
    assert one == pytest.approx(boundary_length(third, tv), rel=1e-12)


def test_boundary_by_hand() -> None:
    """A square of 3 x 4 pixels: 14 sides; at one corner isotropic steps down and right are one step of root 2."""
    u = torch.zeros(1, 8, 8)
    u[0, 2:5, 2:6] = 1
    assert boundary_length(u, "anisotropic") == 14
    assert boundary_length(u, "isotropic") == pytest.approx(12 + math.sqrt(2))
    assert boundary_length(u, "anisotropic", [0.5, 2.0]) == 0.5 * 8 + 2 * 6


@pytest.mark.parametrize("n_regions", [2, 3, 4])
def test_lambda_is_the_price_of_a_boundary_pixel(n_regions: int) -> None:
    """The solver's total variation, weighted for it, equals lambda times the length for any number of regions."""
    labels = torch.zeros(6, 6, dtype=torch.long)
    labels[:, 3:] = 1
    if n_regions > 2:
        labels[4:] = n_regions - 1
    masks = torch.stack([labels == region for region in range(n_regions)]).double()
    u = masks[1:] if n_regions == 2 else masks
    length = sum(int((labels.diff(dim=axis) != 0).sum()) for axis in (0, 1))
    solver = sum(boundary_length(channel[None], "anisotropic") for channel in u)
    assert boundary_length(u, "anisotropic") == length
    assert channel_weight(0.2, n_regions) * solver == pytest.approx(0.2 * length)


def test_weight_of_a_tensor() -> None:
    assert channel_weight(torch.tensor([0.2, 0.4]), 3).tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("n_regions", [2, 3])
def test_explained_by_loops(n_regions: int) -> None:
    costs, shares = random(n_regions, 3, 4), torch.softmax(random(n_regions, 3, 4, seed=1), 0)
    u = shares[1:] if n_regions == 2 else shares
    places = itertools.product(range(n_regions), range(3), range(4))
    expected = sum(float(costs[p]) * float(shares[p]) for p in places)
    assert explained(costs, u) == pytest.approx(expected, rel=1e-12)


def test_the_solvers_energy_is_ours_but_for_a_constant() -> None:
    """``<cost, u>`` leaves out what does not depend on u: the background's residuals over the whole image."""
    costs, u = random(2, 4, 4), random(1, 4, 4, seed=1)
    solver = float((membership_cost(costs) * u).sum())
    assert explained(costs, u) == pytest.approx(solver + float(costs[0].sum()), rel=1e-12)
