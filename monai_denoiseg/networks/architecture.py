"""The plan of a network as a row of integers that travels in its state dict."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_NORMS, _VARIANTS = ("batch", "none"), ("care", "n2v2")
_HEAD = 9


def encode_architecture(
    spatial_dims: int,
    in_channels: int,
    n_classes: int,
    depth: int,
    features: int,
    norm: str,
    variant: str,
    n_rays: int,
    denoises: bool,
    kernels: Sequence[Sequence[int]],
    strides: Sequence[Sequence[int]],
) -> Tensor:
    """Write the arguments a network was built with as integers.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        n_classes: segmentation classes; 0 for none, and for a StarDist head.
        depth: number of down-samplings.
        features: channels of the first level.
        norm: ``"batch"`` or ``"none"``.
        variant: ``"care"`` or ``"n2v2"``.
        n_rays: rays of a StarDist head; 0 for another head.
        denoises: whether there are denoised channels.
        kernels: ``depth + 1`` lists of one number an axis: the levels on the way down, then the bottom.
        strides: ``depth`` lists of one number an axis.

    Returns:
        int64 ``(9 + (2 * depth + 1) * spatial_dims,)``.

    >>> encode_architecture(2, 1, 3, 1, 16, "batch", "care", 0, True, [(3, 3), (3, 3)], [(2, 2)]).tolist()
    [2, 1, 3, 1, 16, 0, 0, 0, 1, 3, 3, 3, 3, 2, 2]
    """
    head = [spatial_dims, in_channels, n_classes, depth, features, _NORMS.index(norm), _VARIANTS.index(variant)]
    head += [n_rays, int(denoises)]
    return torch.tensor(head + [number for level in (*kernels, *strides) for number in level])


def describe_architecture(architecture: Tensor) -> dict[str, Any]:
    """Spell out the ``architecture`` buffer as the arguments of :class:`~monai_denoiseg.networks.DenoiSegNet`.

    ``n_rays`` is none of them: it is the length of ``rays``, which stand in the state dict.

    Args:
        architecture: the integer buffer of a network or of its state dict.

    Raises:
        ValueError: when it has not as many numbers as such a network needs.

    >>> plan = encode_architecture(2, 1, 3, 1, 16, "batch", "care", 0, True, [(3, 3), (5, 5)], [(2, 2)])
    >>> describe_architecture(plan)["kernel_size"]
    [[3, 3], [5, 5]]
    """
    values = [int(v) for v in architecture]
    spatial_dims, in_channels, n_classes, depth, features, norm, variant, n_rays, denoises = values[:_HEAD]
    if len(values) != _HEAD + (2 * depth + 1) * spatial_dims:
        raise ValueError(
            f"the file describes its network with {len(values)} numbers, {_HEAD + (2 * depth + 1) * spatial_dims} are needed: "
            "it comes from another version of monai_denoiseg; train the network again"
        )
    levels = [values[i : i + spatial_dims] for i in range(_HEAD, len(values), spatial_dims)]
    return {
        "spatial_dims": spatial_dims,
        "in_channels": in_channels,
        "n_classes": n_classes,
        "depth": depth,
        "features": features,
        "kernel_size": levels[: depth + 1],
        "strides": levels[depth + 1 :],
        "norm": _NORMS[norm],
        "variant": _VARIANTS[variant],
        "n_rays": n_rays,
        "denoises": bool(denoises),
    }
