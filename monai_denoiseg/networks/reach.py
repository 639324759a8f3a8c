"""How far a network sees and by which step it repeats itself, measured on the network itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_LENGTHS = {2: (128, 256, 512, 1024), 3: (64, 128, 256, 512)}
_ACROSS = (16, 32, 64, 128)
_STEPS = (1, 2, 4, 8, 16, 32)


class Reach(NamedTuple):
    """What tiles must know of a network.

    Attributes:
        multiple: its total down-sampling along each axis; sizes and places of tiles are multiples of it.
        radius: voxels to each side, per axis, that an output voxel depends on, rounded up to ``multiple``; None where every
            output voxel depends on the whole image (attention, instance and group norm).
    """

    multiple: list[int]
    radius: list[int] | None


@torch.no_grad()
def measure_reach(network: nn.Module, spatial_dims: int, in_channels: int) -> Reach:
    """Measure down-sampling and receptive field of any network.

    One voxel of the input is NaN, which every layer hands on to whatever depends on it, whatever the weights. The step by which
    the voxel must move until its trace moves along with it is the down-sampling.

    Args:
        network: called with ``(B, in_channels, [D,] H, W)``; it is measured in evaluation mode.
        spatial_dims: 2 or 3.
        in_channels: channels of its input.

    Raises:
        ValueError: when the network takes images of no usual size, or changes their size.

    >>> measure_reach(nn.Conv2d(1, 1, 5, padding=2), 2, 1)
    Reach(multiple=[1, 1], radius=[2, 2])
    >>> measure_reach(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4)), 2, 1).radius is None
    True
    """
    training = network.training
    network.eval()
    try:
        found = [_measure_axis(network, axis, spatial_dims, in_channels) for axis in range(spatial_dims)]
    finally:
        network.train(training)
    multiples = [step for step, _ in found]
    if any(radius is None for _, radius in found):
        return Reach(multiples, None)
    return Reach(multiples, [-(-radius // step) * step for step, radius in found if radius is not None])


@torch.no_grad()
def usable_multiples(network: nn.Module, multiples: list[int], channels: int) -> list[int]:
    """The multiples, or larger ones where an image of one of each is too small: its normalisation has one voxel to go by.

    Args:
        network: in any mode.
        multiples: its down-sampling along each axis.
        channels: of its input.

    >>> usable_multiples(nn.Conv2d(1, 1, 3, padding=1), [2, 2], 1)
    [2, 2]
    """
    training = network.training
    network.eval()
    try:
        network(torch.zeros(1, channels, *multiples))
    except Exception:  # a network may refuse a size in its own way
        least = _smallest_edge(network, len(multiples), channels)
        return [-(-least // step) * step for step in multiples]
    finally:
        network.train(training)
    return multiples


def _measure_axis(network: nn.Module, axis: int, spatial_dims: int, channels: int) -> tuple[int, int | None]:
    across = _smallest_edge(network, spatial_dims, channels)
    for length in _LENGTHS[spatial_dims]:
        size = [max(length, across) if i == axis else across for i in range(spatial_dims)]
        found = _step_and_radius(network, size, axis, channels)
        if found is not None:
            return found
    return _step_of_sizes(network, axis, spatial_dims, across, channels), None


def _step_and_radius(network: nn.Module, size: list[int], axis: int, channels: int) -> tuple[int, int] | None:
    """Down-sampling and radius along an axis; None where a trace reaches an end of the image."""
    middle = size[axis] // 2
    shapes: dict[int, tuple[int, int]] = {}
    for step in _STEPS:
        for offset in {0, 1, step - 1, step, step + 1} - shapes.keys():
            place = middle + offset
            low, high = _trace(network, size, axis, place, channels) if place < size[axis] else (0, 0)
            if low == 0 or high == size[axis] - 1:
                return None
            shapes[offset] = (place - low, high - place)
        if shapes[0] == shapes[step] and shapes[1] == shapes[step + 1]:  # the traces of two periods agree
            return step, max(max(shape) for shape in shapes.values())
    return None


def _trace(network: nn.Module, size: list[int], axis: int, place: int, channels: int) -> tuple[int, int]:
    """First and last place along an axis that a voxel in the middle of the others reaches."""
    image = torch.zeros(1, channels, *size)
    at: list[Any] = [place if i == axis else n // 2 for i, n in enumerate(size)]
    image[(0, slice(None), *at)] = float("nan")
    output = network(image)
    reached = output.isnan().flatten(0, 1).any(0).movedim(axis, 0).flatten(1).any(1).nonzero()
    if not len(reached):
        raise ValueError(f"the backbone {type(network).__name__} gives the same whatever the image holds")
    return int(reached[0]), int(reached[-1])


def _smallest_edge(network: nn.Module, spatial_dims: int, channels: int) -> int:
    error: Exception | None = None
    for edge in _ACROSS:
        try:
            output = network(torch.zeros(1, channels, *[edge] * spatial_dims))
        except Exception as one:  # a network may refuse a size in its own way
            error = one
            continue
        if list(output.shape[2:]) != [edge] * spatial_dims:
            raise ValueError(
                f"the backbone {type(network).__name__} gives {tuple(output.shape[2:])} for an image of {edge} voxels an axis: "
                "it must keep the size"
            )
        return edge
    raise ValueError(
        f"the backbone {type(network).__name__} takes no image (1, {channels}, {', '.join(['n'] * spatial_dims)}) with n of "
        f"{', '.join(map(str, _ACROSS))}: {error}; give `multiple` and `receptive_radius`"
    ) from error


def _step_of_sizes(network: nn.Module, axis: int, spatial_dims: int, across: int, channels: int) -> int:
    """The smallest step whose odd multiples the network takes as a size."""
    for step in _STEPS:
        size = [across + step if i == axis else across for i in range(spatial_dims)]
        try:
            output: Any = network(torch.zeros(1, channels, *size))
        except Exception:
            continue
        if isinstance(output, Tensor) and list(output.shape[2:]) == size:
            return step
    return across
