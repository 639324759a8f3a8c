"""Whether an exported network gives what the network itself gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from monai_denoiseg.export.module import DENOISED, ExportNet, describe_backbone, first_stage, output_names

LIMITS = {"probabilities": 1e-4, DENOISED: 1e-3}
"""Largest difference of a probability (a distance: or of that share of it), and of the denoised image in its deviations."""

OWN, SMALLEST = "CAREUNet", 16
"""Other networks may not take images as small as their down-sampling: they are tried with multiples of so many voxels."""


class Report(NamedTuple):
    """What a comparison found.

    Attributes:
        worst: largest difference of each output, in the units of :data:`LIMITS`.
        shapes: of the images.
    """

    worst: dict[str, float]
    shapes: list[list[int]]

    def as_text(self) -> str:
        """In one line.

        >>> Report({"probabilities": 1e-6}, [[1, 1, 9, 7]]).as_text()
        'largest difference from PyTorch: 1e-06 in probabilities; images of 1x1x9x7'
        """
        found = ", ".join(f"{value:.2g} in {name}" for name, value in self.worst.items())
        return f"largest difference from PyTorch: {found}; images of {', '.join('x'.join(map(str, one)) for one in self.shapes)}"


def example(network: Any, number: int) -> Tensor:
    """An image of an odd size with blobs, noise, hot pixels and a bar, in the intensities of the network.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.
        number: 0, 1, 2, ...: each of another size; the second holds two images.

    Returns:
        ``(B, C, [D,] H, W)``.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> example(DenoiSegNet(2, depth=1, features=4), 1).shape
    torch.Size([2, 1, 9, 6])
    """
    factors = [(2.5, 3.5, 4.5), (3.0, 4.5, 3.0), (1.0, 1.0, 0.6), (3.5, 2.5, 6.0), (4.0, 4.0, 4.0)][number % 5]
    least = SMALLEST if OWN not in describe_backbone(network) else 2
    steps = [max(least, step) for step in network.multiple]
    size = [max(1, int(step * factor)) for step, factor in zip(steps, factors[-len(steps) :], strict=True)]
    generator = torch.Generator().manual_seed(number)
    shape = [1 + (number == 1), network.in_channels, *size]
    image = torch.randn(shape, generator=generator)
    coarse = torch.randn([*shape[:2], *[-(-edge // 8) for edge in size]], generator=generator)
    image = image + 3 * torch.nn.functional.interpolate(coarse, size)
    image.view(-1)[torch.randint(image.numel(), (2,), generator=generator)] = 500.0
    if number == 3:
        image[..., : size[-2] // 4, : size[-1] // 3] = 300.0
    first = first_stage(network)
    places = [1, network.in_channels] + [1] * len(size)
    scaled: Tensor = image * first.std.cpu().reshape(places) + first.mean.cpu().reshape(places)
    return scaled


@torch.no_grad()
def compare(network: Any, run: Callable[..., Sequence[Tensor]], with_intensity: bool, kind: str, sizes: int = 4) -> Report:
    """Compare an exported network with the network itself on images of odd sizes.

    Args:
        network: in evaluation mode.
        run: the exported network: images, and ``intensity`` where it is an input, to its outputs.
        with_intensity: whether it is.
        kind: of the export, for the message.
        sizes: number of images.

    Raises:
        ValueError: when they differ, or the exported one fails.
    """
    ours = ExportNet(network)
    worst, shapes = dict.fromkeys(output_names(network), 0.0), []
    for number in range(sizes):
        image = example(network, number)
        intensity = network.intensity(image)
        scale = intensity[:, 1].reshape([*intensity.shape[::2], *[1] * network.spatial_dims])
        try:
            theirs = run(image, intensity) if with_intensity else run(image)
        except Exception as error:  # of a runtime
            why = f"made with one size of image, it fails with another, {tuple(image.shape)} ({first_line(error)})"
            raise refused(network, kind, why) from error
        for name, one, two in zip(worst, ours(image, intensity), theirs, strict=True):
            worst[name] = max(worst[name], _difference(name, one, two, scale))
        shapes.append(list(image.shape))
    wrong = [f"{value:.3g} in {name} (at most {LIMITS[name]})" for name, value in worst.items() if not value <= LIMITS[name]]
    if wrong:
        raise refused(network, kind, f"its results differ by {' and '.join(wrong)}")
    return Report(worst, shapes)


def _difference(name: str, ours: Tensor, theirs: Tensor, scale: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    error = (ours - theirs).abs()
    return float((error / scale if name == DENOISED else error / ours.abs().clamp(min=1)).max())


def first_line(error: Exception) -> str:
    """What went wrong, in one line of at most 300 characters.

    Args:
        error: of another package.

    >>> first_line(ValueError())
    'ValueError'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def refused(network: Any, kind: str, reason: str) -> ValueError:
    """The error for a network that cannot be exported.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.
        kind: of the export.
        reason: why.
    """
    return ValueError(f"this network cannot be exported to {kind}: {describe_backbone(network)}: {reason}; nothing was written")
