"""Axes of any stored array: what was put in comes out in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monai_denoiseg.data.axes import arrange, check_frame, fit_axes, put_in_order, without_channel

LETTERS = {2: "T", 3: "TZ"}


@st.composite
def files(draw: st.DrawFn) -> tuple[int, np.ndarray, str, np.ndarray, str]:
    """A file as some program stored it: its axes in any order, with axes of length 1 or without.

    Returns:
        Spatial axes, stored array, its axes; what it holds as ``(frames, C, [D,] H, W)`` and the letter of the channel.
    """
    spatial_dims = draw(st.sampled_from([2, 3]))
    channel = draw(st.sampled_from(["", "C", "S"]))
    lengths = {letter: draw(st.integers(1, 4)) for letter in f"T{channel}{'ZYX'[-spatial_dims:]}"}
    if not draw(st.booleans()):
        lengths["T"] = 1
    letters = [letter for letter in lengths if letter in "ZYX" or lengths[letter] > 1 or draw(st.booleans())]
    if spatial_dims == 2 and draw(st.booleans()):
        lengths["Z"] = 1
        letters.append("Z")
    order = draw(st.permutations(letters))
    shape = [lengths.get(letter, 1) for letter in f"T{channel or 'C'}{'ZYX'[-spatial_dims:]}"]
    truth = np.arange(np.prod(shape)).reshape(shape)
    names = f"T{channel or 'C'}{'ZYX'[-spatial_dims:]}"
    stored = truth
    for position, letter in reversed([*enumerate(names)]):
        if letter not in letters:
            stored = stored.squeeze(position)
    names = "".join(letter for letter in names if letter in letters)
    if "Z" in letters and "Z" not in names:
        stored, names = stored[..., None], f"{names}Z"
    return spatial_dims, stored.transpose([names.index(letter) for letter in order]), "".join(order), truth, channel


@given(files(), st.booleans())
def test_whatever_the_order_the_same_images_are_read(file: tuple[int, np.ndarray, str, np.ndarray, str], lower: bool) -> None:
    spatial_dims, stored, axes, truth, channel = file
    found = arrange(stored.shape, axes.lower() if lower else axes, "a.tif", spatial_dims)
    frames = truth.shape[0]
    assert found.frames == (frames if frames > 1 else 0)
    assert found.shape == truth.shape[2:]
    assert found.letters == (channel if truth.shape[1] > 1 else "") + "ZYX"[-spatial_dims:]
    assert found.has_channel == (truth.shape[1] > 1)
    for frame in range(frames):
        check_frame(found, frame if found.frames else None, "a.tif")
        one = stored if found.frame_axis is None else stored.take([frame], found.frame_axis)
        image = put_in_order(one, found)
        np.testing.assert_array_equal(image, truth[frame] if found.has_channel else truth[frame, 0])
        assert image.flags.c_contiguous


@given(files())
def test_axes_left_out_by_the_file_may_be_named(file: tuple[int, np.ndarray, str, np.ndarray, str]) -> None:
    _, stored, axes, _, _ = file
    kept = [i for i, letter in enumerate(axes) if letter in "YX" or stored.shape[i] > 1]
    shape, own = [stored.shape[i] for i in kept], "".join(axes[i] for i in kept)
    assert fit_axes(axes, shape, own) == (stored.shape, axes)
    assert fit_axes(axes.lower(), stored.shape, "IQTZCSYX"[-stored.ndim :]) == (stored.shape, axes)


@given(st.text("TZCSYXtzcsyx", max_size=7))
def test_labels_have_no_channel(axes: str) -> None:
    bare = without_channel(axes)
    assert bare == "".join(letter for letter in axes.upper() if letter not in "CS") == without_channel(bare)
