"""Labels drawn over pictures."""

from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg import pictures


def plain_inner_outline(label: np.ndarray) -> np.ndarray:
    """A pixel of an object with a 4-neighbour of another value; beyond the image there is nothing."""
    found = np.zeros(label.shape, bool)
    for y, x in np.argwhere(label > 0):
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if 0 <= y + dy < label.shape[0] and 0 <= x + dx < label.shape[1]:
                found[y, x] |= label[y + dy, x + dx] != label[y, x]
    return found


def test_outline_is_inside_each_object_also_between_touching_ones() -> None:
    label = np.zeros((9, 12), np.int32)
    label[1:8, 1:6], label[2:9, 6:11], label[0, 11] = 1, 2, -1
    image = np.full((9, 12, 3), 100, np.uint8)
    drawn = pictures.overlay_outlines(image, label)
    outline = plain_inner_outline(label)
    np.testing.assert_array_equal((drawn != 100).any(axis=-1), outline)
    np.testing.assert_array_equal(drawn[outline], pictures.colour_labels(label)[outline])
    assert (image == 100).all()


def test_thick_outline_stays_inside() -> None:
    label = np.pad(np.ones((7, 7), int), 1)
    drawn = pictures.overlay_outlines(np.zeros((9, 9, 3), np.uint8), label, thickness=2)
    expected = label.astype(bool)
    expected[3:6, 3:6] = False
    np.testing.assert_array_equal(drawn.any(axis=-1), expected)


def test_overlay_of_nothing_and_of_the_wrong_size() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    np.testing.assert_array_equal(pictures.overlay_outlines(image, np.full((4, 4), -1)), image)
    with pytest.raises(ValueError, match="differ in height or width"):
        pictures.overlay_outlines(image, np.zeros((4, 5), int))


def test_classes_are_laid_over_with_a_solid_edge() -> None:
    label = np.zeros((8, 10), int)
    label[1:7, 1:5], label[1:7, 5:9], label[0] = 1, 2, -1
    image = np.random.default_rng(0).integers(0, 200, (8, 10, 3), dtype=np.uint8)
    colours = pictures.class_colours(3)
    drawn = pictures.overlay_classes(image, label, colours, opacity=0.25)
    edge = plain_inner_outline(label)
    for y, x in np.ndindex(label.shape):
        colour, below = 255 * colours[max(label[y, x], 0)], image[y, x]
        wanted = below if label[y, x] <= 0 else colour if edge[y, x] else 0.25 * colour + 0.75 * below
        np.testing.assert_allclose(drawn[y, x], wanted, atol=0.51)
    with pytest.raises(ValueError, match="differ in height or width"):
        pictures.overlay_classes(image, label.T, colours)


def test_hatching_shows_what_is_not_annotated_and_nothing_else() -> None:
    image = np.full((30, 40, 3), 100, np.uint8)
    label = np.zeros((30, 40), int)
    label[:, 20:], label[3, 3] = -1, 7
    drawn = pictures.hatch(image, label)
    assert (drawn[:, :20] == 100).all()
    lines = (drawn[:, 20:] != 50).any(axis=-1)
    assert lines.any(axis=1).all()
    assert 0.05 < lines.mean() < 0.15
    assert (image == 100).all()
