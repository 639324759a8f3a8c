"""The convex step of Self2Seg: total variation plus a linear cost, by a primal-dual algorithm with a certified gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.self2seg.differences import TV_KINDS, axis_weights
from monai_denoiseg.self2seg.saddle import Saddle
from monai_denoiseg.self2seg.watch import Watch


@dataclass(frozen=True)
class USolution:
    """What :func:`solve_u` found.

    Args:
        u: memberships, ``(B, K, [D,] H, W)``, in [0, 1].
        dual: the dual variable, ``(B, K, spatial_dims, [D,] H, W)``, no longer than ``lam``: the certificate, and a warm start.
        energy: energy of ``u``, ``(B,)``.
        gap: how much lower than ``energy`` the minimum can be at most, ``(B,)``.
        iterations: number of iterations done, the most of any item.

    >>> solve_u(torch.tensor([[[[-1.0, 2.0]]]]), 0.0).energy
    tensor([-1.])
    """

    u: Tensor
    dual: Tensor
    energy: Tensor
    gap: Tensor
    iterations: int


BALANCE = 0.7
"""Root of the step of u over the step of the dual variable, where both variables have length 1. Best between 0.5 and 1; three
times the iterations at 3 (gap of 1e-4, 256 x 256 pixels, random and noisy piecewise constant costs). The printed steps 1/4 and
1/2 amount to about ``0.7 * lam``, hence they are slow for a small ``lam``."""
RELAXATION = 1.9
"""Each iteration goes this many times as far as the plain algorithm, which halves the number of iterations; must be below 2."""
STRONG_PULL = 0.1
"""From this ``mu / lam`` on the accelerated algorithm needs fewer iterations than the relaxed plain one, down to a tenth; below
it up to four times as many."""


@torch.no_grad()
def solve_u(
    cost: Tensor,
    lam: float | Tensor,
    *,
    tv: str = "isotropic",
    mu: float = 0.0,
    reference: Tensor | None = None,
    start: USolution | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 8000,
    check_every: int = 25,
    weights: Sequence[float] | None = None,
    watch: Watch | None = None,
) -> USolution:
    """Minimise ``lam * TV(u) + <cost, u> + mu/2 |u - reference|^2`` over the allowed memberships u.

    With one channel u is in [0, 1]. With K channels u >= 0 sums to 1 over the channels of each pixel, and the total variations of
    the channels are added. Two channels with ``lam / 2`` are the same problem as one channel with ``lam`` and the difference of
    the costs.

    It stops when the gap is at most ``tolerance * (|energy| + 0.01 * sum |cost|)``; the second term is for energies near 0, as
    that of an empty mask. Energy and gap are those of the best u and the best bound seen at any check, the start among them.

    Args:
        cost: ``(B, K, [D,] H, W)``, float32 or float64; negative where a channel fits.
        lam: weight of the total variation, >= 0; one number or one for each item, ``(B,)``.
        tv: ``"isotropic"`` or ``"anisotropic"``.
        mu: weight of the distance to ``reference``, >= 0.
        reference: memberships to stay near, as ``cost``; needed for ``mu > 0``.
        start: solution of a similar problem to begin with.
        tolerance: see above.
        max_iterations: at most this many iterations.
        check_every: iterations between two computations of the gap.
        weights: factor of each axis in the total variation, see :func:`~monai_denoiseg.self2seg.differences.gradient`.
        watch: stops when its time is up.

    Returns:
        The memberships with their energy and gap.

    Raises:
        ValueError: when shapes do not fit, a number is out of range or the cost is not finite.
        TypeError: for a cost that is neither float32 nor float64.

    Source: Chambolle, Pock, J. Math. Imaging Vis. 40 (2011), algorithms 1 and 2; relaxation: Condat, J. Optim. Theory
    Appl. 158 (2013).

    >>> cost = torch.tensor([[[[-1.0, -1.0, 0.5, -1.0, 2.0, 2.0]]]])
    >>> solve_u(cost, 0.5).u.round().int().tolist()
    [[[[1, 1, 1, 1, 0, 0]]]]
    """
    check_range("tolerance", tolerance, 0, math.inf)
    check_int("max_iterations", max_iterations, 1)
    check_int("check_every", check_every, 1)
    problem = _state_problem(cost, lam, tv, mu, reference, weights)
    best = _Best(problem, start, tolerance)
    run = _Run(problem, best)
    done = 0
    while len(run.items) and done < max_iterations and not (watch is not None and watch.over):
        count = min(check_every, max_iterations - done)
        run.iterate(count)
        done += count
        run.check()
        if watch is not None:
            watch.tick()
    return USolution(best.u, best.dual, best.energy.to(cost.dtype), best.gap.to(cost.dtype), done)


class _Best:
    """The best u and the best bound of each item so far."""

    def __init__(self, problem: Saddle, start: USolution | None, tolerance: float) -> None:
        self._tolerance = tolerance
        self._floor = 0.01 * problem.cost.abs().flatten(1).sum(1, dtype=torch.float64)
        self.u, self.dual = _begin(problem, start)
        self.energy, self.bound = problem.energy(self.u), problem.dual_energy(self.dual)

    @property
    def gap(self) -> Tensor:
        return (self.energy - self.bound).clamp_(min=0)

    def open(self, items: Tensor) -> Tensor:
        """Which of these items are not yet solved."""
        return (self.gap > self._tolerance * (self.energy.abs() + self._floor))[items]

    def update(self, items: Tensor, u: Tensor, energy: Tensor, v: Tensor, bound: Tensor) -> None:
        lower = energy < self.energy[items]
        self.u[items[lower]], self.energy[items[lower]] = u[lower], energy[lower]
        higher = bound > self.bound[items]
        self.dual[items[higher]], self.bound[items[higher]] = v[higher], bound[higher]


class _Run:
    """State of the iteration for the items still open: energies are divided by ``lam``, so the dual variable has length 1."""

    def __init__(self, problem: Saddle, best: _Best) -> None:
        self._best = best
        self.items = best.open(torch.arange(len(problem.cost), device=problem.cost.device)).nonzero().flatten()
        problem = problem.select(self.items)
        self._lam = problem.radius
        self._problem = problem.scaled(1 / self._lam)
        self._tau, self._sigma = BALANCE / problem.norm, 1 / (BALANCE * problem.norm)
        pull = 0.0 if self._problem.mu is None or not len(self.items) else float(self._problem.mu.min())
        self._pull, self._relaxation = (pull, 1.0) if pull >= STRONG_PULL else (0.0, RELAXATION)
        self._u = best.u[self.items]
        self._v = best.dual[self.items] / problem.spread(self._lam).unsqueeze(2)
        self._next_u, self._next_v, self._bar = self._u.clone(), self._v.clone(), self._u.clone()

    def iterate(self, count: int) -> None:
        """Do some iterations, without any new memory."""
        problem, u, v, bar = self._problem, self._u, self._v, self._bar
        for _ in range(count):
            problem.step_primal_(self._next_u.copy_(u), v, self._tau)
            theta = 1 / math.sqrt(1 + 2 * self._pull * self._tau)
            self._tau, self._sigma = self._tau * theta, self._sigma / theta
            torch.mul(self._next_u, 1 + theta, out=bar).sub_(u, alpha=theta)
            problem.add_gradient_(self._next_v.copy_(v), bar, self._sigma)
            problem.project_dual_(self._next_v, bar)
            u.lerp_(self._next_u, self._relaxation)
            v.lerp_(self._next_v, self._relaxation)

    def check(self) -> None:
        """Note what is better than before, and drop the items that are solved."""
        energy, bound = self._problem.energy(self._next_u), self._problem.dual_energy(self._next_v)
        v = self._next_v * self._problem.spread(self._lam).unsqueeze(2)
        self._best.update(self.items, self._next_u, energy * self._lam, v, bound * self._lam)
        keep = self._best.open(self.items)
        if bool(keep.all()):
            return
        self.items, self._lam, self._problem = self.items[keep], self._lam[keep], self._problem.select(keep)
        self._u, self._v, self._bar = self._u[keep], self._v[keep], self._bar[keep]
        self._next_u, self._next_v = self._next_u[keep], self._next_v[keep]


def _begin(problem: Saddle, start: USolution | None) -> tuple[Tensor, Tensor]:
    """Allowed variables to begin with: those of the start, or the solution without total variation."""
    u, dual = problem.free_minimiser(problem.cost), problem.zero_dual()
    if start is None:
        return u, dual
    if start.u.shape != u.shape or start.dual.shape != dual.shape:
        raise ValueError(f"`start` solves a problem of shape {tuple(start.u.shape)}, but `cost` has shape {tuple(u.shape)}")
    if not bool(start.u.isfinite().all() & start.dual.isfinite().all()):
        raise ValueError("`start` holds values that are not finite (NaN or infinity)")
    some = problem.radius > 0  # where nothing is smoothed, the solution is known
    u[some] = problem.project(start.u.to(u)[some])
    lam = problem.spread(problem.radius)[some].unsqueeze(2)
    unit = start.dual.to(dual)[some] / lam
    problem.project_dual_(unit, torch.empty_like(u[some]))
    for axis in range(problem.dims):
        unit.select(2, axis).select(axis - problem.dims, -1).zero_()  # there is no difference beyond the edge
    dual[some] = unit * lam
    return u, dual


def _state_problem(
    cost: Tensor, lam: float | Tensor, tv: str, mu: float, reference: Tensor | None, weights: Sequence[float] | None
) -> Saddle:
    """Check the user's arguments and combine them."""
    if cost.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"`cost` must be float32 or float64, got {cost.dtype}; convert it with .float()")
    if cost.ndim < 3 or 0 in cost.shape:
        raise ValueError(f"`cost` must have the shape (batch, channels, *spatial) and no empty axis, got {tuple(cost.shape)}")
    if not bool(torch.isfinite(cost).all()):
        raise ValueError("`cost` holds values that are not finite (NaN or infinity); look for them in the image")
    check_option("tv", tv, TV_KINDS)
    check_range("mu", mu, 0, math.inf, open_high=True)
    radius = torch.as_tensor(lam, dtype=torch.float64, device=cost.device)
    if radius.shape not in ((), cost.shape[:1]) or not bool(((radius >= 0) & (radius < math.inf)).all()):
        raise ValueError(f"`lam` must be one number >= 0 or one for each of the {len(cost)} items, got {lam!r}")
    lams = radius.expand(len(cost)).clone()
    factors = axis_weights(weights, cost.ndim - 2)
    if mu == 0:
        return Saddle(cost, lams, factors, tv)
    if reference is None or reference.shape != cost.shape or not bool(torch.isfinite(reference).all()):
        found = None if reference is None else f"shape {tuple(reference.shape)} (or values that are not finite)"
        raise ValueError(f"`mu` > 0 needs a finite `reference` of the shape of `cost`, {tuple(cost.shape)}, got {found}")
    return Saddle(cost, lams, factors, tv, torch.full_like(lams, mu), reference.to(cost))
