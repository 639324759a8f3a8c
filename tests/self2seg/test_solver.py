from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize, sparse
from torch import Tensor

from monai_denoiseg.self2seg.differences import divergence, total_variation
from monai_denoiseg.self2seg.solver import USolution, solve_u

from .shapes import random_cost

SHAPES = [(7, 6), (3, 4, 5), (1, 9), (1, 1), (8, 1), (9,)]


def difference_matrix(shape: tuple[int, ...], weights: tuple[float, ...]) -> sparse.csr_matrix:
    """One row for each pair of neighbours, pixel by pixel: independent of the package."""
    numbers = np.arange(np.prod(shape)).reshape(shape)
    rows = [sparse.csr_matrix((0, numbers.size))]
    for axis, weight in enumerate(weights):
        after = np.take(numbers, range(1, shape[axis]), axis).ravel()
        before = np.take(numbers, range(shape[axis] - 1), axis).ravel()
        count = len(after)
        entries = (
            np.r_[np.full(count, weight), np.full(count, -weight)],
            (np.r_[range(count), range(count)], np.r_[after, before]),
        )
        rows.append(sparse.csr_matrix(entries, (count, numbers.size)))
    return sparse.vstack(rows).tocsr()


def least_by_linear_programming(cost: np.ndarray, lam: float, weights: tuple[float, ...]) -> float:
    """Minimum with anisotropic TV, exact; cost (K, *S)."""
    channels, pixels = len(cost), cost[0].size
    one = difference_matrix(cost.shape[1:], weights)
    matrix = sparse.block_diag([one] * channels).tocsr() if channels > 1 else one
    sizes = sparse.identity(matrix.shape[0])
    bound = sparse.vstack([sparse.hstack([matrix, -sizes]), sparse.hstack([-matrix, -sizes])])
    together = sparse.hstack([*[sparse.identity(pixels)] * channels, sparse.csr_matrix((pixels, matrix.shape[0]))])
    found = optimize.linprog(
        np.r_[cost.ravel(), np.full(matrix.shape[0], lam)],
        A_ub=bound,
        b_ub=np.zeros(bound.shape[0]),
        A_eq=together if channels > 1 else None,
        b_eq=np.ones(pixels) if channels > 1 else None,
        bounds=[(0, 1)] * cost.size + [(0, None)] * matrix.shape[0],
    )
    assert found.success
    return float(found.fun)


def plain_energy(u: np.ndarray, cost: np.ndarray, lam: float, round_off: float = 0.0) -> tuple[float, np.ndarray]:
    """Isotropic energy of one channel and its derivative; lengths are sqrt(length^2 + round_off^2)."""
    parts = np.zeros((u.ndim, *u.shape))
    for axis in range(u.ndim):
        part = np.moveaxis(parts[axis], axis, 0)
        part[:-1] = np.diff(np.moveaxis(u, axis, 0), axis=0)
    sizes = np.sqrt((parts**2).sum(0) + round_off**2)
    slope = cost.copy()
    for axis in range(u.ndim):
        pull = np.moveaxis(lam * parts[axis] / np.maximum(sizes, 1e-300), axis, 0)
        moved = np.moveaxis(slope, axis, 0)
        moved[1:] += pull[:-1]
        moved[:-1] -= pull[:-1]
    return lam * sizes.sum() + (cost * u).sum(), slope


def least_by_rounding_off(cost: np.ndarray, lam: float, mu: float = 0.0, reference: np.ndarray | None = None) -> float:
    """Minimum with isotropic TV by scipy: the corner of the length is rounded off less and less."""
    near = np.zeros_like(cost) if reference is None else reference
    u, best = np.full(cost.shape, 0.5), np.inf

    def smooth(values: np.ndarray, round_off: float) -> tuple[float, np.ndarray]:
        grid = values.reshape(cost.shape)
        energy, slope = plain_energy(grid, cost, lam, round_off)
        return energy + mu / 2 * ((grid - near) ** 2).sum(), (slope + mu * (grid - near)).ravel()

    for round_off in 10.0 ** -np.arange(1, 6):
        options = {"maxiter": 4000, "maxfun": 8000, "maxcor": 30, "ftol": 1e-14, "gtol": 1e-9}
        arguments: dict[str, Any] = {"method": "L-BFGS-B", "jac": True, "bounds": [(0, 1)] * cost.size, "options": options}
        u = optimize.minimize(smooth, u.ravel(), (round_off,), **arguments).x.reshape(cost.shape)
        best = min(best, smooth(u, 0.0)[0])
    return best


def assert_certified(found: USolution, cost: Tensor, lam: float, tv: str, weights: tuple[float, ...] | None = None) -> None:
    """Recompute what the solution says of itself."""
    dims = cost.ndim - 2
    energy = lam * total_variation(found.u, dims, tv, weights).sum(1) + (cost * found.u).flatten(1).sum(1)
    slope = cost - divergence(found.dual, dims, weights)
    bound = slope.clamp(max=0).flatten(1).sum(1) if cost.shape[1] == 1 else slope.amin(1).flatten(1).sum(1)
    lengths = found.dual.abs() if tv == "anisotropic" else found.dual.norm(dim=2)
    assert lengths.max() <= lam * (1 + 1e-6)
    assert found.u.min() >= 0
    assert found.u.max() <= 1
    torch.testing.assert_close(found.energy, energy, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.gap, (energy - bound).clamp(min=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lam", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_anisotropic_as_by_linear_programming(shape: tuple[int, ...], lam: float, channels: int) -> None:
    weights = (0.5, 1.0, 1.5)[: len(shape)]
    cost = random_cost(1, channels, *shape)
    found = solve_u(cost, lam, tv="anisotropic", weights=weights, tolerance=1e-6)
    least = least_by_linear_programming(cost[0].numpy(), lam, weights)
    assert found.energy.item() == pytest.approx(least, rel=1e-5)
    assert found.energy.item() - found.gap.item() <= least + 1e-9 <= found.energy.item() + 2e-9
    assert_certified(found, cost, lam, "anisotropic", weights)


@pytest.mark.parametrize("shape", [(6, 5), (2, 3, 4), (1, 9)])
@pytest.mark.parametrize("lam", [0.1, 0.5])
@pytest.mark.parametrize("mu", [0.0, 0.008, 0.3])
def test_isotropic_as_by_scipy(shape: tuple[int, ...], lam: float, mu: float) -> None:
    cost = random_cost(1, 1, *shape)
    reference = (random_cost(1, 1, *shape, seed=1) > 0).double()
    found = solve_u(cost, lam, mu=mu, reference=reference, tolerance=1e-6)
    least = least_by_rounding_off(cost[0, 0].numpy(), lam, mu, reference[0, 0].numpy())
    assert found.energy.item() == pytest.approx(least, rel=1e-4)
    assert found.energy.item() - found.gap.item() <= least + 1e-9
    assert found.gap.item() <= 1e-6 * (abs(found.energy.item()) + 0.01 * cost.abs().sum().item())
    if mu == 0:
        assert_certified(found, cost, lam, "isotropic")


def plain_iteration(cost: np.ndarray, lam: float, count: int) -> np.ndarray:
    """The algorithm as printed, 2D, steps 1/4 and 1/2, no relaxation, for any number of channels (K, H, W)."""
    u = np.full(cost.shape, 0.5) if len(cost) == 1 else np.full(cost.shape, 1 / len(cost))
    bar, v = u.copy(), np.zeros((2, *cost.shape))
    for _ in range(count):
        v[0, :, :-1] += np.diff(bar, axis=1) / 2
        v[1, :, :, :-1] += np.diff(bar, axis=2) / 2
        v /= np.maximum(1, np.sqrt((v**2).sum(0)) / lam)
        div = v.sum(0)
        div[:, 1:] -= v[0, :, :-1]
        div[:, :, 1:] -= v[1, :, :, :-1]
        new = u + (div - cost) / 4
        if len(cost) == 1:
            new = new.clip(0, 1)
        else:  # Michelot: subtract the excess from the positive ones until none turns negative
            positive = np.ones(cost.shape, bool)
            for _ in cost:
                excess = (np.where(positive, new, 0).sum(0) - 1) / positive.sum(0)
                positive &= new > excess
            new = np.maximum(new - (np.where(positive, new, 0).sum(0) - 1) / positive.sum(0), 0)
        bar, u = 2 * new - u, new
    return u


@pytest.mark.parametrize("channels", [1, 3])
def test_isotropic_as_by_a_long_plain_iteration(channels: int) -> None:
    cost = random_cost(1, channels, 11, 12)
    found = solve_u(cost, 0.4, tolerance=1e-6)
    plain = plain_iteration(cost[0].numpy(), 0.4, 6000)
    least = sum(plain_energy(u, c, 0.4)[0] for u, c in zip(plain, cost[0].numpy(), strict=True))
    assert found.energy.item() == pytest.approx(least, rel=1e-5)
    assert_certified(found, cost, 0.4, "isotropic")


def binary_energies(masks: np.ndarray, cost: np.ndarray, lam: float) -> np.ndarray:
    """Energies of masks (N, H, W)."""
    edges = np.abs(np.diff(masks, axis=1)).sum((1, 2)) + np.abs(np.diff(masks, axis=2)).sum((1, 2))
    return lam * edges + (masks * cost).sum((1, 2))


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (1, 5)])
@pytest.mark.parametrize("ties", [False, True])
def test_anisotropic_thresholding_is_exact(shape: tuple[int, int], ties: bool) -> None:
    """Every level set is a best mask of all, found by trying them; ties leave room for values between 0 and 1."""
    every = np.array(list(itertools.product([0.0, 1.0], repeat=shape[0] * shape[1]))).reshape(-1, *shape)
    rng = np.random.default_rng(0)
    between, lam = 0, 1.0 if ties else 0.5
    for _ in range(6):
        cost = rng.integers(-2, 3, shape).astype(float) if ties else rng.normal(size=shape)
        least = binary_energies(every, cost, lam).min()
        u = solve_u(torch.from_numpy(cost)[None, None], lam, tv="anisotropic", tolerance=1e-10).u[0, 0].numpy()
        masks = (u > np.linspace(0.05, 0.95, 19)[:, None, None]).astype(float)
        np.testing.assert_allclose(binary_energies(masks, cost, lam), least, atol=1e-9)
        between += ((u > 0.05) & (u < 0.95)).any()
    assert not ties or between or shape[0] == 1  # otherwise nothing was shown about values between


def test_anisotropic_thresholding_of_a_larger_image() -> None:
    cost = random_cost(1, 1, 24, 20)
    u = solve_u(cost, 0.6, tv="anisotropic", tolerance=1e-9).u[0, 0].numpy()
    least = least_by_linear_programming(cost[0].numpy(), 0.6, (1.0, 1.0))
    masks = (u > np.linspace(0.1, 0.9, 9)[:, None, None]).astype(float)
    np.testing.assert_allclose(binary_energies(masks, cost[0, 0].numpy(), 0.6), least, rtol=1e-7)


@pytest.mark.parametrize("tv", ["isotropic", "anisotropic"])
def test_two_channels_with_half_the_weight_are_one(tv: str) -> None:
    cost = random_cost(1, 2, 12, 13)
    two = solve_u(cost, 0.2, tv=tv, tolerance=1e-7)
    one = solve_u(cost[:, 1:] - cost[:, :1], 0.4, tv=tv, tolerance=1e-7)
    assert two.energy.item() == pytest.approx(one.energy.item() + cost[:, 0].sum().item(), rel=1e-6)
    torch.testing.assert_close(two.u.sum(1), torch.ones(1, 12, 13, dtype=torch.float64))
    assert ((two.u[0, 1] > 0.5) == (one.u[0, 0] > 0.5)).double().mean() > 0.98


@pytest.mark.parametrize("mu", [0.0, 0.2])
@pytest.mark.parametrize("channels", [1, 3])
def test_items_of_a_batch_are_apart(mu: float, channels: int) -> None:
    lams = torch.tensor([0.0, 0.4, 0.02, 0.15])
    cost = random_cost(4, channels, 10, 12)
    reference = torch.full_like(cost, 1 / channels)
    together = solve_u(cost, lams, mu=mu, reference=reference, tolerance=1e-5)
    alone = [
        solve_u(cost[i : i + 1], float(lams[i]), mu=mu, reference=reference[i : i + 1], tolerance=1e-5) for i in range(len(lams))
    ]
    assert together.iterations == max(one.iterations for one in alone) or mu > 0
    for i, one in enumerate(alone):
        assert together.energy[i].item() == pytest.approx(one.energy.item(), rel=2e-5)
        if mu == 0:
            torch.testing.assert_close(together.u[i], one.u[0], atol=1e-9, rtol=0)
            torch.testing.assert_close(together.dual[i], one.dual[0], atol=1e-9, rtol=0)
