from __future__ import annotations

import itertools

import pytest
import torch

from monai_denoiseg.self2seg.constant_expert import ConstantExpert
from monai_denoiseg.self2seg.watch import Watch


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 4, 7), (2, 3, 4, 5), (1, 1, 1)])
def test_against_loops(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    image, weights = torch.rand(shape, generator=generator), torch.rand(shape[1:], generator=generator)
    found = ConstantExpert().fit(image, weights, Watch())
    assert (found.shape, found.dtype) == (image.shape, image.dtype)
    for channel in range(shape[0]):
        places = list(itertools.product(*map(range, shape[1:])))
        above = sum(float(weights[p]) * float(image[(channel, *p)]) for p in places)
        mean = above / sum(float(weights[p]) for p in places)
        torch.testing.assert_close(found[channel], torch.full(shape[1:], mean))


def test_pixels_without_weight_do_not_count() -> None:
    image = torch.tensor([[[1.0, 3.0, 1000.0]]])
    found = ConstantExpert().fit(image, torch.tensor([[0.5, 0.5, 0.0]]), Watch())
    assert found.tolist() == [[[2.0, 2.0, 2.0]]]


def test_the_mean_is_where_the_sum_of_squares_is_least() -> None:
    generator = torch.Generator().manual_seed(1)
    image, weights = torch.rand(1, 6, 6, generator=generator).double(), torch.rand(6, 6, generator=generator).double()
    best = ConstantExpert().fit(image, weights, Watch())

    def loss(values: torch.Tensor) -> float:
        return float((weights * (values - image)[0].square()).sum())

    assert loss(best) < min(loss(best + 1e-3), loss(best - 1e-3))


def test_a_large_image_far_from_zero_keeps_its_digits() -> None:
    image = torch.full((1, 512, 512), 10000.0)
    image[..., ::2] += 1
    assert ConstantExpert().fit(image, torch.ones(512, 512), Watch())[0, 0, 0] == 10000.5


def test_double_precision_stays() -> None:
    assert ConstantExpert().fit(torch.rand(1, 3, 3).double(), torch.ones(3, 3), Watch()).dtype == torch.float64
