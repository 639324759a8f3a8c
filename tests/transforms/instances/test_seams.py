"""Windows, faces and joined numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from monai_denoiseg.transforms.instances.seams import extend, joined, rank_by_first, touching


@pytest.mark.parametrize(("shape", "connectivity"), [((9, 8), 1), ((9, 8), 2), ((5, 6, 4), 1), ((5, 6, 4), 2), ((5, 6, 4), 3)])
def test_pieces_of_tiles_join_to_the_components_of_the_whole(shape: tuple[int, ...], connectivity: int) -> None:
    mask = np.random.default_rng(1).random(shape) < 0.35
    structure = ndimage.generate_binary_structure(len(shape), connectivity)
    cores = list(itertools.product(*[[slice(0, 3), slice(3, n)] for n in shape]))
    numbers, count = np.zeros(shape, int), 0
    for core in cores:
        labels, found = ndimage.label(mask[core], structure)
        numbers[core] = np.where(labels > 0, labels + count, 0)
        count += found
    pairs = [np.zeros((0, 2), int)]
    for core, axis in itertools.product(cores, range(len(shape))):
        if core[axis].stop < shape[axis]:
            pairs += list(touching(numbers.__getitem__, core, axis, shape, connectivity))
    groups, group = joined(np.concatenate(pairs), count + 1)
    whole, wanted = ndimage.label(mask, structure)
    assert groups - 1 == wanted < count
    first = np.array([np.flatnonzero(group[numbers] == g).min(initial=mask.size) for g in range(groups)])
    ranks = rank_by_first(first, np.arange(groups) != group[0])
    np.testing.assert_array_equal(ranks[group][numbers], whole)


def test_windows_end_at_the_image() -> None:
    assert extend((slice(0, 4), slice(5, 9)), [2, 3], [10, 10]) == (slice(0, 6), slice(2, 10))


def test_equal_first_voxels_keep_their_order() -> None:
    assert rank_by_first(np.array([3, 1, 1, 0]), np.array([True, True, True, False])).tolist() == [3, 1, 2, 0]
