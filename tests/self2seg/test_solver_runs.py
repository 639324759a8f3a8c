"""How the solver behaves: warm starts, stops, units, speed in iterations, wrong arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from monai_denoiseg.self2seg.solver import USolution, solve_u
from monai_denoiseg.self2seg.watch import Watch

from .shapes import noisy_disc, random_cost


@pytest.mark.parametrize("mu", [0.0, 0.5])
@pytest.mark.parametrize("started", [False, True])
def test_without_smoothing_the_solution_is_known(mu: float, started: bool) -> None:
    cost = random_cost(2, 1, 5, 4)
    reference = random_cost(2, 1, 5, 4, seed=1).sigmoid()
    start = solve_u(cost.flip(0), 0.5) if started else None
    found = solve_u(cost, 0.0, mu=mu, reference=reference, start=start, tolerance=0.0)
    expected = (reference - cost / mu).clamp(0, 1) if mu else (cost < 0).double()
    torch.testing.assert_close(found.u, expected)
    assert found.gap.tolist() == [0, 0]
    assert found.iterations == 0
    assert not found.dual.any()


def test_strong_pull_keeps_the_reference() -> None:
    reference = (random_cost(1, 1, 9, 9, seed=1) > 0).double()
    found = solve_u(random_cost(1, 1, 9, 9), 0.1, mu=1e4, reference=reference)
    torch.testing.assert_close(found.u, reference, atol=1e-3, rtol=0)


@pytest.mark.parametrize("mu", [0.0, 0.1])
def test_a_warm_start_saves_iterations(mu: float) -> None:
    cost = noisy_disc(48)
    near: dict[str, Any] = {"mu": mu, "reference": torch.zeros_like(cost)}
    cold = solve_u(cost, 0.3, **near)
    copy = replace(cold, u=cold.u.clone(), dual=cold.dual.clone())
    assert cold.iterations > 0
    assert solve_u(cost, 0.3, start=cold, **near).iterations == 0
    changed = cost + 0.005 * random_cost(1, 1, 48, 48, dtype=torch.float32)
    assert solve_u(changed, 0.3, start=cold, **near).iterations < solve_u(changed, 0.3, **near).iterations
    assert torch.equal(cold.u, copy.u)
    assert torch.equal(cold.dual, copy.dual)


def test_never_worse_than_the_start() -> None:
    cost = noisy_disc(40, torch.float64)
    good = solve_u(cost, 0.3, tolerance=1e-6)
    for count in (1, 2, 3, 60):
        found = solve_u(cost, 0.3, start=good, tolerance=0.0, max_iterations=count, check_every=1)
        assert found.energy <= good.energy
        assert found.gap <= good.gap
        assert found.iterations == count
    once: dict[str, Any] = {"tolerance": 0.0, "max_iterations": 1}
    mask = solve_u(cost, 0.3, start=replace(good, dual=torch.zeros_like(good.dual)), **once)
    assert mask.energy.item() <= good.energy.item() + 1e-9
    certificate = solve_u(cost, 0.3, start=replace(good, u=torch.full_like(good.u, 0.5)), **once)
    assert (certificate.energy - certificate.gap).item() >= (good.energy - good.gap).item() - 1e-9


def test_a_start_from_elsewhere_is_made_allowed() -> None:
    cost = random_cost(1, 1, 6, 7)
    wild = USolution(
        9 * random_cost(1, 1, 6, 7, seed=1), 9 * random_cost(1, 1, 2, 6, 7, seed=2), cost.sum((1, 2, 3)), cost.sum(), 0
    )
    found = solve_u(cost, 0.3, start=wild, tolerance=1e-7)
    assert found.energy.item() == pytest.approx(solve_u(cost, 0.3, tolerance=1e-7).energy.item(), rel=1e-6)
    assert found.u.min() >= 0
    assert found.u.max() <= 1
    assert found.dual.norm(dim=2).max() <= 0.3 * (1 + 1e-6)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_follows_the_unit_of_the_cost(unit: float) -> None:
    cost = noisy_disc(32)
    plain, scaled = solve_u(cost, 0.2), solve_u(unit * cost, 0.2 * unit)
    assert scaled.energy.item() == pytest.approx(unit * plain.energy.item(), rel=1e-4)
    assert abs(scaled.iterations - plain.iterations) <= 25


@pytest.mark.parametrize(("lam", "most"), [(0.5, 250), (0.2, 100), (0.05, 50), (0.01, 50)])
@pytest.mark.parametrize("tv", ["isotropic", "anisotropic"])
def test_few_iterations_do_in_float32(lam: float, most: int, tv: str) -> None:
    cost = noisy_disc(128)
    found = solve_u(cost, lam, tv=tv)
    assert found.iterations <= most
    assert found.gap.item() <= 1e-4 * (abs(found.energy.item()) + 0.01 * cost.abs().sum().item())
    exact = solve_u(cost.double(), lam, tv=tv, tolerance=1e-5)
    assert found.energy.item() == pytest.approx(exact.energy.item(), rel=2e-4)
    assert found.u.dtype == found.dual.dtype == found.energy.dtype == found.gap.dtype == torch.float32


@pytest.mark.parametrize(("mu", "most"), [(0.01, 100), (0.2, 100), (1.0, 75)])
def test_few_iterations_do_with_a_reference(mu: float, most: int) -> None:
    cost = noisy_disc(96)
    reference = (solve_u(cost, 0.1).u > 0.5).float()
    found = solve_u(cost, 0.2, mu=mu, reference=reference)
    assert found.iterations <= most
    exact = solve_u(cost.double(), 0.2, mu=mu, reference=reference, tolerance=1e-6)
    assert found.energy.item() == pytest.approx(exact.energy.item(), rel=2e-4)


@pytest.mark.parametrize(("channels", "most"), [(2, 400), (3, 600), (5, 1500)])
def test_few_iterations_do_with_many_channels(channels: int, most: int) -> None:
    one = noisy_disc(48)
    turned = [torch.zeros_like(one), one, one.roll(12, 3), one.roll(-12, 2), one.roll(12, 2)]
    found = solve_u(torch.cat(turned[:channels], 1), 0.1)
    assert found.iterations <= most
    torch.testing.assert_close(found.u.sum(1), torch.ones(1, 48, 48))


def test_denoises_a_mask() -> None:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 96), torch.linspace(-1, 1, 96), indexing="ij")
    truth, cost = x**2 + y**2 < 0.4, noisy_disc(96)
    errors = [(mask != truth).double().mean().item() for mask in (cost[0, 0] < 0, solve_u(cost, 0.1).u[0, 0] > 0.5)]
    assert errors[0] > 0.1
    assert errors[1] < 0.01


def test_constant_costs_and_costs_with_a_gradient() -> None:
    for value, expected in ((-1.0, 1.0), (1.0, 0.0), (0.0, 0.0)):
        found = solve_u(torch.full((1, 1, 5, 5), value, requires_grad=True), 0.7)
        assert found.u.unique().tolist() == [expected]
        assert found.gap.item() == 0
    found = solve_u(noisy_disc(16).requires_grad_(), 0.2)
    assert found.iterations > 0
    assert not any(part.requires_grad for part in (found.u, found.dual, found.energy, found.gap))


class Impatient(Watch):
    """Says that the time is up after some ticks."""

    ticks = 0

    @property
    def over(self) -> bool:
        return self.ticks >= 3

    def tick(self, text: str = "") -> None:
        self.ticks += 1


def test_stops_when_the_time_is_up() -> None:
    found = solve_u(noisy_disc(32), 0.5, tolerance=0.0, check_every=10, watch=Impatient())
    assert found.iterations == 30
    assert found.gap.item() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lam": -0.1}, "`lam` must be one number >= 0 or one for each of the 2 items, got -0.1"),
        ({"lam": float("nan")}, "`lam` must be"),
        ({"lam": float("inf")}, "`lam` must be"),
        ({"lam": torch.ones(3)}, "`lam` must be"),
        ({"tv": "l1"}, "`tv` must be one of"),
        ({"mu": -1.0}, r"`mu` must be in \[0, inf\), got -1.0"),
        ({"mu": 1.0}, r"`mu` > 0 needs a finite `reference` of the shape of `cost`, \(2, 1, 4, 5\), got None"),
        ({"mu": 1.0, "reference": torch.zeros(1, 1, 4, 5)}, r"got shape \(1, 1, 4, 5\)"),
        ({"mu": 1.0, "reference": torch.full((2, 1, 4, 5), torch.nan)}, "finite `reference`"),
        ({"tolerance": -1.0}, "`tolerance` must be"),
        ({"max_iterations": 0}, "`max_iterations` must be an integer >= 1"),
        ({"check_every": 0}, "`check_every` must be an integer >= 1"),
        ({"weights": (1.0,)}, "`weights` needs one value or 2 values"),
        ({"cost": torch.full((2, 1, 4, 5), torch.nan)}, "`cost` holds values that are not finite"),
        ({"cost": torch.zeros(4, 5)}, r"`cost` must have the shape \(batch, channels, \*spatial\) .* got \(4, 5\)"),
        ({"cost": torch.zeros(2, 1, 0, 5)}, "no empty axis"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], message: str) -> None:
    arguments = {"cost": torch.zeros(2, 1, 4, 5), "lam": 0.1} | options
    with pytest.raises(ValueError, match=message):
        solve_u(arguments.pop("cost"), arguments.pop("lam"), **arguments)


def test_wrong_types_and_starts_are_named() -> None:
    with pytest.raises(TypeError, match=r"`cost` must be float32 or float64, got torch.bfloat16; convert it with .float\(\)"):
        solve_u(torch.zeros(1, 1, 4, 5, dtype=torch.bfloat16), 0.1)
    start = solve_u(random_cost(1, 1, 4, 5), 0.1)
    with pytest.raises(
        ValueError, match=r"`start` solves a problem of shape \(1, 1, 4, 5\), but `cost` has shape \(1, 1, 5, 4\)"
    ):
        solve_u(torch.zeros(1, 1, 5, 4), 0.1, start=start)
    with pytest.raises(ValueError, match="`start` holds values that are not finite"):
        solve_u(torch.zeros(1, 1, 4, 5), 0.1, start=replace(start, u=start.u * torch.nan))
