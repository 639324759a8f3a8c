"""ThresholdSearch against a plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer
from monai_denoiseg.handlers import ThresholdSearch
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot, ProbabilitiesToInstances

PLAIN = ProbabilitiesToInstances(rule="paper", min_size=0, split_neck=0)


def network(spatial_dims: int = 2) -> DenoiSegNet:
    return DenoiSegNet(spatial_dims, depth=1, features=4)


def case(seed: int, spatial_dims: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``(3, ...)`` and true instances ``(1, ...)`` that have to do with each other."""
    random = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(random.random([48 // spatial_dims] * spatial_dims), 2)
    truth = ndimage.label(blobs > np.quantile(blobs, 0.75))[0]
    foreground = ndimage.gaussian_filter((truth > 0) + random.normal(0, 0.6, truth.shape), 1).clip(0.01, 0.99)
    border = 0.3 * (1 - foreground)
    return np.stack([1 - foreground - border, foreground, border]).astype(np.float32), truth[None].astype(np.int32)


def ious(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    table = np.zeros((truth.max(), found.max()))
    for t, f in np.ndindex(table.shape):
        one, other = truth == t + 1, found == f + 1
        table[t, f] = (one & other).sum() / (one | other).sum()
    return table


def plain_scores(truth: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    table = ious(truth, found)
    tp = int((table[linear_sum_assignment(table > 0.5, maximize=True)] > 0.5).sum()) if table.size else 0
    ap = tp / (table.shape[0] + table.shape[1] - tp)
    seg = 0.0
    for t in range(1, truth.max() + 1):
        for f in range(1, found.max() + 1):
            common = ((truth == t) & (found == f)).sum()
            if common > 0.5 * (truth == t).sum():
                seg += table[t - 1, f - 1]
    return ap, seg / truth.max()


@pytest.mark.parametrize(("spatial_dims", "thresholds"), [(2, [0.2, 0.35, 0.5, 0.65, 0.8]), (3, [0.3, 0.5, 0.7])])
def test_same_choice_as_a_plain_loop(spatial_dims: int, thresholds: list[float]) -> None:
    net, cases = network(spatial_dims), [case(seed, spatial_dims) for seed in range(2)]
    search = ThresholdSearch(net, PLAIN, thresholds[::-1])
    means = []
    for threshold in thresholds:
        scores = []
        for probabilities, truth in cases:
            found = ndimage.label(probabilities[1] > threshold)[0]
            scores.append(plain_scores(truth[0], found))
        means.append(np.mean(scores, 0))
    for probabilities, truth in cases:
        search.add(torch.from_numpy(probabilities), torch.from_numpy(truth))
    chosen = search.choose()
    table, objects = np.array(means), sum(int(truth.max()) for _, truth in cases)
    worth = [
        [objects * mean - 20 * (threshold - 0.6) ** 2 for mean in row] for threshold, row in zip(thresholds, means, strict=True)
    ]
    best = [max(i for i in range(len(thresholds)) if worth[i][k] == max(row[k] for row in worth)) for k in (0, 1)]
    assert 0 < table[best[0], 0] < 1
    assert chosen["ap"] == pytest.approx(table[best[0], 0], abs=1e-5)
    assert chosen["seg"] == pytest.approx(table[best[1], 1], abs=1e-5)
    assert chosen["threshold"] == thresholds[best[0]]
    assert net.threshold.tolist() == pytest.approx([thresholds[i] for i in best])


@pytest.mark.parametrize(("thresholds", "chosen"), [([0.1, 0.4, 0.7, 0.9], 0.7), ([0.1, 0.2, 0.9], 0.2), ([0.35, 0.85], 0.85)])
def test_of_equals_the_nearest_to_the_usual_one_then_the_highest(thresholds: list[float], chosen: float) -> None:
    net = network()
    truth = torch.zeros(1, 8, 8, dtype=torch.int32)
    truth[:, 2:6, 2:6] = 1
    probabilities = torch.stack([truth[0] == 0, 0.87 * (truth[0] == 1), 0.0 * truth[0]]).float()
    search = ThresholdSearch(net, PLAIN, thresholds)
    search.add(probabilities, truth)
    assert search.choose() == {"ap": 1.0, "seg": 1.0, "threshold": chosen, "ap_error": pytest.approx((2 / 27) ** 0.5)}  # 1 of 1
    assert net.threshold.tolist() == pytest.approx([chosen, chosen])


@pytest.mark.parametrize(("n", "chosen"), [(8, 0.6), (80, 0.2)])
def test_many_objects_choose_freely_a_few_do_not(n: int, chosen: float) -> None:
    """One object of four is as faint as 0.3: 60 · 0.4² = 9.6 is less than 80 log 4/3 = 23 and more than 8 log 4/3 = 2.3."""
    truth = torch.zeros(1, 2, 2 * n, dtype=torch.int32)
    truth[0, 0, ::2] = torch.arange(1, n + 1)
    foreground = torch.zeros(2, 2 * n)
    foreground[0, ::2] = torch.where(torch.arange(n) % 4 == 0, 0.3, 0.9)
    search = ThresholdSearch(network(), PLAIN, [0.2, 0.6, 0.8])
    search.add(torch.stack([1 - foreground, foreground, 0 * foreground]), truth)
    found = search.choose()
    assert found["threshold"] == chosen
    assert found["ap"] == pytest.approx(1.0 if chosen == 0.2 else 0.75)
    assert search.network.threshold.tolist() == pytest.approx([chosen, chosen])


def test_ap_and_seg_may_want_different_thresholds() -> None:
    """Faint rims and faint specks: the low threshold gives the objects a good overlap, the high one the better count."""
    n = 6
    truth = torch.zeros(1, 4, 12 * n, dtype=torch.int32)
    foreground = torch.zeros(4, 12 * n)
    for i in range(n):
        at = 12 * i
        truth[:, :, at + 1 : at + 6] = i + 1
        foreground[:, at + 1 : at + 4], foreground[:, at + 4 : at + 6], foreground[0, at + 8], foreground[0, at + 10] = (
            0.9,
            0.5,
            0.6,
            0.6,
        )
    search = ThresholdSearch(network(), PLAIN, [0.4, 0.7])
    search.add(torch.stack([1 - foreground, foreground, 0 * foreground]), truth)
    error = (7 / 8 * 1 / 8 / 8) ** 0.5  # six of six
    assert search.choose() == {"ap": 1.0, "seg": 1.0, "threshold": 0.7, "ap_error": pytest.approx(error)}
    assert search.network.threshold.tolist() == pytest.approx([0.7, 0.4])


@pytest.mark.parametrize(("level", "chosen"), [(0.25, 0.2), (0.05, 0.6)])
def test_a_faint_network_is_not_held_where_it_finds_nothing(level: float, chosen: float) -> None:
    """One object, found at the lowest threshold alone: some object is worth any pull. Nothing found anywhere: the usual one."""
    truth = torch.zeros(1, 8, 8, dtype=torch.int32)
    truth[:, 2:6, 2:6] = 1
    foreground = level * (truth[0] == 1)
    search = ThresholdSearch(network(), PLAIN, [0.1, 0.2, 0.6, 0.9] if chosen == 0.2 else [0.2, 0.6, 0.9])
    search.add(torch.stack([1 - foreground, foreground, 0 * foreground]), truth)
    found = search.choose()
    assert (found["threshold"], found["ap"]) == (chosen, float(chosen == 0.2))


@pytest.mark.parametrize(("n", "hits"), [(30, 24), (6, 6), (200, 150)])
def test_error_of_ap_is_that_of_a_share_of_the_objects(n: int, hits: int) -> None:
    """Objects of one pixel, found or not: how far would AP waver had others been annotated? Drawn, not reckoned."""
    truth = torch.zeros(1, 2, 2 * n, dtype=torch.int32)
    truth[0, 0, ::2] = torch.arange(1, n + 1)
    foreground = torch.zeros(2, 2 * n)
    foreground[0, : 2 * hits : 2] = 0.9
    search = ThresholdSearch(network(), PLAIN, [0.5])
    search.add(torch.stack([1 - foreground, foreground, 0 * foreground]), truth)
    chosen = search.choose()
    assert chosen["ap"] == pytest.approx(hits / n)
    random = np.random.default_rng(0)
    likely = random.beta(hits + 1, n - hits + 1, 200_000)  # what the share may be, all being alike before
    assert chosen["ap_error"] == pytest.approx(likely.std(), rel=0.03 if n > 6 else 0.08)


def test_images_without_objects_do_not_count_and_ignored_voxels_neither() -> None:
    probabilities, truth = (torch.from_numpy(a) for a in case(0))
    search = ThresholdSearch(network(), PLAIN, [0.3, 0.6])
    search.add(probabilities, truth)
    alone = search.choose()
    search.add(probabilities, torch.zeros_like(truth))
    search.add(probabilities, torch.full_like(truth, -1))
    assert search.choose() == alone


def evaluate(net: DenoiSegNet, data: list[dict[str, Any]], search: ThresholdSearch) -> dict[str, float]:
    engine = DenoiSegEvaluator("cpu", data, net, DenoiSegInferer(), BlindSpotBatch(BlindSpot()), val_handlers=[search], amp="off")
    engine.run()
    return dict(engine.state.metrics)


def test_no_labelled_image() -> None:
    net = network()
    net.threshold.copy_(torch.tensor([0.3, 0.4]))
    item = {"image": torch.rand(1, 1, 16, 16), "label": torch.full((1, 1, 16, 16), -1)}
    metrics = evaluate(net, [item], ThresholdSearch(net, PLAIN))
    assert np.isnan(metrics["ap"])
    assert np.isnan(metrics["seg"])
    assert np.isnan(metrics["ap_error"])
    assert metrics["threshold"] == pytest.approx(0.3)
    assert net.threshold.tolist() == pytest.approx([0.3, 0.4])


def test_attached_it_forgets_the_validation_before() -> None:
    net = network()
    truth = torch.zeros(1, 1, 16, 16, dtype=torch.int32)
    truth[..., 4:12, 4:12] = 1
    item = {"image": torch.rand(1, 1, 16, 16), "label": truth, "instances": truth}
    search = ThresholdSearch(net, PLAIN, [0.2, 0.5])
    first = evaluate(net, [item, item], search)
    assert evaluate(net, [item, item], search) == first
    assert len(search._rows) == len(search._objects) == 2


@pytest.mark.parametrize(("thresholds", "message"), [([], "`thresholds` is empty"), ([0.5, 1.0], "thresholds"), ([0.0], "0")])
def test_candidates_are_checked(thresholds: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ThresholdSearch(network(), PLAIN, thresholds)


def test_the_callable_gets_the_voxel_size_of_the_item() -> None:
    asked: list[Any] = []

    def instances(probabilities: Any, threshold: float, spacing: Any = None) -> Any:
        asked.append(None if spacing is None else torch.as_tensor(spacing).tolist())
        return PLAIN(probabilities, threshold)

    net, truth = network(3), torch.ones(1, 1, 8, 8, 8, dtype=torch.int32)
    item = {"image": torch.rand(truth.shape), "label": truth, "instances": truth}
    evaluate(net, [item | {"spacing": torch.tensor([[4.0, 1.0, 1.0]])}, item], ThresholdSearch(net, instances, [0.5]))
    assert asked == [[4, 1, 1], None]


def test_stardist_searches_overlap_too() -> None:
    """Against every pair, one by one."""
    from monai_denoiseg.metrics import average_precision, seg_score
    from monai_denoiseg.transforms import StarLabel, StarsToInstances, star_rays

    rays = star_rays(16, 2)
    net = DenoiSegNet(2, depth=1, features=4, rays=rays)
    rule, random = StarsToInstances(rays), np.random.default_rng(0)
    thresholds = (0.2, 0.5, 0.8)
    search = ThresholdSearch(net, rule, thresholds)
    scores: dict[tuple[float, float], list[list[float]]] = {}
    for seed in range(2):
        _, truth = case(seed)
        stars = StarLabel(rays)(torch.from_numpy(truth))
        noisy = (stars + 0.3 * torch.from_numpy(random.normal(size=stars.shape).astype(np.float32)) * (stars > 0)).clamp(min=1e-3)
        noisy[0].clamp_(max=1)
        search.add(noisy, torch.from_numpy(truth))
        for pair in [(t, o) for t in thresholds for o in rule.overlaps]:
            found = torch.as_tensor(rule(noisy, threshold=pair[0], overlap=pair[1]))
            scores.setdefault(pair, []).append(
                [float(score(torch.from_numpy(truth), found)) for score in (average_precision, seg_score)]
            )
    metrics = search.choose()
    objects = sum(int(case(seed)[1].max()) for seed in range(2))
    means = {pair: np.mean(rows, 0) for pair, rows in scores.items()}
    for index, name in enumerate(["ap", "seg"]):
        worth = {pair: objects * np.log(float(mean[index])) - 60 * (pair[0] - 0.6) ** 2 for pair, mean in means.items()}
        chosen = (round(float(net.threshold[index]), 4), round(float(net.overlap[index]), 4))
        assert worth[chosen] == pytest.approx(max(worth.values()), abs=1e-4)
        assert metrics[name] == pytest.approx(float(means[chosen][index]), abs=1e-6)
