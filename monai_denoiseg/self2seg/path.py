"""Masks for several weights of the boundary, and a rule that chooses one without ground truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.checks import check_range
from monai_denoiseg.self2seg.energy import channel_weight, membership_cost, memberships, to_labels
from monai_denoiseg.self2seg.solver import USolution, solve_u

LAMBDAS = (0.003, 0.006, 0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class LambdaPath:
    """Segmentations of one image with several weights of the boundary length.

    Args:
        lams: the weights, ascending.
        labels: the regions, ``(weights, [D,] H, W)``, int64.
        scores: of the choice rule for each weight: the mean cost of held-out pixels, lower is better.
        chosen: index of the weight the rule chooses.

    >>> LambdaPath([0.1, 0.2], torch.zeros(2, 1, 1), [3.0, 2.0], 1).lam
    0.2
    """

    lams: list[float]
    labels: Tensor
    scores: list[float]
    chosen: int

    @property
    def lam(self) -> float:
        """The chosen weight."""
        return self.lams[self.chosen]


def check_lambdas(lams: Sequence[float]) -> list[float]:
    """Return the weights in ascending order, each once.

    Args:
        lams: weights of the boundary length.

    Raises:
        ValueError: for an empty list and for negative or infinite weights.

    >>> check_lambdas([0.2, 0.1])
    [0.1, 0.2]
    """
    if isinstance(lams, str) or not isinstance(lams, Sequence) or len(lams) == 0:
        raise ValueError(f"`lambda_path` needs a list of numbers, got {lams!r}")
    return sorted({float(check_range("lambda_path", lam, 0, math.inf, open_high=True)) for lam in lams})


def checkerboard(shape: Sequence[int], block: int = 1) -> Tensor:
    """Mask of every other block of pixels.

    Args:
        shape: ``([D,] H, W)``.
        block: side of a block in pixels.

    Returns:
        Bool, of that shape.

    >>> checkerboard((2, 3)).int().tolist()
    [[0, 1, 0], [1, 0, 1]]
    """
    grids = torch.meshgrid(*(torch.arange(n) // block for n in shape), indexing="ij")
    return sum(grids, torch.zeros((), dtype=torch.long)) % 2 == 1


def held_out_scores(costs: Tensor, lams: Sequence[float], block: int = 1, **solver: Any) -> list[float]:
    """How well each weight predicts the pixels it has not seen.

    The pixels are divided like a checkerboard. The regions are found from the costs of one half only (the other half follows its
    neighbours), and the costs of the other half are summed over these regions. Then the halves are exchanged. Too small a
    weight follows the noise of the half it sees, too large a weight cuts off what both halves show; noise independent from pixel
    to pixel is punished in the other half. This is two-fold cross-validation of the energy's own data term.

    Args:
        costs: of each region, ``(regions, [D,] H, W)``.
        lams: the weights.
        block: side of the squares in pixels.
        solver: options of :func:`solve_u`.

    Returns:
        Mean cost of a held-out pixel, for each weight.

    >>> costs = torch.zeros(2, 8, 8)
    >>> costs[0, :, 4:], costs[1, :, :4] = 1, 1
    >>> [round(score, 2) for score in held_out_scores(costs, [0.1, 50.0])]
    [0.0, 0.5]
    """
    seen = checkerboard(costs.shape[1:], block).to(costs.device)
    cost = membership_cost(costs)
    # Each half stands for the whole image: twice its cost, so that the weight means the same.
    halves = torch.stack([2 * cost * seen, 2 * cost * ~seen])
    batch = halves.repeat_interleave(len(lams), 0)
    weights = channel_weight(torch.tensor(list(lams) * 2, dtype=costs.dtype, device=costs.device), len(costs))
    u = solve_u(batch, weights, **solver).u
    other = torch.stack([~seen, seen]).repeat_interleave(len(lams), 0)
    total = [float((costs.double() * memberships(x).double() * part).sum()) for x, part in zip(u, other, strict=True)]
    return [(a + b) / seen.numel() for a, b in zip(total[: len(lams)], total[len(lams) :], strict=True)]


def choose_lambda(scores: Sequence[float]) -> int:
    """Index of the weight with the lowest score; ties go to the largest weight.

    Args:
        scores: mean held-out costs, weights ascending.

    >>> choose_lambda([3.0, 1.0, 1.0, 2.0])
    2
    """
    return max(range(len(scores)), key=lambda index: (-scores[index], index))


def solve_path(costs: Tensor, lams: Sequence[float], block: int = 1, **solver: Any) -> tuple[LambdaPath, USolution]:
    """Segment with each weight in one batch, and choose one.

    Args:
        costs: of each region, ``(regions, [D,] H, W)``.
        lams: the weights, ascending.
        block: see :func:`held_out_scores`.
        solver: options of :func:`solve_u`.

    Returns:
        The path, and the solutions ``(weights, K, [D,] H, W)``.

    >>> costs = torch.zeros(2, 8, 8)
    >>> costs[0, :, 4:], costs[1, :, :4] = 1, 1
    >>> path, _ = solve_path(costs, [0.1, 50.0])
    >>> path.lam, path.labels[0, 0].tolist()
    (0.1, [0, 0, 0, 0, 1, 1, 1, 1])
    """
    scores = held_out_scores(costs, lams, block, **solver)
    cost = membership_cost(costs)
    weights = channel_weight(torch.tensor(list(lams), dtype=costs.dtype, device=costs.device), len(costs))
    solution = solve_u(cost[None].expand(len(lams), *cost.shape).contiguous(), weights, **solver)
    labels = torch.stack([to_labels(u) for u in solution.u])
    return LambdaPath(list(lams), labels, scores, choose_lambda(scores)), solution
