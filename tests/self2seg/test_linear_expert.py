from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_denoiseg.self2seg import linear_expert
from monai_denoiseg.self2seg.linear_expert import LinearExpert
from monai_denoiseg.self2seg.watch import Watch


def random_image(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mirror(index: int, length: int) -> int:
    """Place within the image that a place beyond its border shows."""
    if index < 0:
        return -index
    return 2 * (length - 1) - index if index >= length else index


def rows_by_loops(values: np.ndarray, radii: list[int]) -> np.ndarray:
    """For each pixel its neighbours in every channel and a one. What would be the pixel itself is zero, as the mean is."""
    shape, rows = values.shape[1:], []
    offsets = [o for o in itertools.product(*(range(-r, r + 1) for r in radii)) if any(o)]
    for pixel in itertools.product(*map(range, shape)):
        row = []
        for channel, offset in itertools.product(range(len(values)), offsets):
            place = tuple(mirror(p + o, n) for p, o, n in zip(pixel, offset, shape, strict=True))
            row.append(0.0 if place == pixel else values[(channel, *place)])
        rows.append([*row, 1.0])
    return np.array(rows)


def fit_by_loops(image: Tensor, weights: Tensor, radii: list[int], ridge: float) -> tuple[np.ndarray, float]:
    """Prediction and penalty, by numpy's least squares on the weighted rows with the ridge as further rows."""
    values = image.numpy()
    mean = values.reshape(len(values), -1).mean(1).reshape(-1, *[1] * (values.ndim - 1))
    about = values - mean
    rows, root = rows_by_loops(about, radii), np.sqrt(weights.numpy().ravel())[:, None]
    strength = ridge * (about**2).sum() / len(values)
    pull = np.sqrt(strength) * np.eye(rows.shape[1])[:-1]  # all but the constant
    right = np.concatenate([root * about.reshape(len(values), -1).T, np.zeros((len(pull), len(values)))])
    solved = np.linalg.lstsq(np.concatenate([root * rows, pull]), right, rcond=None)[0]
    penalty = strength * (solved[:-1] ** 2).sum() / (values.max() - values.min()) ** 2
    return (rows @ solved).T.reshape(values.shape) + mean, penalty


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
@pytest.mark.parametrize(
    ("shape", "radius"),
    [((1, 9, 8), 1), ((1, 11, 12), 3), ((2, 9, 10), 2), ((3, 7, 7), 1), ((1, 4, 6, 5), 1), ((2, 5, 4, 6), 2)],
)
def test_against_loops(shape: tuple[int, ...], radius: int, ridge: float) -> None:
    image, weights = random_image(*shape), random_image(*shape[1:], seed=1)
    expert = LinearExpert(radius, ridge)
    found = expert.fit(image, weights, Watch())
    expected, penalty = fit_by_loops(image, weights, [radius] * (len(shape) - 1), ridge)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-8)
    assert expert.penalty == pytest.approx(penalty, rel=1e-8)


def test_without_ridge() -> None:
    image, weights = random_image(1, 12, 12), random_image(12, 12, seed=1)
    expert = LinearExpert(1, 0)
    np.testing.assert_allclose(expert.fit(image, weights, Watch()).numpy(), fit_by_loops(image, weights, [1, 1], 0)[0], atol=1e-8)
    assert expert.penalty == 0


def test_single_precision_is_near() -> None:
    image, weights = random_image(1, 20, 20), random_image(20, 20, seed=1)
    exact = LinearExpert(2).fit(image, weights, Watch())
    found = LinearExpert(2).fit(image.float(), weights.float(), Watch())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("shape", "radius", "radii"),
    [
        ((1, 2, 9), 4, [1, 4]),
        ((1, 1, 9), 3, [0, 3]),
        ((1, 9, 1), 2, [2, 0]),
        ((2, 1, 1), 7, [0, 0]),
        ((1, 3, 4, 6), 5, [2, 3, 5]),
    ],
)
def test_short_axes_shorten_the_radius(shape: tuple[int, ...], radius: int, radii: list[int]) -> None:
    image, weights = random_image(*shape), random_image(*shape[1:], seed=1)
    found = LinearExpert(radius, 0.5).fit(image, weights, Watch())
    np.testing.assert_allclose(found.numpy(), fit_by_loops(image, weights, radii, 0.5)[0], atol=1e-8)


def test_default_radii() -> None:
    assert LinearExpert()._radii((64, 64)) == [7, 7]
    assert LinearExpert()._radii((64, 64, 64)) == [2, 2, 2]


@pytest.mark.parametrize(("shape", "radii"), [((2, 6, 5), [5, 4]), ((1, 9, 7), [3, 3]), ((1, 3, 4, 5), [2, 2, 2])])
def test_no_pixel_sees_itself(shape: tuple[int, ...], radii: list[int]) -> None:
    """With a given filter the derivative of each prediction by its own pixel is zero, at the mirrored border too."""
    values = random_image(*shape)
    width = (math.prod(2 * r + 1 for r in radii) - 1) * shape[0] + 1
    solved = 0.5 + random_image(width, shape[0], seed=1)  # positive: what a pixel contributed could not cancel
    before = linear_expert._apply(values, solved, radii)
    for pixel in itertools.product(*map(range, shape[1:])):
        changed = values.clone()
        changed[(slice(None), *pixel)] += 10
        after = linear_expert._apply(changed, solved, radii)
        assert torch.equal(after[(slice(None), *pixel)], before[(slice(None), *pixel)])
        assert not torch.equal(after, before)


def test_noise_cannot_be_copied_in_a_stack_of_three_planes() -> None:
    noise = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    left = (noise - LinearExpert(ridge=0).fit(noise, torch.ones(3, 40, 40), Watch())).square()[0]
    assert float(left[1].mean()) > 0.9  # the mirrored planes of the middle one are the middle one


@pytest.mark.parametrize("shape", [(1, 13, 9), (2, 8, 9), (1, 5, 6, 4)])
def test_chunks_do_not_matter(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    image, weights = random_image(*shape), random_image(*shape[1:], seed=1)
    whole = LinearExpert(2).fit(image, weights, Watch())
    monkeypatch.setattr(linear_expert, "CHUNK", 1)
    torch.testing.assert_close(LinearExpert(2).fit(image, weights, Watch()), whole, rtol=0, atol=1e-12)


def test_pixels_without_weight_teach_nothing() -> None:
    """Where the neighbourhoods of the two regions do not meet, one region's values leave the other's filter alone."""
    image = random_image(1, 10, 30)
    weights = torch.zeros(10, 30)
    weights[:, :10] = 1
    other = image.clone()
    other[..., 20:] = image[..., 20:].flip(-1)  # the mean and the variance stay
    first, second = (LinearExpert(2).fit(x, weights, Watch()) for x in (image, other))
    torch.testing.assert_close(first[..., :17], second[..., :17], rtol=0, atol=1e-10)
    assert not torch.allclose(first[..., 20:], second[..., 20:])


def test_one_pixel_is_enough() -> None:
    image, weights = random_image(1, 8, 8), torch.zeros(8, 8)
    weights[3, 4] = 1
    found = LinearExpert(2).fit(image, weights, Watch())
    assert bool(found.isfinite().all())
    assert float(found[0, 3, 4]) == pytest.approx(float(image[0, 3, 4]), abs=1e-6)  # the constant is free


def test_the_minimum_of_residuals_and_penalty() -> None:
    """No other ridge gives a lower sum: what the expert minimises is what the energy counts."""
    image, weights = random_image(1, 16, 16), random_image(16, 16, seed=1)
    strength = float((image - image.mean()).square().sum())
    scale = float(image.max() - image.min())

    def sums(ridge: float) -> float:
        expert = LinearExpert(2, ridge)
        residual = float((weights * (image - expert.fit(image, weights, Watch())).square()[0]).sum()) / scale**2
        squares = expert.penalty / (ridge * strength)  # of the filter's weights, in the unit of the energy
        return residual + squares * strength

    assert sums(1.0) < min(sums(0.9), sums(1.1), sums(0.01), sums(100.0))


@pytest.mark.parametrize(("gain", "offset"), [(1000.0, 5.0), (1e-3, -7.0)])
def test_any_unit(gain: float, offset: float) -> None:
    image, weights = random_image(2, 12, 12), random_image(12, 12, seed=1)
    one, other = LinearExpert(2), LinearExpert(2)
    expected = one.fit(image, weights, Watch()) * gain + offset
    torch.testing.assert_close(other.fit(image * gain + offset, weights, Watch()), expected, rtol=1e-9, atol=1e-9)
    assert other.penalty == pytest.approx(one.penalty, rel=1e-6)


def test_it_learns_its_own_stripes_only() -> None:
    y, x = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    left = x < 24
    image = torch.where(left, torch.sin(0.7 * (x + y)), torch.sin(0.7 * (x - y)))[None]
    fitted = LinearExpert().fit(image, left.float(), Watch())
    residual = (image - fitted).square()[0]
    inside = torch.zeros_like(left)
    inside[8:-8, 8:-8] = True
    assert float(residual[inside & (x < 16)].mean()) < 0.1 * float(residual[inside & (x > 32)].mean())


@pytest.mark.parametrize(
    ("name", "value"), [("radius", 0), ("radius", 1.5), ("ridge", -1.0), ("ridge", math.inf), ("ridge", math.nan)]
)
def test_numbers_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}`"):
        LinearExpert(**{name: value})
