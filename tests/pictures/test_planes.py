"""Three planes of a volume."""

from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg import pictures
from monai_denoiseg.pictures.panels import _around


def test_planes_through_a_voxel_and_their_layout() -> None:
    volume = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    front, side, bottom = pictures.cut_planes(volume, (1, 3, 0))
    np.testing.assert_array_equal(front, volume[1])
    np.testing.assert_array_equal(bottom, volume[:, 3])
    np.testing.assert_array_equal(side, volume[:, :, 0].T)
    joined = pictures.join_planes([np.repeat(plane[..., None], 3, -1) for plane in (front, side, bottom)])[..., 0]
    gap = pictures.GAP
    np.testing.assert_array_equal(joined[:4, :5], front)
    np.testing.assert_array_equal(joined[:4, 5 + gap :], side)
    np.testing.assert_array_equal(joined[4 + gap :, :5], bottom)
    assert (joined[4 : 4 + gap] == 255).all()


def test_a_plane_image_is_not_cut() -> None:
    image = np.zeros((2, 5, 7))
    assert pictures.cut_point({"input": image, "truth": np.ones((5, 7), int)}) == (2, 3)
    assert pictures.cut_planes(image, (2, 3))[0] is image


def blocks(*boxes: tuple[int, tuple[slice, ...]]) -> np.ndarray:
    label = np.zeros((9, 20, 30), int)
    for value, box in boxes:
        label[box] = value
    return label


BIG = (4, (slice(2, 5), slice(2, 12), slice(3, 13)))
SMALL = (9, (slice(0, 9), slice(15, 18), slice(20, 23)))


def test_the_cut_goes_through_the_largest_object_of_the_fullest_slice() -> None:
    z, y, x = pictures.cut_point({"input": np.zeros((1, 9, 20, 30)), "truth": blocks(BIG, SMALL)})
    assert z == 4, "of equally full slices the one nearest to the middle"
    assert (6 <= y <= 7, 7 <= x <= 8) == (True, True)


def test_annotation_before_prediction_before_the_middle() -> None:
    image, empty = np.zeros((1, 9, 20, 30)), blocks()
    assert pictures.cut_point({"input": image, "truth": empty - 1, "classes": blocks(SMALL)}) == (4, 16, 21)
    assert pictures.cut_point({"input": image, "instances": blocks(SMALL), "truth": blocks(BIG)})[1] < 12
    assert pictures.cut_point({"input": image, "truth": empty, "instances": empty}) == (4, 10, 15)
    assert pictures.cut_point({"input": image}) == (4, 10, 15)


def test_partly_annotated_volumes_are_cut_along_an_annotated_slice() -> None:
    truth = np.full((9, 20, 30), -1)
    truth[7] = blocks(SMALL)[7]
    z, y, x = pictures.cut_point({"input": np.zeros((1, 9, 20, 30)), "truth": truth, "instances": blocks(BIG)})
    assert (z, truth[z, y, x]) == (7, 9)


def test_the_voxel_lies_in_the_object_also_if_its_centre_does_not() -> None:
    ring = np.zeros((1, 15, 15), int)
    ring[0, 2:13, 2:13] = 1
    ring[0, 5:10, 5:10] = 0
    assert ring[pictures.cut_point({"input": ring[None], "truth": ring})] == 1


@pytest.mark.parametrize(
    ("spacing", "dims", "wanted"),
    [
        (None, 2, [1, 1]),
        ([5, 2, 2], 3, [2.5, 1, 1]),
        ([0.5, 1.5], 2, [1, 3]),
        ([float("nan")] * 3, 3, [1, 1, 1]),
        ([float("nan"), 2, 2], 3, [1, 2, 2]),
        (np.array([0.0, 3.0]), 2, [1, 3]),
    ],
)
def test_axis_scale(spacing: list[float] | None, dims: int, wanted: list[float]) -> None:
    assert pictures.axis_scale(spacing, dims) == wanted


@pytest.mark.parametrize("factor", [1, 2, 7])
def test_whole_factors_repeat_pixels(factor: int) -> None:
    plane = np.random.default_rng(0).random((5, 6, 3))
    wanted = plane.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(pictures.stretch(plane, (factor, factor)), wanted)


@pytest.mark.parametrize("factor", [1.3, 2.5, 4.1667])
def test_other_factors_keep_order_and_share_fairly(factor: float) -> None:
    column = pictures.stretch(np.arange(12)[:, None], (factor, 1))[:, 0]
    assert len(column) == round(12 * factor)
    counts = np.bincount(column, minlength=12)
    assert set(counts) <= {int(factor), int(factor) + 1}
    assert (np.diff(column) >= 0).all()


@pytest.mark.parametrize(
    ("centre", "length", "at_most", "wanted"),
    [(5, 10, 4.9, (3, 7)), (0, 10, 4, (0, 4)), (9, 10, 4, (6, 10)), (3, 6, 99, (0, 6)), (2, 6, 0.2, (2, 3)), (0, 1, 5, (0, 1))],
)
def test_windows_stay_within(centre: int, length: int, at_most: float, wanted: tuple[int, int]) -> None:
    window = _around(centre, length, at_most)
    assert (window.start, window.stop) == wanted
    assert window.start <= centre < window.stop
