"""What all transforms share: the check that a value is one sample, and arguments given for each key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

_AXES = {None: "[D,] H, W", 2: "H, W", 3: "D, H, W"}


def sample_shape(name: str, value: Any, channels: str = "C", spatial_dims: int | None = None) -> tuple[int, ...]:
    """Return the shape of a channel-first sample, or say why the value is none.

    Args:
        name: the argument's name as the user writes it.
        value: array, tensor or tensor with metadata, ``(C, [D,] H, W)``.
        channels: how the message calls the channel axis.
        spatial_dims: 2 or 3; None for either.

    Raises:
        TypeError: when it is neither an array nor a tensor.
        ValueError: when it has other axes, such as a batch or an image without channel axis.

    >>> sample_shape("image", torch.zeros(1, 4, 6))
    (1, 4, 6)
    >>> sample_shape("label", np.zeros((4, 6)), channels="1")
    Traceback (most recent call last):
        ...
    ValueError: `label` must have the shape (1, [D,] H, W), got (4, 6): one sample, with a channel axis in front
    """
    wanted = f"({channels}, {_AXES[spatial_dims]})"
    if not isinstance(value, (np.ndarray, torch.Tensor)):
        raise TypeError(f"`{name}` must be an array or a tensor {wanted}, got {type(value).__name__}")
    shape = tuple(value.shape)
    fits = len(shape) - 1 in ((2, 3) if spatial_dims is None else (spatial_dims,))
    if not fits or getattr(value, "is_batch", False) is True:
        raise ValueError(f"`{name}` must have the shape {wanted}, got {shape}: one sample, with a channel axis in front")
    return shape


def per_key(name: str, value: Any, keys: Sequence[Any]) -> tuple[Any, ...]:
    """Spread an argument over all keys, or check that a list has one value for each, as MONAI's transforms do.

    Args:
        name: the argument's name as the user writes it.
        value: one value, or a list or tuple of one for each key.
        keys: the keys of the transform.

    Raises:
        ValueError: when the number of values is not that of the keys.

    >>> per_key("width", 2, ["a", "b"]), per_key("width", [1, 2], ["a", "b"])
    ((2, 2), (1, 2))
    >>> per_key("width", [1, 2, 3], ["a", "b"])
    Traceback (most recent call last):
        ...
    ValueError: `width` needs one value or 2 values (one a key), got [1, 2, 3]
    """
    if isinstance(value, (list, tuple)):
        if len(value) != len(keys):
            raise ValueError(f"`{name}` needs one value or {len(keys)} values (one a key), got {list(value)}")
        return tuple(value)
    return (value,) * len(keys)


def each_key(keys: Sequence[Any], **options: Any) -> list[dict[str, Any]]:
    """The options of each key, from options that hold for all keys or are lists of one value a key; see :func:`per_key`.

    >>> each_key(["a", "b"], width=[1, 2], units="voxel")
    [{'width': 1, 'units': 'voxel'}, {'width': 2, 'units': 'voxel'}]
    """
    spread = {name: per_key(name, value, keys) for name, value in options.items()}
    return [{name: values[number] for name, values in spread.items()} for number in range(len(keys))]
