"""Labels drawn over pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from monai_denoiseg.constants import IGNORE
from monai_denoiseg.pictures.colours import Picture, colour_labels

_HATCH, _HATCH_COLOUR = 12, (96, 128, 176)


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
    label = _objects(image, label)
    drawn, outline = image.copy(), _outline(label, thickness)
    drawn[outline] = colour_labels(label)[outline]
    return drawn


def overlay_classes(image: Picture, label: NDArray, colours: NDArray, *, opacity: float = 0.5, thickness: int = 1) -> Picture:
    """Lay the colour of its class over every pixel, with a solid line along the edge of each class.

    Args:
        image: picture ``(H, W, 3)``; not changed.
        label: class labels ``(H, W)``; values <= 0 are left as they are.
        colours: RGB in 0..1 of the classes ``(K, 3)``, background first, see `class_colours`.
        opacity: weight of the colour in [0, 1].
        thickness: width of the line in pixels.

    Raises:
        ValueError: when the label does not have the picture's height and width.

    >>> picture = np.full((1, 3, 3), 100, np.uint8)
    >>> overlay_classes(picture, np.array([[0, 1, -1]]), np.array([[0, 0, 0], [1.0, 0, 0]]), thickness=0).tolist()
    [[[100, 100, 100], [178, 50, 50], [100, 100, 100]]]
    """
    label = _objects(image, label)
    inside, colour = label > 0, 255 * np.asarray(colours)[label]
    drawn = image.copy()
    drawn[inside] = np.round(opacity * colour + (1 - opacity) * image)[inside]
    outline = _outline(label, thickness)
    drawn[outline] = np.round(colour[outline])
    return drawn


def hatch(image: Picture, label: NDArray) -> Picture:
    """Draw thin slanted lines where nothing is annotated, over a picture that is darkened there.

    Args:
        image: picture ``(H, W, 3)``; not changed.
        label: labels ``(H, W)``, -1 where not annotated.

    >>> hatch(np.zeros((1, 14, 3), np.uint8), np.full((1, 14), -1)).any(axis=-1).nonzero()[1].tolist()
    [0, 12]
    """
    row, column = np.indices(label.shape)
    unknown = np.asarray(label) == IGNORE
    drawn: Picture = np.where(unknown[..., None], image // 2, image)
    drawn[unknown & ((row + column) % _HATCH == 0)] = _HATCH_COLOUR
    return drawn


def _objects(image: Picture, label: NDArray) -> NDArray:
    if image.shape[:2] != np.shape(label):
        raise ValueError(f"picture of {image.shape[:2]} and label of {np.shape(label)} differ in height or width")
    objects: NDArray = np.maximum(np.asarray(label), 0)
    return objects


def _outline(label: NDArray, thickness: int) -> NDArray:
    """Pixels of the inner outline of every object."""
    inside, found = label, np.zeros(label.shape, bool)
    for _ in range(thickness):
        ring = find_boundaries(inside, mode="inner", background=0)
        found |= ring
        inside = np.where(ring, 0, inside)
    return found
