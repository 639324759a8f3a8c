from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from monai_denoiseg.self2seg.loop import Self2Seg
from monai_denoiseg.self2seg.trained_expert import TrainedExpert
from monai_denoiseg.self2seg.watch import Watch


class Counting:
    """Halves a batch and counts the calls."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch: Tensor) -> Tensor:
        self.shapes.append(tuple(batch.shape))
        return batch / 2


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 5), (2, 3, 4, 5)])
def test_it_gets_a_batch_of_one(shape: tuple[int, ...]) -> None:
    denoise, image = Counting(), torch.rand(shape)
    torch.testing.assert_close(TrainedExpert(denoise).fit(image, torch.ones(shape[1:]), Watch()), image / 2)
    assert denoise.shapes == [(1, *shape)]


def test_it_runs_once_an_image() -> None:
    denoise = Counting()
    expert = TrainedExpert(denoise)
    first, second = torch.ones(1, 2, 2), torch.full((1, 2, 2), 4.0)
    for weights in (torch.ones(2, 2), torch.zeros(2, 2)):
        expert.fit(first, weights, Watch())
    assert len(denoise.shapes) == 1
    assert expert.fit(second, torch.ones(2, 2), Watch()).unique().tolist() == [2.0]
    assert len(denoise.shapes) == 2


def test_no_gradient_is_kept_and_the_type_stays() -> None:
    net = nn.Conv2d(1, 1, 3, padding=1)
    found = TrainedExpert(lambda batch: net(batch.float())).fit(torch.rand(1, 4, 4).double(), torch.ones(4, 4), Watch())
    assert (found.requires_grad, found.dtype) == (False, torch.float64)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4, 4\) for an image of \(1, 4, 4\).*denoised channels only"):
        TrainedExpert(lambda batch: batch.expand(-1, 2, -1, -1)).fit(torch.rand(1, 4, 4), torch.ones(4, 4), Watch())


def test_it_takes_the_region_it_was_trained_for() -> None:
    generator = torch.Generator().manual_seed(0)
    image = 0.02 * torch.randn(1, 24, 24, generator=generator)
    stripes = (torch.arange(24) % 2).float().expand(24, 24)
    image[0, 6:18, 6:18] += stripes[6:18, 6:18]
    result = Self2Seg(["constant", TrainedExpert(lambda _: stripes[None, None])], lam=0.2, start_threshold=0.5)(image)
    expected = torch.zeros(24, 24, dtype=torch.long)
    expected[6:18, 6:18] = 1
    assert float((result.labels == expected).double().mean()) > 0.95  # its first column could be either
