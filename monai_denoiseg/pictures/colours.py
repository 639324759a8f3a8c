"""Colours of objects and classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import hsv2rgb

Picture = NDArray[np.uint8]

CLASS_COLOURS = np.array([[0.07, 0.09, 0.15], [0.13, 0.77, 0.65], [1.0, 0.62, 0.11]])
"""RGB of certain background, foreground and border; between them colours mix by probability."""

# The first seven are Okabe and Ito's, distinguishable with any colour vision; the rest fills the gaps between them.
_PALETTE = (
    "e69f00 56b4e9 009e73 f0e442 d55e00 cc79a7 3f7fd6 "
    "e6194b 42d4f4 bfef45 a05cd6 fabed4 469990 ffd8b1 9a6324 aaffc3 f032e6 808000 dcbeff c05050"
)


def class_colours(n_classes: int) -> NDArray[np.float64]:
    """Colours of semantic classes: a dark background, then twenty that are easy to distinguish, then hues far from each other.

    Args:
        n_classes: number of classes, background included.

    Returns:
        RGB in 0..1, ``(n_classes, 3)``. A class has the same colour whatever the number of classes.

    >>> class_colours(3).round(2).tolist()
    [[0.07, 0.09, 0.15], [0.9, 0.62, 0.0], [0.34, 0.71, 0.91]]
    """
    chosen = [[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in _PALETTE.split()]
    further = np.arange(max(0, n_classes - 1 - len(chosen)), dtype=np.float64)
    # Rings of saturation and brightness, so that neighbouring hues of a long list still differ.
    rest = hsv2rgb(np.stack([further * 0.6180339887 % 1, 0.85 - further % 3 * 0.2, 1 - further % 2 * 0.25], axis=-1))
    return np.concatenate([CLASS_COLOURS[:1], chosen, rest])[:n_classes]


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


def probabilities_to_rgb(probabilities: NDArray, colours: NDArray = CLASS_COLOURS) -> Picture:
    """Mix the class colours by probability.

    Args:
        probabilities: ``(K, H, W)``; they sum to 1.
        colours: RGB of the classes ``(K, 3)``, see `class_colours`; default: dark background, green foreground, orange border.

    >>> probabilities_to_rgb(np.eye(3)[:, None]).tolist()
    [[[18, 23, 38], [33, 196, 166], [255, 158, 28]]]
    """
    mixed = np.tensordot(np.nan_to_num(np.clip(probabilities, 0, 1)), colours, axes=(0, 0))
    return np.round(255 * np.clip(mixed, 0, 1)).astype(np.uint8)
