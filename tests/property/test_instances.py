"""What holds for the objects of any prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from small_images import probabilities, untied

from monai_denoiseg.transforms import ProbabilitiesToInstances
from monai_denoiseg.transforms.instances import instances_from_foreground, split_necks
from monai_denoiseg.transforms.orientation import n_orientations, orient

Pair = tuple[np.ndarray, np.ndarray]
thresholds = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])
neighbours = st.integers(1, 2)
min_sizes = st.integers(0, 6)


def same_up_to_numbers(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return bool(((a > 0) == (b > 0)).all()) and len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def is_one_piece(mask: np.ndarray, connectivity: int) -> bool:
    return int(ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, connectivity))[1]) == 1


def numbers(labels: np.ndarray) -> list[int]:
    return np.unique(labels[labels > 0]).tolist()


def every_orientation(images: Pair, options: dict[str, Any]) -> None:
    """Turned first or labelled first, the objects are the same ones."""
    expected = instances_from_foreground(*images, **options)
    for k in range(n_orientations(expected.ndim, square=True)):
        turned = [np.ascontiguousarray(orient(image, k, image.ndim)) for image in images]
        assert same_up_to_numbers(instances_from_foreground(*turned, **options), orient(expected, k, expected.ndim))


@given(probabilities(), thresholds, min_sizes, st.booleans(), neighbours)
def test_the_plain_rule_turns_with_the_image(
    images: Pair, threshold: float, min_size: int, fill_holes: bool, connectivity: int
) -> None:
    options = {"threshold": threshold, "min_size": min_size, "fill_holes": fill_holes, "connectivity": connectivity}
    every_orientation(images, {**options, "rule": "paper"})


@given(untied(), st.sampled_from([0.6, 0.8, 0.95]), min_sizes, st.sampled_from([None, 0.0, 1.0, 1.5]), neighbours)
def test_growth_turns_with_the_image(
    foreground: np.ndarray, threshold: float, min_size: int, max_grow: float | None, connectivity: int
) -> None:
    options = {"threshold": threshold, "min_size": min_size, "max_grow": max_grow, "connectivity": connectivity}
    every_orientation((foreground, np.zeros_like(foreground)), options)


@given(probabilities(), thresholds, min_sizes, neighbours)
def test_the_plain_rule_finds_the_pieces_above_the_threshold(
    images: Pair, threshold: float, min_size: int, connectivity: int
) -> None:
    above = images[0] > threshold
    options: dict[str, Any] = {"rule": "paper", "min_size": min_size, "connectivity": connectivity}
    found = instances_from_foreground(*images, threshold, **options)
    assert numbers(found) == list(range(1, found.max(initial=0) + 1))
    sizes = []
    for number in numbers(found):
        piece = found == number
        sizes.append(piece.sum())
        assert is_one_piece(piece, connectivity)
        around = ndimage.binary_dilation(piece, ndimage.generate_binary_structure(piece.ndim, connectivity))
        assert not (above & around & ~piece).any(), "all of a piece is taken"
    assert min(sizes, default=min_size) >= min_size
    assert (above | (found == 0)).all()
    left, _ = ndimage.label(above & (found == 0), ndimage.generate_binary_structure(above.ndim, connectivity))
    assert np.bincount(left.ravel())[1:].max(initial=0) < max(min_size, 1)


@given(probabilities(), thresholds, min_sizes, st.booleans(), neighbours)
def test_growth_keeps_every_seed_and_stays_off_the_background(
    images: Pair, threshold: float, min_size: int, fill_holes: bool, connectivity: int
) -> None:
    foreground, border = images
    options: dict[str, Any] = {"min_size": min_size, "connectivity": connectivity}
    seeds = instances_from_foreground(foreground, border, threshold, rule="paper", **options)
    grown = instances_from_foreground(foreground, border, threshold, **options)
    np.testing.assert_array_equal(grown[seeds > 0], seeds[seeds > 0])
    assert numbers(grown) == numbers(seeds), "no object is made or lost"
    assert (foreground + border > 0.5)[(grown > 0) & (seeds == 0)].all()
    plain = instances_from_foreground(foreground, None, threshold, **options)
    for number in numbers(plain):
        assert is_one_piece(plain == number, connectivity)
    if fill_holes:
        filled = instances_from_foreground(foreground, border, threshold, fill_holes=True, **options)
        np.testing.assert_array_equal(filled[grown > 0], grown[grown > 0])
        for number in numbers(filled):
            inside = ndimage.binary_fill_holes(filled == number)
            assert filled[inside].all(), "no hole is left in an object"


@given(probabilities(), thresholds, thresholds, st.sampled_from(["grow", "paper"]), min_sizes)
def test_a_higher_threshold_finds_no_more(images: Pair, one: float, two: float, rule: str, min_size: int) -> None:
    low, high = sorted((one, two))
    size = min_size if rule == "paper" else 0
    border = images[1] if rule == "paper" else None  # what lies between two objects lies beside one where there is but one
    less, more = (instances_from_foreground(images[0], border, t, rule=rule, min_size=size) > 0 for t in (high, low))
    assert more[less].all()


@given(probabilities(), st.sampled_from([0.3, 0.7, 0.95]), min_sizes, neighbours)
def test_necks_only_part_what_was_one(images: Pair, neck: float, min_size: int, connectivity: int) -> None:
    structure = ndimage.generate_binary_structure(images[0].ndim, connectivity)
    components = ndimage.label(images[0] > 0.3, structure)[0]
    parts = split_necks(components, neck, min_size=min_size, connectivity=connectivity)
    np.testing.assert_array_equal(parts > 0, components > 0)
    assert numbers(parts) == list(range(1, parts.max(initial=0) + 1))
    for number in numbers(parts):
        part = parts == number
        (own,) = np.unique(components[part])
        assert is_one_piece(part, connectivity)
        assert part.sum() >= min(min_size, (components == own).sum())
    assert same_up_to_numbers(split_necks(components, 0.0, connectivity=connectivity), components)


@given(probabilities(), thresholds, st.sampled_from(["grow", "paper"]), st.booleans(), st.sampled_from([0.0, 0.7]))
def test_the_transform_is_the_function(images: Pair, threshold: float, rule: str, fill_holes: bool, neck: float) -> None:
    foreground, border = (image.astype(np.float32) for image in images)
    transform = ProbabilitiesToInstances(threshold, rule, 2, fill_holes=fill_holes, split_neck=neck)
    found = transform(np.stack([1 - foreground - border, foreground, border]))
    options: dict[str, Any] = {"rule": rule, "min_size": 2, "fill_holes": fill_holes, "split_neck": neck}
    np.testing.assert_array_equal(found[0], instances_from_foreground(foreground, border, threshold, **options))


@pytest.mark.parametrize("rule", ["grow", "paper"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (1, 1, 1), (1, 5, 1)])
def test_the_smallest_images(rule: str, shape: tuple[int, ...]) -> None:
    assert (instances_from_foreground(np.ones(shape), rule=rule, fill_holes=True, split_neck=0.7) == 1).all()
    assert not instances_from_foreground(np.zeros(shape), rule=rule, fill_holes=True, split_neck=0.7).any()
