from __future__ import annotations

import pytest
import torch

from monai_denoiseg.self2seg.checkerboard import checkerboard_pairs


def plain_pairs(x: torch.Tensor) -> list[torch.Tensor]:
    """The formulas of the paper, pixel by pixel, for one image (H, W)."""
    height, width = x.shape
    across = [torch.zeros(height, width // 2, dtype=x.dtype) for _ in range(2)]
    down = [torch.zeros(height // 2, width, dtype=x.dtype) for _ in range(2)]
    for i in range(height):
        for j in range(width // 2):
            across[0][i, j] = x[i, 2 * j + (i % 2)]
            across[1][i, j] = x[i, 2 * j + 1 - (i % 2)]
    for i in range(height // 2):
        for j in range(width):
            down[0][i, j] = x[2 * i + (j % 2), j]
            down[1][i, j] = x[2 * i + 1 - (j % 2), j]
    return [*across, *down]


@pytest.mark.parametrize("shape", [(2, 2), (6, 8), (7, 10), (8, 5), (9, 9), (1, 6), (5, 1), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_as_plainly_computed(shape: tuple[int, int], dtype: torch.dtype) -> None:
    x = (
        (torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0)) > 0)
        if dtype == torch.bool
        else torch.randn(2, 3, *shape)
    )
    pairs = checkerboard_pairs(x)
    for b in range(2):
        for c in range(3):
            for ours, plain in zip(pairs, plain_pairs(x[b, c]), strict=True):
                assert ours.dtype == dtype
                torch.testing.assert_close(ours[b, c], plain, rtol=0, atol=0)


def test_each_pair_holds_every_pixel_once() -> None:
    x = torch.arange(48).reshape(6, 8)
    pairs = checkerboard_pairs(x)
    for first, second in (pairs[:2], pairs[2:]):
        torch.testing.assert_close(torch.cat([first.flatten(), second.flatten()]).sort().values, x.flatten())


def test_one_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`x` must have at least two axes .* got shape \(4,\)"):
        checkerboard_pairs(torch.zeros(4))
