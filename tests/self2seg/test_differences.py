from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from monai_denoiseg.self2seg.differences import axis_weights, divergence, gradient, pairs_along, total_variation

SHAPES = [(1,), (5,), (1, 1), (1, 6), (6, 1), (4, 5), (1, 1, 1), (3, 4, 5), (1, 4, 1)]


def plain_gradient(u: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """Pixel by pixel, (axes, *shape)."""
    parts = np.zeros((u.ndim, *u.shape))
    for axis, index in itertools.product(range(u.ndim), np.ndindex(*u.shape)):
        after = list(index)
        after[axis] += 1
        if after[axis] < u.shape[axis]:
            parts[(axis, *index)] = weights[axis] * (u[tuple(after)] - u[index])
    return parts


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_as_plainly_computed(shape: tuple[int, ...], weighted: bool) -> None:
    weights = (0.5, 2.0, 3.0)[: len(shape)] if weighted else None
    u = np.random.default_rng(0).normal(size=shape)
    parts = plain_gradient(u, weights or (1.0,) * u.ndim)
    tensor = torch.from_numpy(u)
    np.testing.assert_allclose(gradient(tensor, u.ndim, weights), parts, atol=1e-15)
    isotropic, anisotropic = (total_variation(tensor, u.ndim, kind, weights) for kind in ("isotropic", "anisotropic"))
    assert isotropic.item() == pytest.approx(np.sqrt((parts**2).sum(0)).sum())
    assert anisotropic.item() == pytest.approx(np.abs(parts).sum())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_divergence_is_minus_the_adjoint(shape: tuple[int, ...], dtype: torch.dtype, close: float) -> None:
    generator = torch.Generator().manual_seed(0)
    dims, weights = len(shape), (0.5, 2.0, 3.0)[: len(shape)]
    u = torch.randn(2, 3, *shape, generator=generator, dtype=dtype)
    v = torch.randn(2, 3, dims, *shape, generator=generator, dtype=dtype)
    left, right = gradient(u, dims, weights) * v, u * divergence(v, dims, weights)
    assert abs((left.double().sum() + right.double().sum()).item()) <= close * (left.abs().sum().item() + 1)
    assert left.dtype == right.dtype == dtype


@pytest.mark.parametrize("weights", [None, (0.25, 1.0, 2.0)])
def test_norm_of_the_gradient_is_at_most_its_bound(weights: tuple[float, ...] | None) -> None:
    u = torch.randn(12, 13, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for _ in range(60):  # power iteration
        u = -divergence(gradient(u / u.norm(), 3, weights), 3, weights)
    bound = 4 * sum(w * w for w in weights or (1, 1, 1))
    assert 0.9 * bound < u.norm().item() <= bound


def test_leading_axes_are_apart() -> None:
    u = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    variation = total_variation(u, 2)
    assert variation.shape == (2, 3)
    assert variation[1, 2].item() == pytest.approx(total_variation(u[1, 2], 2).item())
    assert gradient(u, 2).shape == (2, 3, 2, 4, 5)
    torch.testing.assert_close(divergence(gradient(u, 2), 2)[1, 2], divergence(gradient(u[1, 2], 2), 2))


def test_variation_of_a_mask_is_its_boundary() -> None:
    mask = torch.zeros(8, 9)
    mask[2:5, 3:7] = 1
    assert total_variation(mask, 2, "anisotropic").item() == 14
    assert total_variation(mask, 2, "anisotropic", (3.0, 1.0)).item() == 2 * 4 * 3 + 2 * 3
    assert total_variation(mask, 2).item() == pytest.approx(14 - 2 + 2**0.5)  # one corner is cut
    assert total_variation(torch.ones(8, 9), 2).item() == 0


def test_nan_is_not_hidden() -> None:
    u = torch.zeros(4, 4)
    u[1, 1] = torch.nan
    assert torch.isnan(total_variation(u, 2))


def test_pairs_are_views() -> None:
    u = torch.zeros(3)
    before, after = pairs_along(u, 0)
    before += 1
    assert u.tolist() == [1, 1, 0]
    assert after.tolist() == [1, 0]
    assert [len(part) for part in pairs_along(u[:0], 0)] == [0, 0]


def test_errors() -> None:
    u = torch.zeros(4, 4)
    with pytest.raises(ValueError, match=r"`weights` needs one value or 2 values .* got \[1.0, 1.0, 1.0\]"):
        gradient(u, 2, (1.0, 1.0, 1.0))
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`weights` must be positive and finite"):
            axis_weights((1.0, wrong), 2)
    with pytest.raises(ValueError, match=r"`u` needs at least 3 axes, got shape \(4, 4\)"):
        gradient(u, 3)
    with pytest.raises(ValueError, match=r"`v` needs one entry an axis, 2, .* got shape \(3, 4, 4\)"):
        divergence(torch.zeros(3, 4, 4), 2)
    with pytest.raises(
        ValueError, match="`tv` must be one of 'isotropic', 'anisotropic', got 'isotrop'; did you mean 'isotropic'"
    ):
        total_variation(u, 2, "isotrop")
    with pytest.raises(ValueError, match="`spatial_dims` must be an integer >= 1"):
        gradient(u, 0)
