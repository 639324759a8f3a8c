from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monai_denoiseg.data import label_to_int
from monai_denoiseg.data.labels import instance_labels, semantic_labels


@pytest.mark.parametrize(
    ("dtype", "stored", "expected"),
    [
        ("uint8", [0, 254, 255], [0, 254, -1]),
        ("uint16", [0, 255, 65535], [0, 255, -1]),
        ("uint32", [0, 65535, 2**32 - 1], [0, 65535, -1]),
        ("int8", [0, 127, -128], [0, 127, -1]),
        ("int32", [0, 2**31 - 1, -1], [0, 2**31 - 1, -1]),
        ("float32", [0, 300, -2], [0, 300, -1]),
        ("bool", [0, 1, 1], [0, 1, 1]),
    ],
)
def test_ignore_value_by_data_type(dtype, stored, expected):
    for array in (np.array(stored, dtype), np.array(stored, "float64")):
        labels = label_to_int(array, dtype)
        assert labels.dtype == np.int32 and labels.tolist() == expected


def test_explicit_ignore_value_replaces_the_rule():
    assert label_to_int(np.array([0, 99, 255]), "uint8", ignore_value=99).tolist() == [0, -1, 255]
    assert label_to_int(np.array([0, -2]), "int16", ignore_value=-2).tolist() == [0, -1]
    with pytest.raises(ValueError, match=r"holds -1; only ignore_value .-2. may be negative"):
        label_to_int(np.array([0, -1, -2]), "int16", ignore_value=-2)


@pytest.mark.parametrize(("value", "message"), [(0.5, "holds 0.5; instance"), (np.nan, "holds nan"), (2.0**40, "below 2")])
def test_labels_that_are_none(value, message):
    with pytest.raises(ValueError, match=f"label a.tif.*{message}"):
        label_to_int(np.array([1.0, value]), "float64", name="label a.tif")


def test_empty_label_stays_empty():
    assert label_to_int(np.zeros((0, 4)), "uint8").shape == (0, 4)
    assert not label_to_int(np.zeros((4, 4)), "uint8").any()


@pytest.mark.parametrize(
    ("dtype", "stored", "expected"),
    [
        ("uint8", [0, 1, 3, 255], [0, 1, 3, -1]),
        ("int16", [0, 2, -1, -5], [0, 2, -1, -1]),
        ("float64", [0, 3, 1, -1], [0, 3, 1, -1]),
        ("uint8", [1, 1, 0, 1], [1, 1, 0, 1]),  # one class in two pieces is no mistake here
        ("uint8", [0, 0, 255, 255], [0, 0, -1, -1]),
        ("uint8", [255, 255, 255, 255], [-1, -1, -1, -1]),
    ],
)
def test_class_labels(dtype, stored, expected):
    labels = semantic_labels(np.array(stored, dtype)[None, None], dtype, 4)
    assert labels.dtype == np.int32 and labels.ravel().tolist() == expected


def test_a_value_that_is_no_class():
    stored = np.array([[[0, 1, 3, 7]]], "uint8")
    with pytest.raises(
        ValueError, match=r"label a\.tif holds 3, 7, but `classes` has 3 \(0 background, 1 liver, 2 spleen\); .* ignore_value="
    ):
        semantic_labels(stored, "uint8", 3, ["background", "liver", "spleen"], name="label a.tif")
    with pytest.raises(ValueError, match=r"holds 3, 7, but `classes` has 3 \(0 to 2\)"):
        semantic_labels(stored, "uint8", 3)
    assert semantic_labels(stored, "uint8", 4, ignore_value=7).ravel().tolist() == [0, 1, 3, -1]
    with pytest.raises(ValueError, match=r"holds 2, 3, 4, 5, 6, \.\.\., but"):
        semantic_labels(np.arange(20).reshape(1, 20), "int16", 2)
    with pytest.raises(ValueError, match=r"holds 0\.5; class labels must be integers"):
        semantic_labels(np.array([[0.5]]), "float32", 3)


def test_a_mask_of_255_is_no_label_of_two_classes():
    mask = np.array([[0, 255]], "uint8")
    with pytest.raises(ValueError, match=r"holds only 0 and 255, as a mask does; store the second class as 1.*ignore_value=255"):
        semantic_labels(mask, "uint8", 2)
    assert semantic_labels(mask, "uint8", 2, ignore_value=255).tolist() == [[0, -1]]
    assert semantic_labels(np.array([[1, 255]], "uint8"), "uint8", 2).tolist() == [[1, -1]]


def test_one_object_drawn_in_some_slices_is_no_mask() -> None:
    label = np.full((1, 5, 4, 4), -1, np.int16)
    label[0, 1::2] = 0
    label[0, 1::2, 1:3, 1:3] = 1
    np.testing.assert_array_equal(instance_labels(label, "int16"), label)
    label[0, 3, 1:3, 1:3] = 0
    label[0, 1, :, 3] = 1  # two pieces in one slice, joined by the unannotated slices only
    label[0, 1, :, 0] = 1
    label[0, 1, 1:3, 1:3] = 0
    np.testing.assert_array_equal(instance_labels(label, "int16"), label)
    dense = np.array([[[1, 0, 1]]], np.int16)
    with pytest.raises(ValueError, match="in 2 separate pieces"):
        instance_labels(dense, "int16")


@pytest.mark.parametrize("value", ["abc", 1.5, float("nan"), True])
def test_an_ignore_value_that_no_voxel_can_have(value: Any) -> None:
    """65535 would otherwise become an object."""
    with pytest.raises(ValueError, match="`ignore_value` must be an integer, or None"):
        label_to_int(np.array([[0, 1, 65535]], np.uint16), "uint16", value)
