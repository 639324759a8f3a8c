from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.self2seg.simplex import project_simplex, simplex_threshold


def plain_projection(x: np.ndarray) -> np.ndarray:
    """Bisection for the number to subtract."""
    low, high = x.min() - 1, x.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(x - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(x - high, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12, 13, 20])
@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_as_plainly_computed(size: int, scale: float, dim: int) -> None:
    shape = [5, 6, 7]
    shape[dim] = size
    x = scale * np.random.default_rng(0).normal(size=shape)
    ours = project_simplex(torch.from_numpy(x), dim).numpy()
    np.testing.assert_allclose(ours, np.apply_along_axis(plain_projection, dim, x), atol=1e-12 * max(scale, 1))
    np.testing.assert_allclose(ours.sum(dim), 1)
    assert ours.min() >= 0


@pytest.mark.parametrize("size", [2, 3, 5])
def test_no_point_of_the_simplex_is_nearer(size: int) -> None:
    rng = np.random.default_rng(0)
    others = rng.dirichlet(np.ones(size), 2000)
    for x in rng.normal(size=(20, size)):
        ours = project_simplex(torch.from_numpy(x), 0).numpy()
        assert ((ours - x) ** 2).sum() <= ((others - x) ** 2).sum(1).min() + 1e-12


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_points_of_the_simplex_stay(size: int) -> None:
    points = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(size), 50))
    corners = torch.eye(size, dtype=torch.float64)
    for x in (points, corners):
        torch.testing.assert_close(project_simplex(x, 1), x, atol=1e-15, rtol=0)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_ties_share(size: int) -> None:
    x = torch.full((size, 2), 7.0)
    before = x.clone()
    torch.testing.assert_close(project_simplex(x, 0), torch.full((size, 2), 1 / size))
    assert torch.equal(x, before)


def test_threshold_and_dtype() -> None:
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    threshold = simplex_threshold(x, 1)
    assert threshold.shape == (4, 1, 5)
    assert threshold.dtype == project_simplex(x, 1).dtype == torch.float32
    torch.testing.assert_close((x - threshold).clamp(min=0).sum(1), torch.ones(4, 5))


def test_empty_axis() -> None:
    with pytest.raises(ValueError, match=r"`x` has no entries along axis 1, shape \(2, 0\)"):
        project_simplex(torch.zeros(2, 0), 1)
