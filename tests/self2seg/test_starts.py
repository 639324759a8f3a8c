from __future__ import annotations

import math

import pytest
import torch
from skimage.filters import threshold_otsu

from monai_denoiseg.self2seg.starts import start_by_boxes, start_by_scribbles, start_by_threshold


def blobs(shape: tuple[int, ...] = (1, 20, 20), seed: int = 0) -> torch.Tensor:
    image = 0.3 * torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    image[..., 5:12, 6:15] += 1
    return image


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (1000.0, 5.0), (0.01, -3.0)])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_threshold_on_the_image_scaled_to_one(threshold: float, gain: float, offset: float) -> None:
    image = blobs()
    expected = (image[0] - image.min()) / (image.max() - image.min()) > threshold
    masks = start_by_threshold(gain * image + offset, 2, threshold)
    assert masks.dtype == torch.bool
    assert torch.equal(masks[1], expected)
    assert torch.equal(masks[0], ~expected)


def test_each_channel_counts_the_same() -> None:
    one, other = blobs(seed=0), blobs(seed=1)
    masks = start_by_threshold(torch.cat([one, 500 * other + 3]), 2, 0.5)
    scaled = [(x - x.min()) / (x.max() - x.min()) for x in (one, other)]
    mean = (scaled[0] + scaled[1]) / 2
    assert torch.equal(masks[1], ((mean - mean.min()) / (mean.max() - mean.min()) > 0.5)[0])


def test_a_constant_channel_says_nothing() -> None:
    image = blobs()
    assert torch.equal(start_by_threshold(torch.cat([image, torch.ones_like(image)]), 2), start_by_threshold(image, 2))


def test_otsu_as_scikit_image() -> None:
    image = blobs((1, 5, 20, 20))
    grey = (image - image.min()) / (image.max() - image.min())
    cut = threshold_otsu(grey.double().numpy())
    assert torch.equal(start_by_threshold(image, 2, None)[1], (grey > cut)[0])


@pytest.mark.parametrize("n_regions", [3, 4])
def test_more_regions_from_dark_to_bright(n_regions: int) -> None:
    levels = torch.arange(n_regions).repeat_interleave(20).reshape(1, 4, -1)
    noisy = levels + 0.1 * torch.randn(levels.shape, generator=torch.Generator().manual_seed(0))
    masks = start_by_threshold(noisy, n_regions)
    assert int((masks.long().argmax(0) != levels[0]).sum()) <= n_regions - 1  # a cut lies in the histogram's last bin of a level
    assert bool((masks.sum(0) == 1).all())


def test_too_few_grey_levels() -> None:
    with pytest.raises(ValueError, match="fewer grey levels than 3 regions"):
        start_by_threshold(torch.tensor([[[0.0, 1.0, 1.0]]]), 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_image(channels: int) -> None:
    with pytest.raises(ValueError, match="constant"):
        start_by_threshold(torch.full((channels, 4, 4), 7.0))


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.2, 127.0, math.nan])
def test_a_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match="`start_threshold`"):
        start_by_threshold(blobs(), 2, threshold)


def test_channels_that_cancel_leave_one_region() -> None:
    image = blobs()
    image = (image - image.min()) / (image.max() - image.min())
    image = (image * 4).round() / 4  # no rounding in what follows
    assert not start_by_threshold(torch.cat([image, 1 - image]))[1].any()


def test_boxes_pixel_by_pixel() -> None:
    boxes = [[[0, 2, 0, 3], [4, 6, 1, 2]], [[2, 3, 0, 7]], [[5, 6, 6, 7]]]
    masks = start_by_boxes((6, 7), boxes)
    for region, several in enumerate(boxes):
        for y in range(6):
            for x in range(7):
                inside = any(a <= y < b and c <= x < d for a, b, c, d in several)
                assert bool(masks[region, y, x]) == inside


def test_boxes_in_3d() -> None:
    masks = start_by_boxes((3, 4, 5), [[[0, 1, 0, 4, 0, 5]], ((2, 3, 1, 2, 3, 5),)])
    assert masks.flatten(1).sum(1).tolist() == [20, 2]
    assert masks[1, 2, 1, 3:].all()


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[[0, 2, 0, 2]], []], "list of boxes for each region"),
        ([[0, 2, 0, 2], [3, 4, 3, 4]], "list of boxes for each region"),
        ([[[0, 2, 0, 2]], [[3, 4]]], "4 whole numbers"),
        ([[[0, 2, 0, 2]], [[3, 4, 3, 4, 3, 4]]], "4 whole numbers"),
        ([[[0, 2, 0, 2]], [[3.0, 4, 3, 4]]], "4 whole numbers"),
        ([[[0, 2, 0, 2]], [[3, 3, 3, 4]]], "empty or leaves the image"),
        ([[[0, 2, 0, 2]], [[4, 3, 3, 4]]], "empty or leaves the image"),
        ([[[0, 2, 0, 2]], [[-1, 1, 3, 4]]], "empty or leaves the image"),
        ([[[0, 2, 0, 2]], [[3, 4, 3, 8]]], "empty or leaves the image"),
        ([[[0, 2, 0, 2]], [[1, 3, 1, 3]]], "overlap"),
    ],
)
def test_wrong_boxes(boxes: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        start_by_boxes((6, 7), boxes)


def test_boxes_of_one_region_may_overlap() -> None:
    assert int(start_by_boxes((6, 7), [[[0, 2, 0, 2], [1, 3, 1, 3]], [[5, 6, 5, 6]]])[0].sum()) == 7


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_scribbles(dtype: torch.dtype) -> None:
    drawn = torch.tensor([[0, 255, 1], [2, 255, 1]]).to(dtype)
    masks = start_by_scribbles(drawn, 3)
    assert masks.int().tolist() == [[[1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 1]], [[0, 0, 0], [1, 0, 0]]]


def test_any_negative_number_is_not_drawn() -> None:
    assert int(start_by_scribbles(torch.tensor([[[0, -1, -7, 1]]]), 2).sum()) == 2


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        ([[0.0, 1.0, 0.5]], "whole numbers"),
        ([[0.0, 1.0, math.nan]], "whole numbers"),
        ([[0, 1, 2]], r"must hold 0 to 1.*got \[0, 1, 2\]"),
        ([[0, 0, -1]], "no pixel of region 1"),
        ([[255, -1, 1]], "no pixel of region 0"),
    ],
)
def test_wrong_scribbles(drawn: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        start_by_scribbles(torch.tensor(drawn), 2)
