"""Other contrasts of a crop."""

from __future__ import annotations

import pytest
import torch

from monai_denoiseg.transforms.augment import RandAppearance


@pytest.mark.parametrize("shape", [(1, 24, 24), (3, 12, 12, 12)])
def test_the_unit_does_not_matter(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape)
    torch.manual_seed(0)
    one = RandAppearance(1.0)(image)
    torch.manual_seed(0)
    other = RandAppearance(1.0)(image * 1e4 - 300)
    assert torch.allclose(one * 1e4 - 300, other, rtol=1e-3, atol=1)
    assert not torch.allclose(one, image, atol=0.01)


def test_changes_are_mild() -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 16, 16, 16).cumsum(1).cumsum(2).cumsum(3)
    changed = [RandAppearance(1.0)(image) for _ in range(20)]
    alike = [float(torch.corrcoef(torch.stack([image.flatten(), one.flatten()]))[0, 1]) for one in changed]
    assert min(alike) > 0.85
    assert len({round(float(one.mean()), 3) for one in changed}) > 10


def test_nothing_is_done_to_a_constant_crop_or_without_chance() -> None:
    constant, image = torch.ones(1, 8, 8), torch.rand(1, 8, 8)
    assert torch.equal(RandAppearance(1.0)(constant), constant)
    assert torch.equal(RandAppearance(0.0)(image), image)


def test_a_wrong_chance() -> None:
    with pytest.raises(ValueError, match=r"`prob` must be in \[0, 1\], got 2"):
        RandAppearance(2)
