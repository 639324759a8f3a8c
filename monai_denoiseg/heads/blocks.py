"""What a bundle's configuration addresses: the parts of a run that depend on the head, each one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_denoiseg.heads.head import Head
from monai_denoiseg.heads.registry import as_head
from monai_denoiseg.transforms.orientation import RandOrientd


def label_rule(classes: Sequence[str] | None = None, *, head: Head | None = None, rays: Any = None, **options: Any) -> Any:
    """What makes labels of a prediction.

    Args:
        classes: names of semantic classes, background first; None (or empty) for another head.
        head: the head; None: that of ``classes`` and ``rays``.
        rays: directions of a StarDist head.
        options: see :meth:`Head.make_rule`.

    Returns:
        A rule, called ``(probabilities, threshold=None, spacing=None)``.

    Raises:
        ValueError: from the transforms, for options out of range.

    >>> type(label_rule(["background", "liver"], min_size=15)).__name__, type(label_rule(None, min_size=15)).__name__
    ('ProbabilitiesToClasses', 'ProbabilitiesToInstances')
    """
    return as_head(head, classes=classes, rays=rays).make_rule(**options)


def target_label(
    classes: Sequence[str] | None = None,
    keys: KeysCollection = "label",
    allow_missing_keys: bool = True,
    *,
    head: Head | None = None,
    rays: Any = None,
    **border_options: Any,
) -> MapTransform:
    """What an annotation becomes.

    Args:
        classes: see :func:`label_rule`.
        keys: keys of the labels.
        allow_missing_keys: leave an item without the key, one that is not labelled, as it is.
        head: see :func:`label_rule`.
        rays: see there.
        border_options: further arguments of :class:`~monai_denoiseg.transforms.BorderLabeld` (``width``, ``units``, ...); all
            heads check them.

    Raises:
        ValueError: from the transforms, for options out of range.

    >>> type(target_label(["background", "liver"])).__name__, type(target_label(width=2)).__name__
    ('ClassLabeld', 'BorderLabeld')
    """
    return as_head(head, classes=classes, rays=rays).target(keys, allow_missing_keys, **border_options)


def random_orientation(
    keys: KeysCollection,
    rays: Any = None,
    spatial_dims: int = 2,
    quarter_turns: bool = True,
    label_key: str = "label",
    *,
    head: Head | None = None,
    flips: bool = True,
) -> MapTransform:
    """How the items of a training are turned.

    Args:
        keys: keys to orient alike; an item may lack some.
        rays: see :func:`label_rule`.
        spatial_dims: 2 or 3.
        quarter_turns: see :class:`~monai_denoiseg.transforms.RandOrient`.
        label_key: the one of ``keys`` that holds what is learnt from annotations.
        head: see :func:`label_rule`.
        flips: False leaves all items as they are.

    >>> type(random_orientation(["image", "label"])).__name__
    'RandOrientd'
    """
    if not flips:
        return RandOrientd(keys, spatial_dims, prob=0.0, allow_missing_keys=True)
    return as_head(head, rays=rays).random_orientation(keys, spatial_dims, quarter_turns, label_key)


def relabel_with(head: Head, target: MapTransform, rescales: bool) -> MapTransform | None:
    """What makes targets of annotations that were rescaled.

    Args:
        head: the head.
        target: see :func:`target_label`.
        rescales: whether the training shows labelled crops at other scales.

    Returns:
        ``target`` where borders are to keep their width; None where the target itself is rescaled, or nothing is.

    >>> relabel_with(as_head(classes=["background", "liver"]), target_label(), True) is None
    True
    """
    return target if rescales and head.redraws else None


def output_suffixes(head: Head, save_probabilities: bool = False) -> dict[str, str]:
    """Ends of the names of an image's results, by the key that holds each.

    Args:
        head: the head.
        save_probabilities: whether the segmentation channels are saved too.

    >>> output_suffixes(as_head())
    {'pred': 'instances', 'denoised': 'denoised'}
    """
    suffixes = {"pred": head.suffix, "denoised": "denoised"}
    return suffixes | ({"probabilities": "probabilities"} if save_probabilities else {})
