"""Colours of objects and classes."""

from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg import pictures


def test_colours_are_distinct_stable_and_black_for_no_object() -> None:
    label = np.array([[0, -1, 1], [2, 3, 40000]])
    colours = pictures.colour_labels(label)
    assert colours.dtype == np.uint8
    assert not colours[0, :2].any()
    assert len(np.unique(colours[label > 0], axis=0)) == 4
    np.testing.assert_array_equal(colours[0, 2], pictures.colour_labels(np.array([1]))[0])
    assert pictures.colour_labels(np.zeros((2, 3, 4), np.uint16)).shape == (2, 3, 4, 3)


def test_class_colours_are_distinct_and_do_not_depend_on_their_number() -> None:
    many = pictures.class_colours(61)
    assert many.shape == (61, 3)
    assert ((many >= 0) & (many <= 1)).all()
    distance = np.sqrt(((many[:, None] - many[None]) ** 2).sum(-1)) + 9 * np.eye(61)
    assert distance[:21, :21].min() > 0.12
    assert distance.min() > 0.02
    assert (many[1:].max(axis=1) > 0.4).all(), "only the background is dark"
    np.testing.assert_array_equal(pictures.class_colours(5), many[:5])
    np.testing.assert_array_equal(many[0], pictures.CLASS_COLOURS[0])


@pytest.mark.parametrize("n_classes", [2, 3, 30])
def test_probabilities_of_classes_mix_their_colours(n_classes: int) -> None:
    colours = pictures.class_colours(n_classes)
    certain = pictures.probabilities_to_rgb(np.eye(n_classes)[:, None], colours)[0]
    np.testing.assert_array_equal(certain, np.round(255 * colours))
    even = pictures.probabilities_to_rgb(np.full((n_classes, 1, 1), 1 / n_classes), colours)[0, 0]
    np.testing.assert_allclose(even, 255 * colours.mean(axis=0), atol=0.51)
