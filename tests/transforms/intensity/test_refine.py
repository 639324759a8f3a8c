"""refine_denoised: the regressions written out voxel by voxel, gains where it should gain, no harm where it should not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from monai_denoiseg.transforms import refine_denoised
from monai_denoiseg.transforms.intensity import refine, refine_reach


def scene(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Bright bodies with sharp edges on a dark ground, (1, ...)."""
    noise = np.random.default_rng(seed).normal(size=shape)
    body = ndimage.gaussian_filter(noise, 4 if len(shape) == 2 else 2, mode="wrap")
    return (50 + 100 * (body > body.std() * 0.7) + 8 * body / body.std())[None]


def predicted(clean: np.ndarray, contrast: float = 0.95, offset: float = 4.0, shift: int = 1) -> np.ndarray:
    """What a network might make of it, whatever the noise: a little flat, a little bright, edges displaced."""
    return contrast * np.roll(clean, shift, -1) + offset


def mse(a: np.ndarray, b: np.ndarray) -> float:
    return float(((np.asarray(a, np.float64) - b) ** 2).mean())


def weights_at(place: tuple[int, ...], shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Weights of the window around a voxel and, mirrored at the edges, the voxels they belong to."""
    width, reach = refine.WIDTH[len(shape)], int(refine.TRUNCATE * refine.WIDTH[len(shape)] + 0.5)
    steps = np.arange(-reach, reach + 1)
    one = np.exp(-0.5 * (steps / width) ** 2)
    index = [np.pad(np.arange(n), reach, mode="symmetric")[p + reach + steps] for p, n in zip(place, shape, strict=True)]
    weight = np.ones(())
    for _ in shape:
        weight = np.multiply.outer(weight, one / one.sum())
    return weight.ravel(), tuple(grid.ravel() for grid in np.meshgrid(*index, indexing="ij"))


def plainly(x: np.ndarray, y: np.ndarray, place: tuple[int, ...]) -> tuple[float, float]:
    """Both steps at one voxel by ridge regression in its window; the second from the first of the whole image."""
    count = math.prod(min(2 * math.sqrt(math.pi) * refine.WIDTH[x.ndim], n) for n in x.shape)
    weight, window = weights_at(place, x.shape)

    def fit(columns: list[np.ndarray], target: np.ndarray, ridge: list[float]) -> np.ndarray:
        centred = np.stack([c[window] - (weight * c[window]).sum() for c in columns], 1)
        goal = target[window] - (weight * target[window]).sum()
        return np.linalg.solve((centred.T * weight) @ centred + np.diag(ridge), centred.T @ (weight * goal))

    residual = y - x
    mean = [(weight * v[window]).sum() for v in (x, residual, residual**2)]
    slope = fit([x], residual, [(mean[2] - mean[1] ** 2) / count / refine.SLOPE**2])[0]
    first = x[place] + mean[1] + slope * (x[place] - mean[0])

    z = refine._calibrate(x, residual)
    near = {"sigma": refine.DETAIL_WIDTH, "truncate": 3.0}
    edges = ndimage.gaussian_filter(z**2, **near) - ndimage.gaussian_filter(z, **near) ** 2
    square = (y - z) ** 2
    level, bright, edge = ((weight * v[window]).sum() for v in (square, z, edges))
    ridge = 2 * level**2 / count / refine.ERROR_SHARE**2
    spread = (weight * (z[window] - bright) ** 2).sum()
    gain, shift = fit([z, edges], square, [1e-3 * spread, ridge])
    if gain < 0:
        gain, shift = 0.0, fit([edges], square, [ridge])[0]
    shift = max(shift, 0)
    noise = max(level - shift * edge + gain * (z[place] - bright), refine.LEAST_NOISE * level)
    error = shift * edges[place]
    return float(first), float(z[place] + error / (error + noise) * (y - z)[place])


@pytest.mark.parametrize("shape", [(150,), (41, 58), (9, 14, 17)])
@pytest.mark.parametrize("poisson", [False, True])
def test_equals_the_regressions_written_out(shape: tuple[int, ...], poisson: bool) -> None:
    rng = np.random.default_rng(1)
    clean = scene(shape)[0]
    noisy = rng.poisson(clean) * 1.0 if poisson else clean + rng.normal(0, 10, shape)
    guess = predicted(clean)
    found = refine_denoised(guess[None], noisy[None])
    assert found.dtype == np.float32
    first = refine._calibrate(guess, noisy - guess)
    places = [tuple(0 for _ in shape), tuple(n - 1 for n in shape), *(tuple(rng.integers(0, shape)) for _ in range(8))]
    for place in places:
        wanted = plainly(guess, noisy, place)
        assert (first[place], found[0][place]) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("shape", [(120, 150), (14, 40, 44)])
@pytest.mark.parametrize("fault", [{"contrast": 0.9}, {"offset": 9.0}, {"shift": 1}])
@pytest.mark.parametrize("sigma", [5, 20])
def test_each_fault_is_lessened(shape: tuple[int, ...], fault: dict[str, float], sigma: float) -> None:
    clean = scene(shape)
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    guess = predicted(clean, **{"contrast": 1.0, "offset": 0.0, "shift": 0, **fault})
    found = mse(refine_denoised(guess, noisy), clean)
    assert found < 0.6 * mse(guess, clean)
    assert found < mse(noisy, clean) or sigma < 20


@pytest.mark.parametrize("noise", ["gauss", "poisson", "both"])
def test_a_perfect_prediction_is_hardly_harmed(noise: str) -> None:
    rng, clean = np.random.default_rng(0), scene((200, 200))
    noisy = clean if noise == "gauss" else rng.poisson(clean / 4) * 4.0
    noisy = noisy if noise == "poisson" else noisy + rng.normal(0, 15, clean.shape)
    assert mse(refine_denoised(clean, noisy), clean) < 0.02 * mse(noisy, clean)


def test_shot_noise_is_not_taken_for_edges() -> None:
    """Noise is strongest in the bright bodies, edges are at their rims: a model without shot noise confuses the two."""
    clean = scene((200, 200))
    noisy = np.random.default_rng(0).poisson(clean / 8) * 8.0
    guess = ndimage.gaussian_filter(clean, (0, 0.6, 0.6))
    assert mse(refine_denoised(guess, noisy), clean) < 0.95 * mse(guess, clean)


def test_without_noise_the_measurement_is_returned_at_edges() -> None:
    clean = scene((120, 120))
    guess = ndimage.gaussian_filter(clean, (0, 2, 2))
    assert mse(refine_denoised(guess, clean), clean) < 0.25 * mse(guess, clean)


def test_nothing_to_correct() -> None:
    clean = scene((60, 50))
    np.testing.assert_array_equal(refine_denoised(clean, clean), clean.astype(np.float32))
    flat = np.full((1, 12, 9), 7.0)
    np.testing.assert_array_equal(refine_denoised(flat, flat), flat)
    np.testing.assert_allclose(refine_denoised(flat, flat + 2), flat + 2)


def test_a_broken_pixel_leaves_no_spot() -> None:
    rng, clean = np.random.default_rng(0), scene((100, 100))
    noisy = clean + rng.normal(0, 10, clean.shape)
    broken = noisy.copy()
    broken[0, 50, 50] = 60000
    change = np.abs(refine_denoised(clean, broken) - refine_denoised(clean, noisy))
    change[0, 50, 50] = 0
    assert change.max() < 5  # a 12,000th of it; spread over a window it would be 37


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 37), (3, 33, 1), (2, 5, 7, 1), (1, 1, 20, 31), (0, 4, 4), (1, 0, 4)])
def test_any_size(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    guess, noisy = rng.normal(100, 5, (2, *shape))
    found = refine_denoised(guess, noisy)
    assert found.shape == shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_channels_are_on_their_own_and_units_do_not_matter() -> None:
    clean = np.concatenate([scene((60, 70), seed) for seed in range(3)])
    noisy, guess = clean + np.random.default_rng(0).normal(0, 9, clean.shape), predicted(clean)
    found = refine_denoised(guess, noisy)
    for channel in range(3):
        np.testing.assert_array_equal(found[[channel]], refine_denoised(guess[[channel]], noisy[[channel]]))
    np.testing.assert_allclose(refine_denoised(guess * 300 + 5000, noisy * 300 + 5000), found * 300.0 + 5000, rtol=1e-4)
    np.testing.assert_allclose(refine_denoised(guess * 1e-4, noisy * 1e-4), found * 1e-4, rtol=1e-4)


def test_whole_numbers_are_taken() -> None:
    clean = scene((30, 40)).astype(np.uint16)
    noisy = np.random.default_rng(0).poisson(clean).astype(np.uint16)
    np.testing.assert_array_equal(refine_denoised(clean, noisy), refine_denoised(clean.astype(float), noisy.astype(float)))


@pytest.mark.parametrize("shape", [(800,), (400, 9), (100, 5, 6)])
def test_what_lies_beyond_the_reach_makes_no_difference(shape: tuple[int, ...]) -> None:
    clean, reach = scene(shape), refine_reach(len(shape))
    noisy = clean + np.random.default_rng(0).normal(0, 10, clean.shape)
    guess = predicted(clean)
    whole, part = refine_denoised(guess, noisy), refine_denoised(guess[:, : reach + 5], noisy[:, : reach + 5])
    np.testing.assert_allclose(part[:, :5], whole[:, :5], rtol=1e-6)
    short = refine_denoised(guess[:, : reach // 8], noisy[:, : reach // 8])
    assert not np.allclose(short[:, :1], whole[:, :1], rtol=1e-9)


@pytest.mark.parametrize(
    ("denoised", "noisy", "message"),
    [
        (np.zeros((1, 4, 5)), np.zeros((1, 5, 4)), r"shape \(1, 4, 5\), `noisy` \(1, 5, 4\)"),
        (np.zeros(4), np.zeros(4), "1 to 3 spatial axes"),
        (np.zeros((1, 2, 2, 2, 2)), np.zeros((1, 2, 2, 2, 2)), "1 to 3 spatial axes"),
    ],
)
def test_what_is_no_pair_of_images(denoised: np.ndarray, noisy: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refine_denoised(denoised, noisy)
