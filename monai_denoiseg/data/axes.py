"""Which stored axis of an image is the channel, the stack, the plane, and which one counts separate images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CHANNEL_LETTERS = "CS"
KNOWN_LETTERS = "TZCSYX"
SPATIAL_LETTERS = {2: "YX", 3: "ZYX"}


class Arrangement(NamedTuple):
    """How to bring an array as stored into ``[C, ][Z, ]Y, X`` order.

    Attributes:
        order: the stored axes to keep, in their new order (all others have length 1, or count frames).
        letters: the letters of the kept axes; the channel is ``C`` or ``S`` (RGB samples), the stack axis ``Z`` or ``T``.
        shape: the spatial shape, ``([Z, ]Y, X)``.
        frame_axis: the stored axis that counts separate images, ``None`` if the file holds one image.
        frames: number of images along it; 0 if there is no such axis and the file holds one image.
    """

    order: tuple[int, ...]
    letters: str
    shape: tuple[int, ...]
    frame_axis: int | None = None
    frames: int = 0

    @property
    def has_channel(self) -> bool:
        """Whether the first kept axis holds channels."""
        return self.letters[0] in CHANNEL_LETTERS


def arrange(shape: Sequence[int], axes: str, name: str, spatial_dims: int | None = None) -> Arrangement:
    """Tell which stored axis is the channel, the stack and the plane, and which counts frames.

    Axes of length 1 other than Y and X are dropped; only a volume of one slice keeps one of them as its stack. The axes that
    remain beside Y, X and the channel are

    * in 2D: time, whose steps are separate images. Everything else is an error: a Z axis makes a volume, and an axis
      without a name could be channels, slices or separate images.
    * in 3D: the stack. It is called Z, or has no name (plain pages). A time axis beside it counts separate volumes. Time
      without a stack is an error: the file could hold a stack stored as time, or separate planes.
    * with ``spatial_dims=None``: one axis, the stack, whatever its letter.

    Args:
        shape: shape of the array as stored.
        axes: one letter for each axis, for instance ``"ZCYX"``; any letter beyond T, Z, C, S, Y and X is an axis without a name.
        name: the file, for the error message.
        spatial_dims: 2, 3, or ``None`` for what the file suggests.

    Returns:
        The arrangement.

    Raises:
        ValueError: when the letters do not fit the shape, or are ambiguous.

    >>> arrange((5, 1, 64, 48), "ZCYX", "a.tif")
    Arrangement(order=(0, 2, 3), letters='ZYX', shape=(5, 64, 48), frame_axis=None, frames=0)
    >>> arrange((64, 48, 3), "YXS", "a.tif").letters
    'SYX'
    >>> arrange((9, 5, 2, 64, 48), "TZCYX", "a.tif", spatial_dims=3)
    Arrangement(order=(2, 1, 3, 4), letters='CZYX', shape=(5, 64, 48), frame_axis=0, frames=9)
    """
    axes, seen = axes.upper(), f"{name} has axes {axes.upper()!r} of lengths {tuple(int(size) for size in shape)}"
    if len(axes) != len(shape):
        raise ValueError(f"{name} has {len(shape)} axes of lengths {tuple(shape)}, but axes={axes!r} names {len(axes)}")
    if axes.count("Y") != 1 or axes.count("X") != 1:
        raise ValueError(f"{seen}; one Y and one X are needed: pass axes=, for instance axes='ZYX'")
    others = [i for i, letter in enumerate(axes) if letter not in "YX" and (shape[i] != 1 or spatial_dims == 3)]
    channel = [i for i in others if axes[i] in CHANNEL_LETTERS and shape[i] != 1]
    others = [i for i in others if axes[i] not in CHANNEL_LETTERS]
    if len(channel) > 1:
        raise _ambiguous(seen, "channel", [axes[i] for i in channel])
    find = {None: _any_stack, 2: _frames_of_planes, 3: _stack_and_frames}[spatial_dims]
    stack, frame_axis = find(seen, axes, shape, others)
    spatial = (*stack, axes.index("Y"), axes.index("X"))
    kept = "".join("T" if axes[i] == "T" else "Z" for i in stack)
    letters = "".join(axes[i] for i in channel) + kept + "YX"
    frames = 0 if frame_axis is None else int(shape[frame_axis])
    return Arrangement((*channel, *spatial), letters, tuple(int(shape[i]) for i in spatial), frame_axis, frames)


Found = tuple[list[int], int | None]


def _any_stack(seen: str, axes: str, shape: Sequence[int], others: list[int]) -> Found:
    if len(others) > 1:
        raise _ambiguous(seen, "stack", [axes[i] for i in others])
    return others, None


def _frames_of_planes(seen: str, axes: str, shape: Sequence[int], others: list[int]) -> Found:
    slices = [i for i in others if axes[i] == "Z"]
    if slices:
        raise ValueError(
            f"{seen}: 3 spatial axes, a volume of {shape[slices[0]]} slices, but `spatial_dims` is 2; use the 3D bundle, "
            "or pass axes= with T in place of Z (axes='TYX') to take every slice as a separate image"
        )
    unnamed = [i for i in others if axes[i] != "T"]
    if unnamed:
        raise ValueError(
            f"{seen}: {_count(shape, unnamed)} planes without a meaning, but `spatial_dims` is 2; pass axes='TYX' to take each "
            "as a separate image or axes='CYX' to take them as channels, or use the 3D bundle if they are the slices of a volume"
        )
    if len(others) > 1:
        raise _ambiguous(seen, "time", ["T"] * len(others))
    return [], others[0] if others else None


def _stack_and_frames(seen: str, axes: str, shape: Sequence[int], others: list[int]) -> Found:
    times = [i for i in others if axes[i] == "T" and shape[i] != 1]
    slices = [i for i in others if axes[i] == "Z"]
    unnamed = [i for i in others if axes[i] not in "TZ"]
    # An axis without a name is the stack if it is the only one; an axis of length 1 is the stack only if nothing else is.
    found = [*slices, *(i for i in unnamed if shape[i] != 1)] or unnamed[:1]
    if len(found) > 1 or len(times) > 1:
        raise _ambiguous(seen, "stack", [axes[i] for i in (found if len(found) > 1 else times)])
    if not found and times:
        raise ValueError(
            f"{seen}: {shape[times[0]]} planes stored as time, but `spatial_dims` is 3; pass axes= with Z in place of T "
            "(axes='ZYX') if they are the slices of a volume, or use the 2D bundle, which takes each as a separate image"
        )
    if not found:
        colours = [i for i, letter in enumerate(axes) if letter in CHANNEL_LETTERS and shape[i] != 1]
        slices_of = f"if its {shape[colours[0]]} channels are slices" if colours else "to take it as a volume of one slice"
        raise ValueError(
            f"{seen}: a plane with 2 spatial axes, but `spatial_dims` is 3; use the 2D bundle, or pass axes='ZYX' {slices_of}"
        )
    return found, times[0] if times else None


def _count(shape: Sequence[int], axes: list[int]) -> str:
    return " x ".join(str(shape[i]) for i in axes)


def _ambiguous(seen: str, kind: str, letters: list[str]) -> ValueError:
    return ValueError(
        f"{seen}: more than one could be the {kind} axis ({', '.join(letters)}). "
        "Pass axes= naming at most one of C or S, one of Z and one of T, or split the file"
    )


def fit_axes(
    given: str, shape: Sequence[int], own: str, name: str = "the file", spatial_dims: int | None = None
) -> tuple[tuple[int, ...], str]:
    """Match the axes given by the user with the stored shape: axes of length 1 that the file left out are inserted.

    Args:
        given: the axes that the user gave, for instance ``"ZCYX"``.
        shape: stored shape.
        own: axes the file names.
        name: the file, for the error message.
        spatial_dims: 2, 3, or None. In 2D a plane has neither slices nor channels to name; in 3D it may be a volume of one slice.

    Returns:
        Shape and axes; of unequal length if they do not fit, which :func:`arrange` reports.

    Raises:
        ValueError: when the given axes name slices or channels of a plane, in 2D.

    >>> fit_axes("ZYX", (64, 48), "YX"), fit_axes("CYX", (2, 64, 48), "QYX")
    (((1, 64, 48), 'ZYX'), ((2, 64, 48), 'CYX'))
    """
    given, own = given.upper(), own.upper()
    absent = [letter for letter in given if letter in "ZCS"]
    if spatial_dims == 2 and len(shape) == 2 and absent and len(given) > 2:
        raise ValueError(
            f"{name} is a plane of {shape[0]} x {shape[1]}, but axes={given!r} names {', '.join(absent)} too: leave `axes` out, "
            f"or pass axes='YX'{', or use the 3D bundle' * ('Z' in absent)}"
        )
    sizes = dict(zip(own, shape, strict=True))
    if len(given) > len(shape) and "".join(letter for letter in given if letter in own) == own:
        return tuple(int(sizes.get(letter, 1)) for letter in given), given
    return tuple(shape), given


def without_channel(axes: str | None) -> str | None:
    """Axes of a label that belongs to an image with these axes.

    Args:
        axes: axes of the image, or ``None``.

    >>> without_channel("TCYX"), without_channel(None)
    ('TYX', None)
    """
    return None if axes is None else axes.upper().translate({ord(letter): None for letter in CHANNEL_LETTERS})


def put_in_order(stored: np.ndarray, arrangement: Arrangement) -> np.ndarray:
    """Return the array in ``[C, ][Z, ]Y, X`` order, contiguous.

    Args:
        stored: array as stored; a frame axis holds only the wanted frame (length 1).
        arrangement: from :func:`arrange`.

    >>> put_in_order(np.zeros((1, 2, 3, 4)), arrange((1, 2, 3, 4), "TXYC", "a.npy")).shape
    (4, 3, 2)
    """
    order = arrangement.order
    dropped = tuple(i for i in range(stored.ndim) if i not in order)
    kept = [stored.shape[i] for i in order]
    return np.ascontiguousarray(stored.transpose(*order, *dropped).reshape(kept))


def check_frame(arrangement: Arrangement, frame: int | None, name: str) -> None:
    """Check that a frame is given if a file holds several, and that it exists.

    Args:
        arrangement: from :func:`arrange`.
        frame: index of the frame wanted, ``None`` for a file of one image.
        name: the file, for the error message.

    Raises:
        ValueError: when no frame is given but there are several, or the given one does not exist.

    >>> check_frame(arrange((9, 64, 48), "TYX", "a.tif", spatial_dims=2), 9, "a.tif")
    Traceback (most recent call last):
        ...
    ValueError: a.tif has no frame 9; it holds 9 separate images, frames 0 to 8
    """
    n = arrangement.frames
    if frame is None and n:
        raise ValueError(
            f"{name} holds {n} separate images along time, of which none was chosen (commands predict and train on all of them; "
            "in Python, folder_datalist(..., spatial_dims=) lists them)"
        )
    if frame is not None and not 0 <= frame < n:
        held = f"{n} separate images, frames 0 to {n - 1}" if n else "one image, which has no frames"
        raise ValueError(f"{name} has no frame {frame}; it holds {held}")


def expected_axes(spatial_dims: int | None, has_frames: bool) -> str | None:
    """Axes of a file without channels that belongs to an image, such as its label.

    Args:
        spatial_dims: of the image, 2, 3 or ``None``.
        has_frames: whether the image's file holds several along time.

    >>> expected_axes(2, True), expected_axes(3, False), expected_axes(None, False)
    ('TYX', 'ZYX', None)
    """
    return None if spatial_dims is None else "T" * has_frames + SPATIAL_LETTERS[spatial_dims]


AS_LABELMAP = "export it from 3D Slicer as labelmap, NIfTI or NRRD, with the image as reference volume"


def shape_mismatch(key: str, path: str, shape: Sequence[int], image_path: str, image_shape: Sequence[int]) -> str:
    """Message for two files of different shape that belong together; it says if the axes of one are reversed.

    Args:
        key: what the first file is.
        path: the first file.
        shape: its spatial shape.
        image_path: the image.
        image_shape: its spatial shape.

    >>> shape_mismatch("label", "l.tif", (4, 5, 6), "i.nii.gz", (6, 5, 4))
    'label l.tif has shape (4, 5, 6), but image i.nii.gz has (6, 5, 4); it fits with its axes reversed: store it in ZYX order'
    """
    text = f"{key} {path} has shape {tuple(shape)}, but image {image_path} has {tuple(image_shape)}"
    if tuple(shape)[::-1] == tuple(image_shape):
        text += f"; it fits with its axes reversed: store it in {SPATIAL_LETTERS[len(shape)]} order"
    elif key == "label" and len(shape) == len(image_shape) == 3 and all(a <= b for a, b in zip(shape, image_shape, strict=True)):
        text += f"; if it shows a part of the image only: {AS_LABELMAP}"
    return text
