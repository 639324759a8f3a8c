from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.metrics import average_precision, match_instances, precision_recall_f1, seg_score


def random_instances(shape: tuple[int, ...], seed: int, n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Boxes, and a copy where each box is moved, lost or kept; with gaps in the numbers."""
    rng = np.random.default_rng(seed)
    truth, prediction = np.zeros(shape, int), np.zeros(shape, int)
    for number in range(1, n + 1):
        low = np.array([rng.integers(0, size) for size in shape])
        size = rng.integers(2, 7, len(shape))
        truth[tuple(slice(a, a + b) for a, b in zip(low, size, strict=True))] = 3 * number
        if rng.random() < 0.85:
            low = np.maximum(0, low + rng.integers(-1, 2, len(shape)))
            prediction[tuple(slice(a, a + b) for a, b in zip(low, size, strict=True))] = 50 - number
    return truth, prediction


def slow_iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def objects(image: np.ndarray) -> list[np.ndarray]:
    return [image == number for number in np.unique(image) if number > 0]


def slow_counts(truth: np.ndarray, prediction: np.ndarray, threshold: float) -> tuple[int, int, int]:
    trues, predictions = objects(truth), objects(prediction)
    tp = sum(any(slow_iou(t, p) > threshold for p in predictions) for t in trues)
    return tp, len(predictions) - tp, len(trues) - tp


def slow_seg(truth: np.ndarray, prediction: np.ndarray) -> float:
    scores = []
    for t in objects(truth):
        covering = [p for p in objects(prediction) if (t & p).sum() > 0.5 * t.sum()]
        scores.append(slow_iou(t, covering[0]) if covering else 0.0)
    return float(np.mean(scores))


SHAPES = [(40,), (24, 31), (9, 12, 13)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_against_plain_loops(shape: tuple[int, ...], seed: int) -> None:
    truth, prediction = random_instances(shape, seed)
    for threshold in (0.5, 0.6, 0.9):
        tp, fp, fn = slow_counts(truth, prediction, threshold)
        found = match_instances(truth, prediction, threshold)
        assert (found.tp, found.fp, found.fn) == (tp, fp, fn)
        assert len(found.pairs) == len(found.ious) == tp
        for (t, p), iou in zip(found.pairs, found.ious, strict=True):
            assert iou == slow_iou(truth == t, prediction == p) > threshold
        assert average_precision(truth, prediction, threshold) == tp / (tp + fp + fn)
        scores = precision_recall_f1(truth, prediction, threshold)
        assert scores.precision == tp / (tp + fp)
        assert scores.recall == tp / (tp + fn)
        assert scores.f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert seg_score(truth, prediction) == pytest.approx(slow_seg(truth, prediction))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.4567, 0.5432, 0.7123])
def test_against_stardist(shape: tuple[int, ...], threshold: float) -> None:
    matching = pytest.importorskip("stardist.matching").matching
    for seed in range(6):
        truth, prediction = random_instances(shape, seed)
        theirs = matching(truth, prediction, thresh=threshold)
        ours = match_instances(truth, prediction, threshold)
        assert (ours.tp, ours.fp, ours.fn) == (theirs.tp, theirs.fp, theirs.fn)
        assert average_precision(truth, prediction, threshold) == pytest.approx(theirs.accuracy)
        scores = precision_recall_f1(truth, prediction, threshold)
        assert scores == pytest.approx((theirs.precision, theirs.recall, theirs.f1))
        assert ours.ious.sum() == pytest.approx(theirs.mean_true_score * theirs.n_true)


def test_below_one_half_the_most_pairs_win_then_the_most_iou() -> None:
    # two predictions overlap both of two objects: the greedy best pair would leave the others alone
    rng = np.random.default_rng(0)
    for _ in range(30):
        truth = np.sort(rng.integers(0, 4, 24))
        prediction = np.sort(rng.integers(0, 4, 24))
        threshold = float(rng.choice([0.05, 0.2, 0.33]))
        trues, predictions = objects(truth), objects(prediction)
        if len(trues) > len(predictions):
            trues, predictions = predictions, trues
        options = []
        for chosen in permutations(predictions, len(trues)):
            ious = [slow_iou(t, p) for t, p in zip(trues, chosen, strict=True)]
            ious = [iou for iou in ious if iou > threshold]
            options.append((len(ious), sum(ious)))
        found = match_instances(truth, prediction, threshold)
        assert (found.tp, found.ious.sum()) == pytest.approx(max(options, key=lambda option: (option[0], round(option[1], 9))))


def test_published_vector() -> None:
    """Best IoUs 0.8125, 4/19, 7/9, 0 of four objects; the second of its predictions covers more than half of none."""
    truth, prediction = np.zeros(100, int), np.zeros(100, int)
    truth[:16], prediction[:13] = 1, 1  # 13 / 16
    truth[20:34], prediction[30:39] = 2, 2  # 4 / 19
    truth[40:49], prediction[42:49] = 3, 3  # 7 / 9
    truth[60:64], prediction[80:84] = 4, 4
    found = match_instances(truth, prediction)
    assert found[:3] == (2, 2, 2)
    assert sorted(found.ious.tolist()) == pytest.approx([7 / 9, 0.8125])
    assert average_precision(truth, prediction) == pytest.approx(1 / 3)
    assert seg_score(truth, prediction) == pytest.approx((0.8125 + 7 / 9) / 4)


def test_iou_of_exactly_one_half_is_no_match() -> None:
    truth, prediction = np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])
    assert match_instances(truth, prediction, 0.5).tp == 0
    assert match_instances(truth, prediction, 0.49).tp == 1
    assert average_precision(truth, truth, 1.0) == 0  # nothing exceeds 1


def test_covered_exactly_half_scores_nothing() -> None:
    assert seg_score(np.array([1, 1, 1, 1]), np.array([1, 1, 0, 0])) == 0
    assert seg_score(np.array([1, 1, 1, 1]), np.array([1, 1, 1, 0])) == 0.75


def test_two_objects_may_share_one_prediction_in_seg_only() -> None:
    truth, prediction = np.array([1, 1, 1, 2, 2, 2]), np.array([5] * 6)
    assert seg_score(truth, prediction) == 0.5
    assert match_instances(truth, prediction)[:3] == (0, 1, 2)


def test_several_thresholds() -> None:
    truth, prediction = random_instances((24, 31), 0)
    thresholds = [0.5, 0.75, 0.3]
    several = average_precision(truth, prediction, thresholds)
    assert several == [average_precision(truth, prediction, level) for level in thresholds]
    assert several[2] > several[0] > several[1]


EMPTY, ONE = np.zeros((4, 4), int), np.pad([[1]], ((1, 2), (1, 2)))


@pytest.mark.parametrize(
    ("truth", "prediction", "skip", "zero"),
    [(EMPTY, EMPTY, math.nan, math.nan), (EMPTY, ONE, math.nan, 0.0), (ONE, EMPTY, 0.0, 0.0), (ONE, ONE, 1.0, 1.0)],
)
def test_empty_images(truth: np.ndarray, prediction: np.ndarray, skip: float, zero: float) -> None:
    for empty, expected in (("skip", skip), ("zero", zero)):
        scores = [
            average_precision(truth, prediction, empty=empty),
            seg_score(truth, prediction, empty=empty),
            *precision_recall_f1(truth, prediction, empty=empty),
            *average_precision(truth, prediction, [0.3, 0.9], empty=empty),
        ]
        assert scores == pytest.approx([expected] * 7, nan_ok=True)
    assert match_instances(EMPTY, ONE)[:3] == (0, 1, 0)
    assert match_instances(EMPTY, EMPTY, 0.3)[:3] == (0, 0, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_unannotated_voxels_count_for_neither(shape: tuple[int, ...]) -> None:
    truth, prediction = random_instances(shape, 2)
    unknown = np.random.default_rng(0).random(shape) < 0.3
    partial = np.where(unknown, -1, truth)
    cut = match_instances(truth[~unknown], prediction[~unknown])
    found = match_instances(partial, prediction)
    assert found[:4] == cut[:4]
    assert seg_score(partial, prediction) == seg_score(truth[~unknown], prediction[~unknown])
    # a prediction wholly where nobody looked is no false positive
    assert match_instances(np.array([1, 1, -1, -1]), np.array([1, 1, 2, 2]))[:3] == (1, 0, 0)
    assert math.isnan(average_precision(np.full(4, -1), np.array([1, 1, 2, 2]), empty="zero"))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, torch.from_numpy, MetaTensor])
def test_kinds_of_arrays(kind: type) -> None:
    truth, prediction = random_instances((24, 31), 1)
    expected = average_precision(truth, prediction)
    assert average_precision(kind(truth), kind(prediction)) == expected
    assert average_precision(kind(truth[None]), prediction[None]) == expected


def test_large_numbers() -> None:
    truth, prediction = random_instances((24, 31), 1)
    big = np.where(truth > 0, truth + 2**40, 0)
    assert match_instances(big, prediction)[:3] == match_instances(truth, prediction)[:3]
    assert [pair[0] - 2**40 for pair in match_instances(big, prediction).pairs] == [
        pair[0] for pair in match_instances(truth, prediction).pairs
    ]
    assert seg_score(big, prediction) == seg_score(truth, prediction)


@pytest.mark.parametrize(
    ("truth", "prediction", "error", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), ValueError, r"same shape, got \(2, 3\) and \(3, 2\)"),
        (np.zeros(4, bool), np.zeros(4, int), TypeError, "`truth` is boolean.*skimage.measure.label"),
        (np.zeros(4, int), np.full(4, 0.5), TypeError, r"`prediction` must hold whole numbers.*0\.5"),
        (np.full(4, -2), np.zeros(4, int), ValueError, "`truth` must be >= -1, got -2"),
        (np.zeros(4, int), np.full(4, -1), ValueError, "`prediction` must be >= 0, got -1"),
    ],
)
def test_no_instances(truth: np.ndarray, prediction: np.ndarray, error: type[Exception], message: str) -> None:
    for score in (match_instances, average_precision, precision_recall_f1, seg_score):
        with pytest.raises(error, match=message):
            score(truth, prediction)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"`threshold` must be in \[0, 1\], got 1.5"):
        average_precision(ONE, ONE, [0.5, 1.5])
    with pytest.raises(ValueError, match=r"`threshold` must be in \[0, 1\]"):
        match_instances(ONE, ONE, -0.1)
    for score in (average_precision, precision_recall_f1, seg_score):
        with pytest.raises(ValueError, match="did you mean 'skip'"):
            score(ONE, ONE, empty="skp")
