from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_denoiseg.self2seg.experts import make_experts
from monai_denoiseg.self2seg.linear_expert import LinearExpert
from monai_denoiseg.self2seg.run import Rules, Run
from monai_denoiseg.self2seg.watch import Watch


class Told:
    """Predicts what it is told, step by step, and keeps the weights it is given."""

    def __init__(self, predictions: list[Tensor], soft: bool = True, penalty: float = 0.0) -> None:
        self.predictions, self.soft, self.penalty = predictions, soft, penalty
        self.weights: list[Tensor] = []

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        self.weights.append(weights.clone())
        return self.predictions[min(len(self.weights), len(self.predictions)) - 1]


class Seeing(Told):
    """Also has a denoised image that differs from its prediction."""

    def __init__(self, predictions: list[Tensor], denoised: Tensor) -> None:
        super().__init__(predictions)
        self.denoised = denoised


def noisy_square(noise: float = 0.3) -> Tensor:
    image = noise * torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    image[:, 4:12, 4:12] += 1
    return image


def halves(image: Tensor, n_regions: int = 2) -> Tensor:
    """Masks of upright bars."""
    width = image.shape[-1]
    bars = (torch.arange(width) * n_regions // width).expand(image.shape[1:])
    return torch.stack([bars == region for region in range(n_regions)])


def test_soft_experts_get_memberships_and_others_the_mask() -> None:
    image = noisy_square()
    soft, hard = Told([image * 0, image * 0]), Told([image * 0 + 0.9], soft=False)
    run = Run(image, [soft, hard], halves(image), Rules(0.05), Watch())
    for step in (1, 2):
        run.learn()
        run.cut(step)
    run.learn()
    assert torch.equal(soft.weights[0], halves(image)[0].float())
    assert torch.equal(hard.weights[0], halves(image)[1].float())
    assert torch.equal(soft.weights[-1], 1 - run.u[0])
    assert torch.equal(hard.weights[-1], (run.u[0] > 0.5).float())
    assert not torch.equal(soft.weights[-1], soft.weights[-1].round())  # really soft


@pytest.mark.parametrize("n_regions", [2, 3])
def test_the_record_by_hand(n_regions: int) -> None:
    image = torch.cat([noisy_square(), 3 * noisy_square(0.1)])
    predictions = [torch.full_like(image, float(level)) for level in range(n_regions)]
    experts = [Told([p], penalty=0.5) for p in predictions]
    run = Run(image, experts, halves(image, n_regions), Rules(0.1), Watch())
    run.learn()
    run.cut(1)
    record, scale = run.records[0], float(image.max() - image.min())
    shares = torch.cat([1 - run.u, run.u]) if n_regions == 2 else run.u
    fit = sum(float((shares[r] * (image - p).square().sum(0)).sum()) for r, p in enumerate(predictions)) / scale**2
    assert record.fit == pytest.approx(fit + 0.5 * n_regions, rel=1e-5)
    assert record.energy == pytest.approx(0.1 * record.tv + record.fit, rel=1e-12)
    assert record.changed == float((halves(image, n_regions).int().argmax(0) != run.labels).double().mean())
    assert (record.step, record.lam) == (1, 0.1)
    assert 0 <= record.gap < 1e-3 * record.energy


def test_denoised_is_the_sum_of_memberships_times_predictions() -> None:
    image = 1000 * noisy_square() + 5
    experts = [Told([image * 0 + 5]), Seeing([image * 0 + 1005], image + 1)]
    run = Run(image, experts, halves(image), Rules(0.05), Watch())
    run.learn()
    run.cut(1)
    result = run.result()
    torch.testing.assert_close(result.predictions[1], image + 1)  # the denoised image, where an expert has one
    expected = (1 - result.u[0]) * 5 + result.u[0] * (image + 1)
    torch.testing.assert_close(result.denoised, expected)
    assert bool((result.labels[6:10, 6:10] == 1).all())  # the prediction, not the denoised image, is compared


def three_steps(image: Tensor, last: float) -> Run:
    """The foreground's expert is right, then a little worse, then says ``last``."""
    foreground = Told([image * 0 + value for value in (1.0, 0.9, last)])
    run = Run(image, [Told([image * 0]), foreground], halves(image), Rules(0.05, [0.05, 0.1]), Watch())
    for step in (1, 2, 3):
        run.learn()
        run.cut(step)
    return run


@pytest.mark.parametrize(("stopped", "chosen"), [("time", 1.0), ("empty", 0.9), ("mask", 7.0), ("", 7.0)])
def test_which_step_is_returned(stopped: str, chosen: float) -> None:
    """When the time was over the step of the lowest energy, for a vanished region the last before it, else the last."""
    run = three_steps(noisy_square(0.1), last=7.0)
    energies = [record.energy for record in run.records]
    assert energies[0] < energies[1] < energies[2]
    result = run.result(stopped)
    assert float(result.predictions[1].mean()) == pytest.approx(chosen)
    assert (int(result.labels.sum()) == 0) == (chosen == 7.0)
    assert len(result.records) == 3
    assert result.path is not None  # asked for, so it is there whatever the end
    assert result.path.lams == [0.05, 0.1]


def test_the_path_belongs_to_the_last_cut() -> None:
    """Experts that have gone on since (and were stopped, perhaps) are not what the masks were found with."""
    image = noisy_square(0.1)
    foreground = Told([image * 0 + 1, image * 0 + 7])
    run = Run(image, [Told([image * 0]), foreground], halves(image), Rules(0.1, [0.1, 0.2]), Watch())
    run.learn()
    run.cut(1)
    run.learn()
    path = run.result().path
    assert path is not None
    assert torch.equal(path.labels[0], run.labels)


def test_the_chosen_weight_is_used() -> None:
    image = noisy_square(0.4)
    masks = torch.stack([image[0] <= 0.5, image[0] > 0.5])
    run = Run(image, make_experts(["constant"] * 2), masks, Rules(None, [0.001, 0.05, 3.0]), Watch())
    run.learn()
    run.cut(1)
    result = run.result()
    assert result.path is not None
    assert result.lam == run.records[0].lam == result.path.lam
    assert torch.equal(result.path.labels[result.path.chosen], result.labels)


def test_a_vanished_region() -> None:
    image = noisy_square()
    run = Run(image, [Told([image]), Told([image * 0])], halves(image), Rules(0.1), Watch())
    run.learn()
    assert not run.has_empty_region()
    run.cut(1)
    assert run.has_empty_region()


@pytest.mark.parametrize("n_regions", [2, 3])
@pytest.mark.parametrize(("mu", "worse"), [(0.0, 10.0), (0.5, 10.0), (0.0, 0.1)])
def test_held_pixels_stay_against_the_data(n_regions: int, mu: float, worse: float) -> None:
    """Single pixels whose own expert is the worst by far, and a boundary so dear that nothing else is cut out."""
    image = noisy_square()
    held = torch.zeros(n_regions, 16, 16, dtype=torch.bool)
    for region in range(n_regions):
        held[region, 3 * region + 1, 2] = held[region, 8, 3 * region + 5] = True
    predictions = [image] + [image + worse] * (n_regions - 1)
    rules = Rules(4.0, [1.0, 4.0], mu=mu)
    run = Run(image, [Told([p]) for p in predictions], held, rules, Watch(), held)
    run.learn()
    run.cut(1)
    path = run.result().path
    assert path is not None
    for labels in (run.labels, *path.labels):
        assert torch.equal(labels[held.any(0)], held.int().argmax(0)[held.any(0)])
        if worse == 10.0:  # else the data hardly say which region surrounds the others
            assert int((labels > 0).sum()) == 2 * (n_regions - 1)


def test_a_copy_goes_on_alone() -> None:
    image = noisy_square()
    run = Run(image, [LinearExpert(1), LinearExpert(1)], halves(image), Rules(0.1), Watch())
    run.learn()
    twin = run.copy(Rules(5.0))
    twin.cut(1)
    penalty = run.experts[0].penalty
    twin.learn()
    assert run.experts[0].penalty == penalty != twin.experts[0].penalty
    assert run.records == []
    assert run.solution is None
    run.cut(1)
    assert (run.records[0].lam, twin.records[0].lam) == (0.1, 5.0)
    fresh = Run(image, [LinearExpert(1), LinearExpert(1)], halves(image), Rules(0.1), Watch())
    fresh.learn()
    fresh.cut(1)
    assert torch.equal(fresh.u, run.u)


def test_tiny_and_huge_units() -> None:
    image = noisy_square()
    labels = []
    for unit in (1.0, 1e-22, 1e25):
        masks = torch.stack([image[0] <= 0.5, image[0] > 0.5])
        run = Run(image * unit, make_experts(["constant"] * 2), masks, Rules(0.05), Watch())
        run.learn()
        run.cut(1)
        labels.append(run.labels)
    assert 50 < int(labels[0].sum()) < 80
    assert torch.equal(labels[0], labels[1])
    assert torch.equal(labels[0], labels[2])
