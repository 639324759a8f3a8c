from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg.data.axes import arrange, check_frame, fit_axes, put_in_order, shape_mismatch, without_channel


@pytest.mark.parametrize(
    ("shape", "axes", "letters", "order"),
    [
        ((4, 5), "YX", "YX", (0, 1)),
        ((4, 5), "XY", "YX", (1, 0)),
        ((3, 4, 5), "IYX", "ZYX", (0, 1, 2)),
        ((3, 4, 5), "QYX", "ZYX", (0, 1, 2)),
        ((3, 4, 5), "TYX", "TYX", (0, 1, 2)),
        ((3, 2, 4, 5), "ZCYX", "CZYX", (1, 0, 2, 3)),
        ((4, 5, 3), "YXS", "SYX", (2, 0, 1)),
        ((1, 7, 1, 1, 5), "TZCYX", "ZYX", (1, 3, 4)),
    ],
)
def test_arrange(shape, axes, letters, order):
    arrangement = arrange(shape, axes, "a.tif")
    assert (arrangement.letters, arrangement.order) == (letters, order)
    assert arrangement.shape == tuple(shape[i] for i in order if axes[i] not in "CS")
    assert arrangement.has_channel == (letters[0] in "CS")


@pytest.mark.parametrize(("axes", "kind"), [("CYXS", "channel"), ("TZYX", "stack"), ("QQYX", "stack")])
def test_arrange_refuses_to_guess(axes, kind):
    with pytest.raises(ValueError, match=f"a.tif .*{kind} axis"):
        arrange((2, 3, 4, 5), axes, "a.tif")


@pytest.mark.parametrize(
    ("shape", "axes", "dims", "letters", "frames"),
    [
        ((4, 5), "YX", 2, "YX", 0),
        ((9, 4, 5), "TYX", 2, "YX", 9),
        ((9, 2, 4, 5), "TCYX", 2, "CYX", 9),
        ((2, 9, 4, 5), "CTYX", 2, "CYX", 9),
        ((9, 4, 5, 3), "TYXS", 2, "SYX", 9),
        ((1, 4, 5), "TYX", 2, "YX", 0),
        ((1, 4, 5), "ZYX", 2, "YX", 0),
        ((1, 9, 4, 5), "ZTYX", 2, "YX", 9),
        ((7, 4, 5), "ZYX", 3, "ZYX", 0),
        ((7, 4, 5), "QYX", 3, "ZYX", 0),
        ((1, 4, 5), "QYX", 3, "ZYX", 0),
        ((1, 4, 5), "ZYX", 3, "ZYX", 0),
        ((7, 1, 4, 5), "QZYX", 3, None, 0),
        ((1, 7, 4, 5), "QZYX", 3, "ZYX", 0),
        ((9, 7, 4, 5), "TZYX", 3, "ZYX", 9),
        ((9, 1, 4, 5), "TZYX", 3, "ZYX", 9),
        ((9, 7, 4, 5), "TQYX", 3, "ZYX", 9),
        ((9, 7, 2, 4, 5), "TZCYX", 3, "CZYX", 9),
        ((7, 9, 4, 5), "ZTYX", 3, "ZYX", 9),
        ((1, 7, 1, 4, 5), "TZCYX", 3, "ZYX", 0),
        ((7, 4, 5), "TYX", None, "TYX", 0),
    ],
)
def test_dimensions_settle_stack_and_frames(shape, axes, dims, letters, frames):
    if letters is None:
        with pytest.raises(ValueError, match="more than one could be the stack axis"):
            arrange(shape, axes, "a.tif", dims)
        return
    found = arrange(shape, axes, "a.tif", dims)
    assert (found.letters, found.frames) == (letters, frames)
    assert (found.frame_axis is None) == (frames == 0)
    if frames:
        assert axes[found.frame_axis] == "T" and found.frame_axis not in found.order
    stored = np.arange(np.prod(shape)).reshape(shape)
    last = stored.take([frames - 1], found.frame_axis) if frames else stored
    # The letters of the result in the words of the file, where an axis without a name is the stack.
    kept = [axes.index("Q" if letter == "Z" and "Z" not in axes else letter) for letter in letters]
    ordered = put_in_order(last, found)
    assert ordered.shape == tuple(last.shape[i] for i in kept)
    for index in np.ndindex(*ordered.shape):
        place = [0] * len(shape)
        for i, k in zip(kept, index, strict=True):
            place[i] = k
        assert ordered[index] == last[tuple(place)]


@pytest.mark.parametrize(
    ("shape", "axes", "dims", "message"),
    [
        ((7, 4, 5), "ZYX", 2, r"a volume of 7 slices, but `spatial_dims` is 2; use the 3D bundle, or pass .*axes='TYX'"),
        ((9, 7, 4, 5), "TZYX", 2, r"a volume of 7 slices, but `spatial_dims` is 2"),
        ((7, 4, 5), "IYX", 2, r"7 planes without a meaning, .*axes='TYX' .*axes='CYX' .*3D bundle"),
        ((6, 7, 4, 5), "IQYX", 2, "6 x 7 planes without a meaning"),
        ((2, 3, 4, 5), "TTYX", 2, "more than one could be the time axis .T, T."),
        ((7, 4, 5), "TYX", 3, r"7 planes stored as time, but `spatial_dims` is 3; .*axes='ZYX'.* 2D bundle"),
        ((4, 5), "YX", 3, r"a plane with 2 spatial axes, but `spatial_dims` is 3; use the 2D bundle, or pass axes='ZYX'"),
        ((4, 5, 3), "YXS", 3, "a plane with 2 spatial axes.* pass axes='ZYX' if its 3 channels are slices"),
        ((1, 4, 5), "TYX", 3, "a plane with 2 spatial axes"),
        ((6, 7, 4, 5), "QQYX", 3, "more than one could be the stack axis .Q, Q."),
        ((6, 7, 4, 5), "ZQYX", 3, "more than one could be the stack axis .Z, Q."),
        ((6, 7, 2, 4, 5), "TTZYX", 3, "more than one could be the stack axis .T, T."),
        ((2, 3, 4, 5), "CSYX", 3, "more than one could be the channel axis .C, S."),
    ],
)
def test_what_is_not_clear_says_what_was_seen_and_the_way_out(shape, axes, dims, message):
    with pytest.raises(ValueError, match=message) as error:
        arrange(shape, axes, "a.tif", dims)
    assert str(error.value).startswith(f"a.tif has axes '{axes}' of lengths {shape}")


@pytest.mark.parametrize(
    ("given", "shape", "own", "expected"),
    [
        ("zyx", (4, 5), "YX", ((1, 4, 5), "ZYX")),
        ("ZCYX", (2, 4, 5), "CYX", ((1, 2, 4, 5), "ZCYX")),
        ("TZCYX", (7, 4, 5), "ZYX", ((1, 7, 1, 4, 5), "TZCYX")),
        ("CYX", (3, 4, 5), "ZYX", ((3, 4, 5), "CYX")),
        ("YX", (3, 4, 5), "ZYX", ((3, 4, 5), "YX")),
        ("TZYX", (3, 4, 5), "QYX", ((3, 4, 5), "TZYX")),
        ("ZXY", (4, 5), "YX", ((4, 5), "ZXY")),
    ],
)
def test_axes_of_length_one_that_a_file_leaves_out(given, shape, own, expected):
    assert fit_axes(given, shape, own) == expected


def test_axes_of_labels():
    assert [without_channel(axes) for axes in ("tzcyx", "YXS", "ZYX", None)] == ["TZYX", "YX", "ZYX", None]


def test_frames_are_checked():
    movie, plane = arrange((3, 4, 5), "TYX", "a.tif", 2), arrange((4, 5), "YX", "a.tif", 2)
    check_frame(movie, 2, "a.tif")
    check_frame(plane, None, "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif holds 3 separate images along time, of which none was chosen"):
        check_frame(movie, None, "a.tif")
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match=rf"a\.tif has no frame {wrong}; it holds 3 separate images, frames 0 to 2"):
            check_frame(movie, wrong, "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif has no frame 0; it holds one image, which has no frames"):
        check_frame(plane, 0, "a.tif")


def test_reversed_axes_are_said():
    assert "fits with its axes reversed: store it in ZYX order" in shape_mismatch("label", "l", (7, 6, 5), "i", (5, 6, 7))
    assert "reversed" not in shape_mismatch("label", "l", (7, 6, 5), "i", (5, 7, 6))


def test_of_several_axes_without_a_name_and_of_length_one_the_first_is_the_stack():
    found = arrange((1, 1, 8, 9), "IQYX", "a.tif", 3)
    assert (found.order, found.letters, found.shape) == ((0, 2, 3), "ZYX", (1, 8, 9))
