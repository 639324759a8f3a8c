"""Arrays to pictures: grey values, class probabilities and outlined objects as RGB, 3D volumes as three middle planes.

A *picture* is a uint8 array ``(H, W, 3)``. Everything here is for looking at, nothing for measuring.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import hsv2rgb
from skimage.segmentation import find_boundaries

Picture = NDArray[np.uint8]

GAP = 4
"""Width in pixels of the white line between joined pictures."""

CLASS_COLOURS = np.array([[0.07, 0.09, 0.15], [0.13, 0.77, 0.65], [1.0, 0.62, 0.11]])
"""RGB of certain background, foreground and border; between them colours mix by probability."""

_ORDER = ("input", "denoised", "clean", "probabilities", "instances", "truth")


def colour_labels(label: NDArray) -> Picture:
    """Give every object a bright colour of its own; background and unannotated voxels (values <= 0) become black.

    Args:
        label: integer instance labels of any shape.

    Returns:
        RGB of shape ``label.shape + (3,)``. A label value has the same colour in every picture.

    >>> colour_labels(np.array([[0, 1], [2, -1]])).any(axis=-1)
    array([[False,  True],
           [ True, False]])
    """
    values, where = np.unique(np.asarray(label), return_inverse=True)
    hue = (values.astype(np.float64) * 0.6180339887) % 1.0  # golden ratio: neighbouring numbers get distant hues
    table = hsv2rgb(np.stack([hue, np.full_like(hue, 0.75), np.ones_like(hue)], axis=-1))
    table[values <= 0] = 0.0
    picture: Picture = np.round(255 * table).astype(np.uint8)[where.reshape(np.shape(label))]
    return picture


def overlay_outlines(image: Picture, label: NDArray, *, thickness: int = 1) -> Picture:
    """Draw the inner outline of every object over a picture, each object in its own colour.

    Args:
        image: picture ``(H, W, 3)``; not changed.
        label: instance labels ``(H, W)``; values <= 0 are no objects.
        thickness: width of the outline in pixels.

    Raises:
        ValueError: when the label does not have the picture's height and width.

    >>> picture = np.zeros((5, 5, 3), np.uint8)
    >>> label = np.pad(np.ones((3, 3), int), 1)
    >>> overlay_outlines(picture, label).any(axis=-1).astype(int)
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 0, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]])
    """
    label = np.maximum(np.asarray(label), 0)
    if image.shape[:2] != label.shape:
        raise ValueError(f"picture of {image.shape[:2]} and label of {label.shape} differ in height or width")
    drawn, inside = image.copy(), label
    for _ in range(thickness):
        outline = find_boundaries(inside, mode="inner", background=0)
        drawn[outline] = colour_labels(label)[outline]
        inside = np.where(outline, 0, inside)
    return drawn


def contrast_window(*images: NDArray) -> tuple[NDArray, NDArray]:
    """Darkest and brightest intensity to show, per channel, common to all images so that they can be compared by eye.

    Args:
        images: arrays ``(C, [D,] H, W)`` of the same number of channels; NaN is passed over.

    Returns:
        Low and high values, each ``(C,)``: the widest of the images' 2 and 99.8 percentiles.

    >>> contrast_window(np.zeros((1, 4, 4)), np.ones((1, 4, 4)))
    (array([0.]), array([1.]))
    """
    flat = [np.where(np.isfinite(image), image, np.nan).reshape(len(image), -1) for image in images]
    flat = [np.where(np.isnan(rows).all(axis=1, keepdims=True), 0.0, rows) for rows in flat]
    low = np.min([np.nanpercentile(rows, 2.0, axis=1) for rows in flat], axis=0)
    high = np.max([np.nanpercentile(rows, 99.8, axis=1) for rows in flat], axis=0)
    return low, np.where(high > low, high, low + 1)


def to_rgb(image: NDArray, window: tuple[NDArray, NDArray] | None = None) -> Picture:
    """Show one plane: one channel as grey, two as magenta and green, three and more (the first three) as red, green, blue.

    Args:
        image: intensities ``(C, H, W)``; NaN becomes black.
        window: low and high intensity per channel, see `contrast_window`; default: that of ``image``.

    >>> to_rgb(np.array([[[0.0, 1.0]]]), (np.zeros(1), np.ones(1))).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    low, high = contrast_window(image) if window is None else window
    column = (slice(None), None, None)
    scaled = np.clip((np.asarray(image, np.float64) - low[column]) / (high - low)[column], 0, 1)
    scaled = np.nan_to_num(scaled)
    order = {1: [0, 0, 0], 2: [0, 1, 0]}.get(len(scaled), [0, 1, 2])
    picture: Picture = np.round(255 * np.moveaxis(scaled[order], 0, -1)).astype(np.uint8)
    return picture


def probabilities_to_rgb(probabilities: NDArray) -> Picture:
    """Mix the class colours (dark background, green foreground, orange border) by probability.

    Args:
        probabilities: ``(3, H, W)`` in the order background, foreground, border; they sum to 1.

    >>> probabilities_to_rgb(np.eye(3)[:, None]).tolist()
    [[[18, 23, 38], [33, 196, 166], [255, 158, 28]]]
    """
    mixed = np.tensordot(np.nan_to_num(np.clip(probabilities, 0, 1)), CLASS_COLOURS, axes=(0, 0))
    return np.round(255 * np.clip(mixed, 0, 1)).astype(np.uint8)


def middle_planes(array: NDArray, spatial_dims: int) -> list[NDArray]:
    """Cut the planes to show: the plane itself in 2D; in 3D the middle ones YX, YZ and ZX, as `join_planes` lays them out.

    Args:
        array: ``(..., [D,] H, W)``.
        spatial_dims: 2 or 3.

    >>> [plane.shape for plane in middle_planes(np.zeros((1, 5, 8, 9)), 3)]
    [(1, 8, 9), (1, 8, 5), (1, 5, 9)]
    """
    if spatial_dims == 2:
        return [array]
    depth, height, width = array.shape[-3:]
    side = np.swapaxes(array[..., width // 2], -1, -2)
    return [array[..., depth // 2, :, :], side, array[..., height // 2, :]]


def join_planes(planes: Sequence[Picture]) -> Picture:
    """Lay out three orthogonal planes: YX at the top left, YZ on its right, ZX below; a single plane stays as it is.

    Args:
        planes: one picture, or three as cut by `middle_planes`.

    >>> join_planes([np.zeros(shape, np.uint8) for shape in [(8, 9, 3), (8, 5, 3), (5, 9, 3)]]).shape
    (17, 18, 3)
    """
    if len(planes) == 1:
        return planes[0]
    front, side, bottom = planes
    height, width = front.shape[:2]
    joined = np.full((height + GAP + len(bottom), width + GAP + side.shape[1], 3), 255, np.uint8)
    joined[:height, :width] = front
    joined[:height, width + GAP :] = side
    joined[height + GAP :, :width] = bottom
    return joined


def join_panels(panels: Sequence[Picture]) -> Picture:
    """Set pictures side by side, a white line between them, the smaller ones filled up with white.

    Args:
        panels: at least one picture.

    >>> join_panels([np.zeros((4, 6, 3), np.uint8), np.zeros((8, 6, 3), np.uint8)]).shape
    (8, 16, 3)
    """
    height = max(len(panel) for panel in panels)
    strip = np.full((height, sum(panel.shape[1] + GAP for panel in panels) - GAP, 3), 255, np.uint8)
    left = 0
    for panel in panels:
        strip[: len(panel), left : left + panel.shape[1]] = panel
        left += panel.shape[1] + GAP
    return strip


def panel_images(arrays: Mapping[str, NDArray], *, at_least: int = 384, at_most: int = 768) -> dict[str, Picture]:
    """Draw what is known of one image, in the order in which it is looked at.

    Input, denoised and clean image share one contrast window. Outlines are drawn over the darkened input.

    Args:
        arrays: ``input`` ``(C, [D,] H, W)`` and as many as there are of ``denoised``, ``clean`` (same shape),
            ``probabilities`` ``(3, [D,] H, W)``, ``instances`` and ``truth`` ``([D,] H, W)``.
        at_least: small images are enlarged by a whole factor until the longer side is about this long, in pixels.
        at_most: of larger images the centre is shown, this long and wide.

    Returns:
        Pictures by name, in the order input, denoised, clean, probabilities, instances, truth.

    Raises:
        KeyError: when there is no ``input``.

    >>> image = np.random.default_rng(0).normal(size=(1, 16, 20))
    >>> {name: p.shape for name, p in panel_images({"input": image, "instances": np.ones((16, 20), int)}, at_least=40).items()}
    {'input': (32, 40, 3), 'instances': (32, 40, 3)}
    """
    dims = arrays["input"].ndim - 1
    shown = {name: arrays[name][_centre(arrays[name].shape[-dims:], at_most)] for name in _ORDER if name in arrays}
    factor = max(1, round(at_least / max(shown["input"].shape[1:])))
    cut = {name: middle_planes(array, dims) for name, array in shown.items()}
    window = contrast_window(*(shown[name] for name in ("input", "denoised", "clean") if name in shown))
    background = [_enlarge(to_rgb(plane, window) // 3 * 2, factor) for plane in cut["input"]]
    pictures = {}
    for name, planes in cut.items():
        if name in ("instances", "truth"):  # enlarged before drawing: the outline is thinner than an enlarged pixel
            pairs = zip(background, (_enlarge(plane, factor) for plane in planes), strict=True)
            drawn = [overlay_outlines(below, label, thickness=min(factor, 3)) for below, label in pairs]
        elif name == "probabilities":
            drawn = [_enlarge(probabilities_to_rgb(plane), factor) for plane in planes]
        else:
            drawn = [_enlarge(to_rgb(plane, window), factor) for plane in planes]
        pictures[name] = join_planes(drawn)
    return pictures


def to_png_bytes(picture: Picture) -> bytes:
    """Encode a picture as PNG; grey pictures are stored as grey, a third of the size.

    Args:
        picture: uint8 ``(H, W, 3)``.

    >>> to_png_bytes(np.zeros((2, 2, 3), np.uint8))[1:4]
    b'PNG'
    """
    grey = bool((picture == picture[..., :1]).all())
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[..., 0] if grey else picture)).save(stream, "PNG")
    return stream.getvalue()


def _centre(size: Sequence[int], at_most: int) -> tuple[Any, ...]:
    starts = [max(0, (length - at_most) // 2) for length in size]
    return (..., *(slice(start, start + at_most) for start in starts))


def _enlarge(plane: NDArray, factor: int) -> NDArray:
    return plane.repeat(factor, axis=0).repeat(factor, axis=1)
