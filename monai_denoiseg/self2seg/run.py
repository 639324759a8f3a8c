"""The two steps of Self2Seg and their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.self2seg.energy import (
    boundary_length,
    channel_weight,
    explained,
    membership_cost,
    memberships,
    residuals,
    to_labels,
)
from monai_denoiseg.self2seg.expert import Expert
from monai_denoiseg.self2seg.path import LambdaPath, solve_path
from monai_denoiseg.self2seg.result import EnergyRecord, Self2SegResult
from monai_denoiseg.self2seg.solver import USolution, solve_u
from monai_denoiseg.self2seg.watch import Watch


@dataclass(frozen=True)
class Rules:
    """Rules by which pixels are assigned to experts.

    Args:
        lam: price of a boundary pixel; None: chosen at each step from ``lam_path``.
        lam_path: weights to choose from, or to return the masks of.
        mu: weight of the squared distance to the regions of the previous step.
        residual_box: see :func:`~monai_denoiseg.self2seg.energy.residuals`.
        solver: options of :func:`~monai_denoiseg.self2seg.solver.solve_u`.

    >>> Rules(lam=0.1).mu
    0.0
    """

    lam: float | None
    lam_path: Sequence[float] | None = None
    mu: float = 0.0
    residual_box: int = 1
    solver: Mapping[str, Any] = field(default_factory=dict)


class Run:
    """State of one run: experts, regions, energies.

    Args:
        image: ``(C, [D,] H, W)``.
        experts: one for each region.
        masks: what they learn from first, ``(regions, [D,] H, W)``, bool.
        rules: of the run.
        watch: time and progress.
        held: pixels whose region is fixed, as ``masks``; None for no such pixel.

    >>> from monai_denoiseg.self2seg.experts import make_experts
    >>> image = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    >>> run = Run(image, make_experts(["constant"] * 2), torch.stack([image[0] < 1, image[0] > 0]), Rules(0.1), Watch())
    >>> run.learn()
    >>> run.cut(1)
    >>> run.result().labels
    tensor([[0, 0, 1, 1]])
    """

    def __init__(
        self, image: Tensor, experts: list[Expert], masks: Tensor, rules: Rules, watch: Watch, held: Tensor | None = None
    ) -> None:
        self.image, self.experts, self.rules, self.watch, self.held = image, experts, rules, watch, held
        self.scale = float(image.max() - image.min()) or 1.0
        self.weights = masks.to(image.dtype)  # what the soft experts learn from
        self.hard = self.weights
        self.u = self.weights[1:].clone() if len(masks) == 2 else self.weights.clone()
        self.labels = to_labels(self.u)
        self.records: list[EnergyRecord] = []
        self.solution: USolution | None = None
        self.path: LambdaPath | None = None
        # The last step at which every region had pixels, and of these the one of the lowest energy.
        self._last: Self2SegResult | None = None
        self._best: Self2SegResult | None = None

    def copy(self, rules: Rules) -> Run:
        """A copy of the run in the same state that goes on by other rules.

        Args:
            rules: of the copy.
        """
        twin = copy(self)  # tensors are replaced, never changed, so only the experts and the records need copies
        twin.rules, twin.experts, twin.records = rules, deepcopy(self.experts), list(self.records)
        return twin

    def learn(self) -> None:
        """Let each expert learn from its region."""
        fitted = []
        for region, expert in enumerate(self.experts):
            weights = self.weights[region] if expert.soft else self.hard[region]
            fitted.append(expert.fit(self.image, weights, self.watch))
        self.predictions = torch.stack(fitted)
        clean = [getattr(expert, "denoised", None) for expert in self.experts]
        self.denoised = torch.stack([p if d is None else d for p, d in zip(fitted, clean, strict=True)])

    def cut(self, step: int) -> None:
        """Assign each pixel to an expert."""
        costs = residuals(self.image / self.scale, self.predictions / self.scale, self.rules.residual_box)
        self._costs = costs
        lam = self._solve(costs)
        assert self.solution is not None
        self.u = self.solution.u[0]
        before, self.labels = self.labels, to_labels(self.u)
        self.weights = memberships(self.u)
        self.hard = torch.stack([self.labels == region for region in range(len(costs))]).to(self.image.dtype)
        length = boundary_length(self.u, self.rules.solver.get("tv", "isotropic"), self.rules.solver.get("weights"))
        fit = explained(costs, self.u) + sum(expert.penalty for expert in self.experts)
        record = EnergyRecord(
            step=step,
            lam=lam,
            energy=lam * length + fit,
            tv=length,
            fit=fit,
            gap=float(self.solution.gap[0]),
            iterations=self.solution.iterations,
            changed=float((before != self.labels).double().mean()),
            seconds=round(self.watch.spent, 3),
        )
        self.watch.tick(f"step {step}, energy {record.energy:.4g}")
        self.records.append(record)
        if not self.has_empty_region():
            self._last = self._snapshot()
            if self._best is None or record.energy < self._best.records[-1].energy:
                self._best = self._last

    def _solve(self, costs: Tensor) -> float:
        """Solve for the regions, with the given weight or the one the path chooses; return the weight."""
        cost = self._pinned(membership_cost(costs))
        lam = self.rules.lam
        if lam is None:
            assert self.rules.lam_path is not None
            self.path = self._find_path(costs, self.rules.lam_path, self.watch)
            lam = self.path.lam
        near: dict[str, Any] = {"mu": self.rules.mu, "reference": self.u[None]} if self.rules.mu else {}
        weight = channel_weight(lam, len(costs))
        self.solution = solve_u(cost[None], weight, start=self.solution, watch=self.watch, **near, **self.rules.solver)
        return lam

    def _find_path(self, costs: Tensor, lams: Sequence[float], watch: Watch | None = None) -> LambdaPath:
        path, _ = solve_path(costs, lams, self.rules.residual_box, watch=watch, **self.rules.solver)
        if self.held is None:
            return path
        return replace(path, labels=torch.where(self.held.any(0), self.held.long().argmax(0), path.labels))

    def _pinned(self, cost: Tensor) -> Tensor:
        """A cost no boundary can outweigh at the held pixels."""
        if self.held is None:
            return cost
        most = float(cost.abs().max()) + 4 * (cost.ndim - 1) * max([self.rules.lam or 0.0, *(self.rules.lam_path or [])])
        wanted = membership_cost(-most * self.held.to(cost.dtype))
        return torch.where(self.held.any(0), wanted, cost)

    def has_empty_region(self) -> bool:
        """Whether an expert has nothing left to learn from."""
        return bool((self.hard.flatten(1).sum(1) == 0).any())

    def _snapshot(self) -> Self2SegResult:
        denoised = (memberships(self.u)[:, None] * self.denoised).sum(0)
        lam = self.records[-1].lam
        return Self2SegResult(self.labels, self.u, denoised, self.denoised, list(self.records), "", lam, self.path)

    def result(self, stopped: str = "") -> Self2SegResult:
        """What has been found.

        Args:
            stopped: ``"time"``: the step of the lowest energy; ``"empty"``: the last step at which every region had pixels, if
                there was one; else the last step.
        """
        found = self._snapshot()
        if self._best is not None and stopped == "time":
            found = self._best
        elif self._last is not None and stopped == "empty":
            found = self._last
        found = replace(found, records=list(self.records))
        if self.rules.lam is None or self.rules.lam_path is None:
            return found
        return replace(found, path=self._find_path(self._costs, self.rules.lam_path))
