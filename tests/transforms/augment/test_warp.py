"""Crops through a deformed grid, against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_denoiseg.transforms.augment import draw_matrix, warped_crop


@pytest.mark.parametrize("shape", [(20, 24), (14, 16, 18)])
def test_the_image_is_that_of_scipy(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    image = torch.rand(2, *shape)
    matrix, size = draw_matrix(len(shape), 20, 1.2), (6,) * len(shape)
    centre = [n / 2 for n in shape]
    crop, _ = warped_crop(image, torch.zeros(1, *shape, dtype=torch.int64), centre, size, matrix)
    middle = (np.array(size) - 1) / 2
    offset = np.array(centre) - matrix.numpy() @ middle
    for channel in range(2):
        wanted = ndimage.affine_transform(image[channel].numpy(), matrix.numpy(), offset, size, order=1, mode="nearest")
        np.testing.assert_allclose(crop[channel].numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("shape", [(20, 24), (14, 16, 18)])
def test_the_label_is_the_class_of_the_largest_share(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    label = torch.randint(-1, 3, (1, *shape))
    matrix, size = draw_matrix(len(shape), 20, 1.2), (6,) * len(shape)
    centre = [n / 2 for n in shape]
    _, found = warped_crop(label.float(), label, centre, size, matrix)
    offset = np.array(centre) - matrix.numpy() @ ((np.array(size) - 1) / 2)
    values = [-1, 0, 1, 2]
    shares = [
        ndimage.affine_transform((label[0] == v).numpy().astype(float), matrix.numpy(), offset, size, order=1) for v in values
    ]
    stacked = np.sort(np.stack(shares), 0)
    clear = stacked[-1] - stacked[-2] > 1e-3
    known = np.array(shares[0]) < np.stack(shares[1:]).max(0) - 1e-3
    wanted = np.array(values)[np.argmax(np.stack(shares), 0)]
    assert clear.mean() > 0.9
    assert np.array_equal(found[0].numpy()[clear & known], wanted[clear & known])
    assert set(np.unique(found)) <= set(values)


def test_beyond_the_edge_nothing_is_annotated() -> None:
    image = torch.arange(9.0).reshape(1, 3, 3)
    crop, label = warped_crop(image, torch.ones(1, 3, 3, dtype=torch.int32), (1, 1), (5, 5), torch.eye(2))
    assert label[0].tolist() == [[-1] * 5, *[[-1, 1, 1, 1, -1]] * 3, [-1] * 5]
    assert crop[0, 0].tolist() == [0, 0, 1, 2, 2]
    assert label.dtype == torch.int32


def test_a_label_without_annotation_stays_so() -> None:
    _, label = warped_crop(torch.rand(1, 8, 8), torch.full((1, 8, 8), -1), (4, 4), (4, 4), torch.eye(2), bend=1.0)
    assert bool((label == -1).all())


def test_tissue_is_rotated_and_not_voxels() -> None:
    """Lengths in millimetres are kept, whatever the voxel size."""
    torch.manual_seed(2)
    spacing = torch.tensor([3.0, 1.0, 0.5])
    matrix = draw_matrix(3, 30, 1.0, spacing)
    steps = torch.eye(3, dtype=torch.float64)
    before = (steps * spacing.double()).norm(dim=1)
    after = ((steps @ matrix.T) * spacing.double()).norm(dim=1)
    assert torch.allclose(before, after)
    assert not torch.allclose(matrix, torch.eye(3, dtype=torch.float64), atol=0.01)
    unknown = draw_matrix(3, 30, 1.0, torch.full((3,), math.nan))
    assert torch.allclose(unknown @ unknown.T, torch.eye(3, dtype=torch.float64))
