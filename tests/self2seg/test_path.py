from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from monai_denoiseg.self2seg.energy import boundary_length, explained, to_labels
from monai_denoiseg.self2seg.path import (
    LAMBDAS,
    LambdaPath,
    check_lambdas,
    checkerboard,
    choose_lambda,
    held_out_scores,
    solve_path,
)
from monai_denoiseg.self2seg.solver import solve_u

EXACT = {"tolerance": 1e-7, "tv": "anisotropic"}


def noisy_costs(size: int, n_regions: int = 2, noise: float = 0.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Costs of ``n_regions`` brightnesses for upright bars with noise, and the true labels."""
    truth = (torch.arange(size) * n_regions // size).expand(size, size)
    image = truth + noise * torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.stack([(image - region).square() for region in range(n_regions)]), truth


def score_by_enumeration(costs: Tensor, lam: float) -> float:
    """Of two regions of few pixels: the best of all masks for the seen half, and its cost in the unseen half."""
    height, width = costs.shape[1:]
    total = 0.0
    for parity in (0, 1):
        best, best_cost = math.inf, math.nan
        for bits in itertools.product((0, 1), repeat=height * width):
            mask = torch.tensor(bits).reshape(height, width)
            energy = held = 0.0
            for y, x in itertools.product(range(height), range(width)):
                cost = float(costs[mask[y, x], y, x])
                if (y + x) % 2 == parity:
                    energy += 2 * cost
                else:
                    held += cost
                energy += lam * float(y + 1 < height and mask[y, x] != mask[y + 1, x])
                energy += lam * float(x + 1 < width and mask[y, x] != mask[y, x + 1])
            if energy < best - 1e-12:
                best, best_cost = energy, held
        total += best_cost
    return total / (height * width)


@pytest.mark.parametrize("lam", [0.3, 1.1, 60.0])
def test_scores_of_a_tiny_image_by_enumeration(lam: float) -> None:
    costs = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert held_out_scores(costs, [lam], **EXACT)[0] == pytest.approx(score_by_enumeration(costs, lam), abs=1e-3)


@pytest.mark.parametrize("n_regions", [2, 3])
@pytest.mark.parametrize("block", [1, 3])
def test_scores_by_loops(n_regions: int, block: int) -> None:
    """One weight and one half at a time, always with a channel for each region."""
    costs, _ = noisy_costs(9, n_regions)
    lams = [0.1, 1.0]
    found = held_out_scores(costs, lams, block, **EXACT)
    for lam, score in zip(lams, found, strict=True):
        total = 0.0
        for parity in (0, 1):
            seen = torch.tensor([[(y // block + x // block) % 2 == parity for x in range(9)] for y in range(9)])
            u = solve_u((2 * costs * seen)[None], lam / 2, **EXACT).u[0]
            total += float((costs * u)[:, ~seen].sum())
        assert score == pytest.approx(total / 81, abs=1e-3)


def test_half_of_the_pixels_is_not_looked_at() -> None:
    """With one half's costs gone the mask of that half cannot depend on them: only the held-out sum changes, linearly."""
    costs, _ = noisy_costs(8)
    seen = checkerboard((8, 8))
    lam = [0.5]
    one, two, three = (held_out_scores(torch.where(seen, costs, costs + extra), lam, **EXACT)[0] for extra in (0.0, 1.0, 2.0))
    assert two - one == pytest.approx(three - two, abs=1e-6)
    assert two - one == pytest.approx(0.5, abs=1e-6)  # a constant for every region adds itself at each held-out pixel


def test_noise_asks_for_a_larger_weight() -> None:
    """Without noise any small weight is right; with noise the smallest follow it and the largest erase everything."""
    lams = [0.001, 1.0, 300.0]
    costs, truth = noisy_costs(16, noise=0.8)
    path, _ = solve_path(costs, lams)
    assert path.chosen == 1
    assert path.lam == 1.0
    wrong = [int((labels != truth).sum()) for labels in path.labels]
    assert wrong[1] < wrong[0]
    assert wrong[1] < wrong[2]


@pytest.mark.parametrize("n_regions", [2, 3])
def test_a_path_is_each_weight_alone(n_regions: int) -> None:
    costs, _ = noisy_costs(10, n_regions)
    lams = [0.05, 0.5, 2.0]
    path, solution = solve_path(costs, lams, tolerance=1e-5)
    assert (path.labels.shape, path.labels.dtype) == ((3, 10, 10), torch.int64)
    assert path.scores == held_out_scores(costs, lams, tolerance=1e-5)
    cost = costs if n_regions == 3 else costs[1:] - costs[:1]
    lengths = []
    for index, lam in enumerate(lams):
        u = solve_u(cost[None], lam if n_regions == 2 else lam / 2, tolerance=1e-5).u[0]
        ours = solution.u[index]
        energies = [lam * boundary_length(x, "isotropic") + explained(costs, x) for x in (u, ours)]
        assert energies[0] == pytest.approx(energies[1], rel=2e-4)
        assert torch.equal(path.labels[index], to_labels(ours))
        lengths.append(boundary_length(ours, "isotropic"))
    assert lengths == sorted(lengths, reverse=True)  # dearer boundaries are never longer


def test_three_dimensions() -> None:
    costs = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    path, _ = solve_path(costs, [0.1, 1.0])
    assert path.labels.shape == (2, 3, 4, 5)
    assert all(math.isfinite(score) for score in path.scores)


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [([1.0], 0), ([3.0, 1.0, 2.0], 1), ([1.0, 1.0, 1.0], 2), ([1.0, 0.5, 0.5, 0.7], 2), ([0.5, 0.7, 0.5], 2), ([0.1, 0.2], 0)],
)
def test_the_lowest_score_and_of_equals_the_largest_weight(scores: list[float], chosen: int) -> None:
    assert choose_lambda(scores) == chosen


def test_weights_are_sorted_and_unique() -> None:
    assert check_lambdas([0.4, 0, 0.1, 0.4]) == [0.0, 0.1, 0.4]
    assert check_lambdas((1,)) == [1.0]
    assert check_lambdas(LAMBDAS) == list(LAMBDAS)


@pytest.mark.parametrize("lams", [[], "0.1", 0.1, None, [0.1, -1.0], [math.inf], [math.nan], ["0.1"], [True]])
def test_wrong_weights(lams: list[float]) -> None:
    with pytest.raises(ValueError, match="`lambda_path`"):
        check_lambdas(lams)


@pytest.mark.parametrize(("shape", "block"), [((4, 5), 1), ((7, 6), 3), ((3, 4, 5), 2), ((1, 1), 1)])
def test_checkerboard_by_loops(shape: tuple[int, ...], block: int) -> None:
    found = checkerboard(shape, block)
    for p in itertools.product(*map(range, shape)):
        assert bool(found[p]) == (sum(x // block for x in p) % 2 == 1)


def test_the_chosen_weight() -> None:
    assert LambdaPath([0.1, 0.2, 0.4], torch.zeros(3, 2, 2), [1.0, 0.0, 2.0], 1).lam == 0.2
