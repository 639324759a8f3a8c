"""The saddle point problem behind the convex step of Self2Seg: its two steps, its energy and its dual energy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from monai_denoiseg.self2seg.differences import divergence, pairs_along, total_variation
from monai_denoiseg.self2seg.simplex import project_simplex, simplex_threshold


@dataclass(frozen=True)
class Saddle:
    """Minimise over u, maximise over v: ``<gradient(u), v> + <cost, u> + mu/2 |u - reference|^2``, where ``|v| <= radius``.

    Each item of the batch is a problem of its own.

    Args:
        cost: ``(B, K, [D,] H, W)``; with K = 1 u is in [0, 1], with more channels u is in the simplex at each pixel.
        radius: ``(B,)``, weight of the total variation, above 0.
        weights: factor of each spatial axis, see :func:`~monai_denoiseg.self2seg.differences.gradient`.
        tv: kind of total variation.
        mu: ``(B,)`` or None for 0.
        reference: as ``cost``, or None for no such term.

    >>> saddle = Saddle(torch.tensor([[[-1.0, 2.0]]]), torch.ones(1), (1.0,))
    >>> saddle.energy(torch.tensor([[[1.0, 0.0]]])), saddle.dual_energy(torch.zeros(1, 1, 1, 2))
    (tensor([0.], dtype=torch.float64), tensor([-1.], dtype=torch.float64))
    """

    cost: Tensor
    radius: Tensor
    weights: tuple[float, ...]
    tv: str = "isotropic"
    mu: Tensor | None = None
    reference: Tensor | None = None

    @property
    def dims(self) -> int:
        """Number of spatial axes."""
        return self.cost.ndim - 2

    @property
    def norm(self) -> float:
        """Upper bound of the norm of the gradient; an axis of one pixel has none."""
        factors = [weight for weight, size in zip(self.weights, self.cost.shape[2:], strict=True) if size > 1]
        return 2 * math.hypot(*factors) if factors else 1.0

    def select(self, items: Tensor) -> Saddle:
        """The problems of some items of the batch."""
        mu = None if self.mu is None else self.mu[items]
        reference = None if self.reference is None else self.reference[items]
        return replace(self, cost=self.cost[items], radius=self.radius[items], mu=mu, reference=reference)

    def scaled(self, factors: Tensor) -> Saddle:
        """The problems with the energy of each item multiplied by a number, ``(B,)``: u stays the same, v is multiplied."""
        mu = None if self.mu is None else self.mu * factors
        return replace(self, cost=self.cost * self.spread(factors), radius=self.radius * factors, mu=mu)

    def spread(self, values: Tensor) -> Tensor:
        """``(B,)`` in a shape that goes with ``(B, K, [D,] H, W)``."""
        return values.to(self.cost.dtype).reshape(-1, *[1] * (self.dims + 1))

    def zero_dual(self) -> Tensor:
        """The dual variable 0, ``(B, K, spatial_dims, [D,] H, W)``."""
        return self.cost.new_zeros((*self.cost.shape[:2], self.dims, *self.cost.shape[2:]))

    def project(self, u: Tensor) -> Tensor:
        """The nearest allowed memberships."""
        return u.clamp(0, 1) if u.shape[1] == 1 else project_simplex(u, 1)

    def project_(self, u: Tensor) -> Tensor:
        """The same, in place."""
        return u.clamp_(0, 1) if u.shape[1] == 1 else u.sub_(simplex_threshold(u, 1)).clamp_(0, 1)

    def energy(self, u: Tensor) -> Tensor:
        """Energy of allowed memberships, ``(B,)``."""
        return self.radius * total_variation(u, self.dims, self.tv, self.weights).double().sum(1) + self._fit(self.cost, u)

    def free_minimiser(self, slope: Tensor) -> Tensor:
        """Memberships that minimise ``<slope, u> + mu/2 |u - reference|^2``: the solution without total variation."""
        if self.mu is not None and self.reference is not None:
            return self.project(self.reference - slope / self.spread(self.mu))
        if slope.shape[1] == 1:
            return (slope < 0).to(slope.dtype)
        return torch.zeros_like(slope).scatter_(1, slope.argmin(1, keepdim=True), 1)

    def dual_energy(self, v: Tensor) -> Tensor:
        """Dual energy of an allowed v, ``(B,)``: no u has a lower energy."""
        slope = self.cost - divergence(v, self.dims, self.weights)
        return self._fit(slope, self.free_minimiser(slope))

    def _fit(self, slope: Tensor, u: Tensor) -> Tensor:
        total = _dot(slope, u)
        if self.mu is not None and self.reference is not None:
            away = u - self.reference
            total = total + self.mu / 2 * _dot(away, away)
        return total

    def project_dual_(self, v: Tensor, scratch: Tensor) -> None:
        """Shorten every v that is longer than 1, in place; ``scratch`` is any tensor in the shape of ``cost``."""
        if self.tv == "anisotropic":
            v.clamp_(-1, 1)
            return
        torch.mul(v.select(2, 0), v.select(2, 0), out=scratch)
        for axis in range(1, self.dims):
            scratch.addcmul_(v.select(2, axis), v.select(2, axis))
        v.mul_(scratch.clamp_(min=1).rsqrt_().unsqueeze(2))

    def add_gradient_(self, v: Tensor, u: Tensor, step: float) -> None:
        """``v += step * gradient(u)``."""
        for axis, weight in enumerate(self.weights):
            before, after = pairs_along(u, axis - self.dims)
            inside = v.select(2, axis).narrow(axis - self.dims, 0, before.shape[axis - self.dims])
            inside.add_(after, alpha=step * weight).sub_(before, alpha=step * weight)

    def add_divergence_(self, u: Tensor, v: Tensor, step: float) -> None:
        """``u += step * divergence(v)``."""
        for axis, weight in enumerate(self.weights):
            before, after = pairs_along(u, axis - self.dims)
            inside = v.select(2, axis).narrow(axis - self.dims, 0, before.shape[axis - self.dims])
            before.add_(inside, alpha=step * weight)
            after.sub_(inside, alpha=step * weight)

    def step_primal_(self, u: Tensor, v: Tensor, step: float) -> None:
        """Proximal step of u against the slope that v gives it, in place."""
        self.add_divergence_(u, v, step)
        u.sub_(self.cost, alpha=step)
        if self.mu is not None and self.reference is not None:
            pull = self.spread(self.mu) * step
            u.addcmul_(self.reference, pull).div_(1 + pull)
        self.project_(u)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each item, ``(B,)``, summed in float64."""
    return (a * b).flatten(1).sum(1, dtype=torch.float64)
