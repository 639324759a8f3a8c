"""Border labels of any annotation, against loops over voxels."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_images import instance_images

from monai_denoiseg.transforms.labels import border_classes
from monai_denoiseg.transforms.orientation import n_orientations, orient

BACKGROUND, FOREGROUND, BORDER, IGNORED = 0, 1, 2, -1


def around(shape: tuple[int, ...], place: tuple[int, ...], connectivity: int) -> list[tuple[int, ...]]:
    """Places beside one: steps along at most ``connectivity`` axes at once."""
    steps = [step for step in itertools.product((-1, 0, 1), repeat=len(shape)) if 0 < sum(map(abs, step)) <= connectivity]
    near = [tuple(p + s for p, s in zip(place, step, strict=True)) for step in steps]
    return [n for n in near if all(0 <= i < size for i, size in zip(n, shape, strict=True))]


def slow_border(instances: np.ndarray, connectivity: int) -> set[tuple[int, ...]]:
    """The outer boundary: background beside an object, and what lies in an object at its contact with another one."""
    found = set()
    for place in np.ndindex(instances.shape):
        own = max(0, int(instances[place]))
        beside = {max(0, int(instances[n])) for n in around(instances.shape, place, connectivity)}
        within = {max(0, int(instances[n])) for n in around(instances.shape, place, instances.ndim)}
        if instances[place] == IGNORED or not beside - {own}:
            continue
        if own == 0 or within - {0, own}:
            found.add(place)
    return found


def slow_classes(instances: np.ndarray, border: set[tuple[int, ...]]) -> np.ndarray:
    classes = np.empty(instances.shape, np.int64)
    for place in np.ndindex(instances.shape):
        value = FOREGROUND if instances[place] > 0 else BACKGROUND
        classes[place] = IGNORED if instances[place] == IGNORED else BORDER if place in border else value
    return classes


@given(instance_images, st.integers(1, 3), st.integers(1, 3))
def test_border_labels_are_those_of_plain_loops(instances: np.ndarray, connectivity: int, width: int) -> None:
    connectivity = min(connectivity, instances.ndim)
    border = slow_border(instances, connectivity)
    for _ in range(width - 1):
        beside = {n for place in border for n in around(instances.shape, place, connectivity)}
        border |= {place for place in beside if instances[place] != IGNORED}
    found = border_classes(instances, connectivity, width)
    np.testing.assert_array_equal(found, slow_classes(instances, border))
    assert found.dtype == np.int64


@given(instance_images, st.sampled_from([0.5, 1.0, 1.7, 2.3]), st.data())
def test_a_width_in_units_is_a_distance(instances: np.ndarray, width: float, data: st.DataObject) -> None:
    spacing = [data.draw(st.sampled_from([0.5, 0.9, 2.0])) for _ in instances.shape]
    border = slow_border(instances, 1)
    wide = {
        place
        for place in np.ndindex(instances.shape)
        for other in border
        if np.linalg.norm((np.array(place) - other) * spacing) < width * (1 - 1e-9) or place == other
    }
    np.testing.assert_array_equal(border_classes(instances, 1, width, spacing), slow_classes(instances, wide))


@given(instance_images, st.integers(1, 2), st.integers(1, 2), st.integers(0, 15))
def test_border_labels_turn_with_the_image_and_do_not_depend_on_the_numbers(
    instances: np.ndarray, connectivity: int, width: int, k: int
) -> None:
    k %= n_orientations(instances.ndim, square=True)
    expected = border_classes(instances, connectivity, width)
    turned = np.ascontiguousarray(orient(instances, k, instances.ndim))
    np.testing.assert_array_equal(border_classes(turned, connectivity, width), orient(expected, k, instances.ndim))
    other = np.where(instances > 0, 50 - 3 * instances, instances)
    np.testing.assert_array_equal(border_classes(other, connectivity, width), expected)
