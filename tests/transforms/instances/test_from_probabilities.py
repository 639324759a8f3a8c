from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.transforms import ProbabilitiesToInstances, ProbabilitiesToInstancesd
from monai_denoiseg.transforms.instances import instances_from_foreground
from monai_denoiseg.transforms.labels import border_classes


def one_hot(label: np.ndarray) -> np.ndarray:
    classes = border_classes(label)
    return np.stack([classes == index for index in range(3)]).astype(np.float32)


def voronoi(shape: tuple[int, ...], n: int, radius: float, seed: int = 0) -> np.ndarray:
    """Balls cut along the middle where they meet: objects that touch."""
    rng = np.random.default_rng(seed)
    points = np.stack([rng.integers(0, size, n) for size in shape], axis=1)
    grid = np.indices(shape)
    distance = np.stack([np.sqrt(((grid - point.reshape(-1, *[1] * len(shape))) ** 2).sum(0)) for point in points])
    return np.where(distance.min(0) <= radius, distance.argmin(0) + 1, 0)


def spread(shape: tuple[int, ...], radius: int, gap: int) -> np.ndarray:
    """Balls on a grid, ``gap`` background voxels between them."""
    label = np.zeros(shape, int)
    step = 2 * radius + 1 + gap
    centres = np.stack(np.meshgrid(*[np.arange(radius, size, step) for size in shape], indexing="ij"), -1).reshape(-1, len(shape))
    for number, centre in enumerate(centres, 1):
        label[((np.indices(shape) - centre.reshape(-1, *[1] * len(shape))) ** 2).sum(0) <= radius**2] = number
    return label


def best_ious(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    values = []
    for number in np.unique(truth[truth > 0]):
        mask = truth == number
        rivals = np.unique(found[mask & (found > 0)])
        values.append(max([(mask & (found == r)).sum() / (mask | (found == r)).sum() for r in rivals], default=0.0))
    return np.array(values)


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1] and ((a > 0) == (b > 0)).all()


def slow_components(mask: np.ndarray) -> np.ndarray:
    labels, number = np.zeros(mask.shape, int), 0
    for start in np.ndindex(mask.shape):
        if not mask[start] or labels[start]:
            continue
        number += 1
        labels[start] = number
        todo = deque([start])
        while todo:
            at = todo.popleft()
            for axis in range(mask.ndim):
                for step in (-1, 1):
                    n = (*at[:axis], at[axis] + step, *at[axis + 1 :])
                    if 0 <= n[axis] < mask.shape[axis] and mask[n] and not labels[n]:
                        labels[n] = number
                        todo.append(n)
    return labels


@pytest.mark.parametrize("shape", [(17, 23), (5, 9, 11)])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_paper_rule(shape: tuple[int, ...], threshold: float) -> None:
    foreground = np.random.default_rng(0).random(shape)
    found = instances_from_foreground(foreground, threshold=threshold, rule="paper")
    np.testing.assert_array_equal(found, slow_components(foreground > threshold))
    assert found.dtype == np.int32


def test_threshold_is_strict() -> None:
    foreground = np.array([[0.5, 0.0, 0.75]])
    for rule in ("paper", "grow"):
        assert instances_from_foreground(foreground, threshold=0.5, rule=rule).tolist() == [[0, 0, 1]]
        assert instances_from_foreground(foreground, threshold=1.0, rule=rule).max() == 0


@pytest.mark.parametrize(("shape", "n", "radius"), [((96, 96), 20, 12), ((96, 80), 30, 7), ((16, 40, 40), 10, 9)])
@pytest.mark.parametrize("seed", [0, 1])
def test_touching_objects_are_recovered(shape: tuple[int, ...], n: int, radius: float, seed: int) -> None:
    truth = voronoi(shape, n, radius, seed)
    probabilities = one_hot(truth)
    grown, plain = (ProbabilitiesToInstances(rule=rule, min_size=0, split_neck=0)(probabilities)[0] for rule in ("grow", "paper"))
    touched = best_ious(truth, plain) < 0.96
    assert touched.sum() > n / 2
    assert (best_ious(truth, grown)[touched] > best_ious(truth, plain)[touched]).all()
    assert best_ious(truth, grown).mean() > 0.97
    recovered = ((grown > 0) & (truth > 0)).sum() / (truth > 0).sum()
    assert recovered > 0.998
    # the lost voxels go to their own object, not merely to some object
    own = [np.bincount(truth[grown == number]).max() for number in range(1, grown.max() + 1)]
    assert sum(own) > 0.98 * (grown > 0).sum()


@pytest.mark.parametrize("shape", [(33, 37), (13, 14, 15)])
@pytest.mark.parametrize(("radius", "gap"), [(3, 3), (3, 1), (1, 4), (0, 3), (2, 3), (0, 1)])
def test_isolated_objects_come_back_exactly(shape: tuple[int, ...], radius: int, gap: int) -> None:
    truth = spread(shape, radius, gap)
    assert truth.max() >= 4
    assert same_partition(truth, ProbabilitiesToInstances(min_size=0, split_neck=0)(one_hot(truth))[0])


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("gap", [1, 3])
def test_a_long_gap_between_objects_stays_open(ndim: int, gap: int) -> None:
    truth = np.zeros((11,) * (ndim - 1) + (20,), int)
    inside = (slice(0, 8),) * (ndim - 1)
    truth[(*inside, slice(2, 8))] = 1
    truth[(*inside, slice(8 + gap, 16))] = 2
    assert same_partition(truth, ProbabilitiesToInstances(min_size=0, split_neck=0)(one_hot(truth))[0])


def test_concave_and_hollow_objects_come_back_exactly() -> None:
    truth = np.zeros((20, 40), int)
    truth[2:12, 2:12] = 1
    truth[2:10, 5:7] = 0  # slot of width 2: all its border voxels lie between two arms of the same object
    truth[2:18, 20:32] = 2
    truth[4:16, 22:30] = 0
    truth[7:13, 25:27] = 3  # an island in the hole
    assert same_partition(truth, ProbabilitiesToInstances(min_size=0, split_neck=0)(one_hot(truth))[0])


def test_four_squares_meeting_in_a_corner_come_back_exactly() -> None:
    truth = np.kron([[1, 2], [3, 4]], np.ones((6, 6), int))
    truth = np.pad(truth, 3)
    assert same_partition(truth, ProbabilitiesToInstances(min_size=0, split_neck=0)(one_hot(truth))[0])
    cubes = np.pad(np.kron(np.arange(1, 9).reshape(2, 2, 2), np.ones((5, 5, 5), int)), 2)
    assert same_partition(cubes, ProbabilitiesToInstances(min_size=0, split_neck=0)(one_hot(cubes))[0])


def test_high_threshold_seeds_grow_back_over_probable_foreground_only() -> None:
    foreground = np.array([[0.0, 0.6, 0.95, 0.6, 0.55, 0.6, 0.95, 0.6, 0.3, 0.6]])
    found = instances_from_foreground(foreground, threshold=0.9)
    assert found[0, [1, 2, 3]].tolist() == [1, 1, 1]
    assert found[0, [5, 6, 7]].tolist() == [2, 2, 2]
    assert found[0, [0, 8, 9]].tolist() == [0, 0, 0]  # background, and foreground without a seed
    assert found[0, 4] in (1, 2)
    assert instances_from_foreground(foreground, threshold=0.9, rule="paper").astype(bool).sum() == 2


def test_max_grow_in_voxels_and_in_units() -> None:
    foreground = np.full((9, 9), 0.6)
    foreground[4, 4] = 0.95
    y, x = np.indices((9, 9)) - 4
    one = instances_from_foreground(foreground, threshold=0.9, max_grow=2)
    np.testing.assert_array_equal(one > 0, np.hypot(y, x) <= 2)
    two = instances_from_foreground(foreground, threshold=0.9, max_grow=2, spacing=[2.0, 0.5])
    np.testing.assert_array_equal(two > 0, np.hypot(2 * y, x / 2) <= 2)
    assert (instances_from_foreground(foreground, threshold=0.9, max_grow=0) > 0).sum() == 1
    assert (instances_from_foreground(foreground, threshold=0.9) > 0).all()


@pytest.mark.parametrize("rule", ["paper", "grow"])
def test_min_size_drops_seeds_and_renumbers(rule: str) -> None:
    foreground = np.array([[1.0, 0, 1, 1, 0, 1, 0, 1, 1, 1]])
    kept = {size: instances_from_foreground(foreground, rule=rule, min_size=size).tolist()[0] for size in (0, 1, 2, 3, 4)}
    assert kept[0] == kept[1] == [1, 0, 2, 2, 0, 3, 0, 4, 4, 4]
    assert kept[2] == [0, 0, 1, 1, 0, 0, 0, 2, 2, 2]
    assert kept[3] == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert max(kept[4]) == 0


@pytest.mark.parametrize(("min_size", "kept"), [(1.99, 1), (2.0, 1), (2.01, 0)])
def test_a_smallest_area_between_two_numbers_of_voxels(min_size: float, kept: int) -> None:
    foreground = np.array([[0.0, 1, 1, 1, 1, 0]])  # 4 voxels of area 0.5
    assert instances_from_foreground(foreground, rule="paper", min_size=min_size, spacing=[1.0, 0.5]).max() == kept


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("rule", ["paper", "grow"])
def test_fill_holes_leaves_other_objects_and_bays(ndim: int, rule: str) -> None:
    truth = np.zeros((11,) * ndim, int)
    truth[(slice(1, 10),) * ndim] = 1
    truth[(slice(3, 8),) * ndim] = 0
    truth[(slice(5, 6),) * ndim] = 2
    foreground = (truth > 0).astype(float)
    foreground[(slice(0, 2), *[slice(9, 11)] * (ndim - 1))] = 0  # a bay, no hole
    found = instances_from_foreground(foreground, rule=rule, fill_holes=True)
    assert found.max() == 2
    inside = (slice(3, 8),) * ndim
    assert (found[inside] > 0).all()
    assert (found[inside] == 2).sum() == 1
    assert (found[(slice(0, 2), *[slice(9, 11)] * (ndim - 1))] == 0).all()
    unfilled = instances_from_foreground(foreground, rule=rule)
    np.testing.assert_array_equal(unfilled > 0, foreground > 0)


def test_connectivity() -> None:
    foreground = np.eye(4)
    assert instances_from_foreground(foreground).max() == 4
    assert instances_from_foreground(foreground, connectivity=2).max() == 1


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 7), (4, 5, 5), (3, 2, 3, 4)])
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_tiny_empty_and_full(shape: tuple[int, ...], fill: float) -> None:
    probabilities = np.zeros(shape, np.float32)
    probabilities[1], probabilities[0] = fill, 1 - fill
    out = ProbabilitiesToInstances(fill_holes=True, min_size=1, max_grow=3.0, split_neck=0)(probabilities)
    assert out.shape == (1, *shape[1:])
    assert (out == int(fill)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_types_are_kept(dtype: torch.dtype) -> None:
    array = one_hot(spread((13, 17), 2, 3))
    expected = ProbabilitiesToInstances(min_size=0, split_neck=0)(array)
    assert isinstance(expected, np.ndarray)
    assert expected.dtype == np.int32
    tensor = torch.from_numpy(array).to(dtype)
    for given in (tensor, MetaTensor(tensor, meta={"name": "a"}), tensor.clone().requires_grad_()):
        out = ProbabilitiesToInstances(min_size=0, split_neck=0)(given)
        assert isinstance(out, MetaTensor) == isinstance(given, MetaTensor)
        assert out.dtype == torch.int32
        np.testing.assert_array_equal(np.asarray(out), expected)
    assert ProbabilitiesToInstances(min_size=0, split_neck=0)(MetaTensor(tensor, meta={"name": "a"})).meta["name"] == "a"


def test_further_channels_are_not_looked_at() -> None:
    array = one_hot(spread((13, 17), 2, 3))
    denoised = np.full((2, 13, 17), 4e4, np.float32)
    np.testing.assert_array_equal(
        ProbabilitiesToInstances(min_size=0, split_neck=0)(np.concatenate([array, denoised])),
        ProbabilitiesToInstances(min_size=0, split_neck=0)(array),
    )


def test_threshold_of_one_call_and_dictionary_version() -> None:
    array = one_hot(spread((13, 17), 2, 3)) * 0.6
    to_instances = ProbabilitiesToInstances(threshold=0.5, min_size=0, split_neck=0)
    assert to_instances(array).max() > 0
    assert to_instances(array, threshold=0.7).max() == 0
    assert to_instances(array, threshold=torch.tensor(0.7)).max() == 0
    assert to_instances(array).max() > 0
    item = {"pred": array, "name": "a"}
    transform = ProbabilitiesToInstancesd("pred", threshold=0.5, min_size=2, split_neck=0)
    np.testing.assert_array_equal(transform(item)["pred"], ProbabilitiesToInstances(0.5, min_size=2, split_neck=0)(array))
    assert transform(item, threshold=0.7)["pred"].max() == 0
    assert item["pred"] is array
    assert ProbabilitiesToInstancesd("pred", allow_missing_keys=True, min_size=0, split_neck=0)({"name": "a"}) == {"name": "a"}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 4)), r"\(3, \[D,\] H, W\).*got \(2, 4, 4\)"),
        (np.zeros((4, 4)), r"got \(4, 4\)"),
        (np.full((3, 4, 4), 5.0), r"\[0, 1\], got 5 to 5; apply a softmax"),
        (np.full((3, 4, 4), -1.0), "apply a softmax"),
        (np.full((3, 4, 4), np.nan), "got nan to nan"),
    ],
)
def test_no_probabilities(array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProbabilitiesToInstances(min_size=0, split_neck=0)(array)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.5}, r"`threshold` must be in \[0, 1\], got 1.5"),
        ({"rule": "grwo"}, "did you mean 'grow'"),
        ({"min_size": -1}, "`min_size` must be an integer >= 0"),
        ({"max_grow": -1.0}, "`max_grow` must be in"),
        ({"min_size": 1.5}, "`min_size` must be an integer >= 0"),
        ({"min_size": -1.5, "units": "physical"}, r"`min_size` must be in \[0, inf\)"),
        ({"units": "micron"}, "`units` must be one of 'voxel', 'physical'"),
        ({"split_neck": 1.0}, r"`split_neck` must be in \[0, 1\), got 1.0"),
        ({"connectivity": 0}, "`connectivity` must be an integer >= 1"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProbabilitiesToInstances(**arguments)


def test_arguments_that_do_not_fit_the_image() -> None:
    with pytest.raises(ValueError, match="`spacing` needs 2 values"):
        ProbabilitiesToInstances(units="physical", min_size=0, split_neck=0)(np.zeros((3, 4, 4)), spacing=[1, 1, 1])
    with pytest.raises(ValueError, match="`connectivity` must be at most the 2 axes"):
        ProbabilitiesToInstances(connectivity=3, min_size=0, split_neck=0)(np.zeros((3, 4, 4)))
    with pytest.raises(ValueError, match=r"`threshold` must be in \[0, 1\], got 2.0"):
        ProbabilitiesToInstances(min_size=0, split_neck=0)(np.zeros((3, 4, 4)), threshold=2)
