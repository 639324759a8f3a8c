"""An expert that predicts each pixel linearly from its neighbours, solved exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.self2seg.watch import Watch

RADIUS = {2: 7, 3: 2}
RIDGE = 1.0
CHUNK = 1 << 22  # numbers of the matrix of neighbours held at once


class LinearExpert:
    """Blind-spot linear filter: the weighted least squares fit of each pixel by its neighbours and a constant.

    No pixel is used for its own prediction, not even where the image is mirrored at its border, so that independent noise cannot
    be copied. The fit minimises the same sum as the energy of Self2Seg, so that alternating with the segmentation never raises
    it. It learns the orientation and the period of a texture within seconds; it cannot adapt to edges.

    Args:
        radius: of the neighbourhood in pixels; None: 7 in 2D (15 x 15), 2 in 3D. Shortened along axes shorter than that.
        ridge: weight of the penalty on the filter's squared weights, relative to the sum of squares of the image about its mean.
            It keeps an expert to its own region: without it one filter can learn every texture it has seen a few pixels of.

    Attributes:
        soft: True.
        penalty: of the last fit, in the unit of the energy (the image scaled to [0, 1]).

    Raises:
        ValueError: when a number is out of range.

    >>> image = torch.arange(12.0).reshape(1, 1, 12).expand(1, 9, 12)  # a ramp is linear
    >>> fitted = LinearExpert(radius=1, ridge=0).fit(image, torch.ones(9, 12), Watch())
    >>> bool((fitted - image)[..., 1:-1].abs().max() < 0.2)
    True
    """

    soft = True

    def __init__(self, radius: int | None = None, ridge: float = RIDGE) -> None:
        self.radius = None if radius is None else check_int("radius", radius, 1)
        self.ridge = check_range("ridge", ridge, 0, math.inf, open_high=True)
        self.penalty = 0.0

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        """Solve for the filter on the region and apply it everywhere.

        Args:
            image: ``(C, [D,] H, W)``. Each channel is predicted from the neighbours in all channels.
            weights: ``([D,] H, W)``.
            watch: ticks once.

        Returns:
            ``(C, [D,] H, W)``.
        """
        watch.tick("linear expert")
        mean = image.flatten(1).mean(1).reshape(-1, *[1] * (image.ndim - 1))
        values = image - mean  # about zero: well conditioned, and the penalty does not depend on the offset
        radii = self._radii(image.shape[1:])
        normal, right = _normal_equations(values, weights.to(values), radii)
        strength = self.ridge * float(values.double().square().sum()) / len(values)
        penalty = torch.full((len(normal),), strength, dtype=torch.float64, device=normal.device)
        penalty[-1] = 0  # the constant is free
        solved = torch.linalg.lstsq((normal + penalty.diag()).cpu(), right.cpu(), driver="gelsd").solution
        scale = max(float(image.max() - image.min()), torch.finfo(torch.float32).tiny)
        self.penalty = strength * float(solved[:-1].square().sum()) / scale**2
        return _apply(values, solved.to(values), radii) + mean

    def _radii(self, shape: Sequence[int]) -> list[int]:
        radius = RADIUS[len(shape)] if self.radius is None else self.radius
        return [min(radius, n - 1) for n in shape]


def _padded(values: Tensor, radii: Sequence[int]) -> Tensor:
    return F.pad(values[None], [r for radius in reversed(radii) for r in (radius, radius)], mode="reflect")[0]


def _apply(values: Tensor, solved: Tensor, radii: Sequence[int]) -> Tensor:
    """Filter the image: ``solved`` is ``(C * (neighbours - 1) + 1, C)``."""
    return torch.cat([rows @ solved for rows in _neighbours(values, radii)]).T.reshape(values.shape)


def _kept(size: int, channels: int, device: torch.device) -> Tensor:
    """Places of all neighbours but the pixel itself, in each channel."""
    return torch.tensor([i for i in range(size * channels) if i % size != size // 2], dtype=torch.long, device=device)


def _mirrored(shape: Sequence[int], radii: Sequence[int]) -> Iterator[tuple[int, tuple[int | None, ...]]]:
    """Number of each neighbour that is the mirror image of the pixel itself, and the pixels (None: all along that axis).

    Beyond the border the image is mirrored, so that the pixel ``k`` away from it meets itself again ``2 * k`` away.
    """
    axes: list[list[tuple[int, int | None]]] = []
    for n, r in zip(shape, radii, strict=True):
        ends = [pair for k in range(1, r // 2 + 1) for pair in ((-2 * k, k), (2 * k, n - 1 - k))]
        axes.append([(0, None), *ends])
    for pairs in product(*axes):
        if any(place is not None for _, place in pairs):
            number = 0
            for (offset, _), r in zip(pairs, radii, strict=True):
                number = number * (2 * r + 1) + offset + r
            yield number, tuple(place for _, place in pairs)


def _normal_equations(values: Tensor, weights: Tensor, radii: Sequence[int]) -> tuple[Tensor, Tensor]:
    """``A^T W A`` and ``A^T W f``, summed over chunks of the image in double precision."""
    width = (math.prod(2 * r + 1 for r in radii) - 1) * len(values) + 1
    normal = torch.zeros(width, width, dtype=torch.float64, device=values.device)
    right = torch.zeros(width, len(values), dtype=torch.float64, device=values.device)
    pixels, mass = values.flatten(1), weights.flatten()
    start = 0
    for rows in _neighbours(values, radii):
        part = slice(start, start + len(rows))
        start += len(rows)
        inside = mass[part] > 0  # a small region has few rows
        rows, weighted = rows[inside], rows[inside] * mass[part][inside, None]
        normal += (weighted.T @ rows).double()
        right += (weighted.T @ pixels[:, part][:, inside].T).double()
    return normal, right


def _neighbours(values: Tensor, radii: Sequence[int]) -> Iterator[Tensor]:
    """Rows ``(n, C * (neighbours - 1) + 1)`` of the neighbours of each pixel and a one, some planes or lines at a time."""
    shape, size = values.shape[1:], math.prod(2 * r + 1 for r in radii)
    padded, kept = _padded(values, radii), _kept(size, len(values), values.device)
    blind = list(_mirrored(shape, radii))
    lines = max(1, CHUNK // (size * len(values) * values[0, 0].numel()))
    for start in range(0, shape[0], lines):
        part = padded[:, start : min(start + lines, shape[0]) + 2 * radii[0]]
        for axis, r in enumerate(radii):
            part = part.unfold(1 + axis, 2 * r + 1, 1)
        block = part.movedim(0, len(shape)).contiguous().reshape(-1, *shape[1:], len(values), size)
        for number, (line, *rest) in blind:
            if line is None or start <= line < start + len(block):
                places = [slice(None) if place is None else place for place in (None if line is None else line - start, *rest)]
                block[(*places, slice(None), number)] = 0  # the mean: values are about zero
        rows = block.reshape(-1, size * len(values))[:, kept]
        yield torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
