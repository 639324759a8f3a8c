from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.transforms import StarLabel, StarsToInstances, star_rays


def objects(shape: tuple[int, ...], n: int = 8, seed: int = 0, radius: float = 4.5) -> np.ndarray:
    """Balls apart from each other and from the border."""
    rng, label, grid = np.random.default_rng(seed), np.zeros(shape, np.int32), np.stack(np.indices(shape), -1)
    number = 0
    for _ in range(n):
        centre = [rng.uniform(radius + 1, size - radius - 1) for size in shape]
        away = np.sqrt(((grid - centre) ** 2).sum(-1))
        if not label[away < radius + 2].any():
            number += 1
            label[away < radius] = number
    return label


def predicted(label: np.ndarray, rays: np.ndarray) -> torch.Tensor:
    """A perfect prediction, without the half voxel and more that 3D distances go beyond the outline."""
    stars = torch.as_tensor(StarLabel(rays)(torch.tensor(label)[None]))
    if label.ndim == 3:
        stars[1:] = (stars[1:] - 0.7).clamp(min=0)
    return stars


def same_objects(found: np.ndarray, truth: np.ndarray) -> bool:
    """One for one, each with an IoU of at least 0.7."""
    pairs = [(found[truth == number], number) for number in range(1, truth.max() + 1)]
    matched = {int(np.bincount(inside).argmax()): number for inside, number in pairs}
    iou = [((found == a) & (truth == b)).sum() / ((found == a) | (truth == b)).sum() for a, b in matched.items()]
    return found.max() == truth.max() == len(matched) and min(iou, default=1) > 0.7


@pytest.mark.parametrize(
    ("shape", "n_rays"), [((60, 80), 32), ((60, 80), 8), ((61, 33), 64), ((22, 30, 33), 66), ((22, 30, 33), 96)]
)
def test_a_perfect_prediction_gives_the_objects_back(shape: tuple[int, ...], n_rays: int) -> None:
    label, rays = objects(shape), star_rays(n_rays, len(shape))
    prediction = predicted(label, rays)
    found = StarsToInstances(rays)(prediction)
    assert found.dtype == torch.int32
    assert found.shape == (1, *shape)
    assert same_objects(found[0].numpy(), label)
    assert torch.equal(StarsToInstances()(prediction), found)  # the rays follow from the number of channels


@pytest.mark.parametrize("shape", [(60, 80), (18, 30, 33)])
def test_levels_equal_single_calls(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    rays = star_rays(18 if len(shape) == 3 else 16, len(shape))
    prediction = predicted(objects(shape), rays)
    prediction[0] = (prediction[0] + torch.tensor(rng.normal(0, 0.2, shape))).clamp(0, 2) / 2
    prediction[1:] *= torch.tensor(rng.uniform(0.6, 1.4, prediction[1:].shape))
    rule = StarsToInstances(rays, min_size=6)
    thresholds = [0.6, 0.2, 0.4]
    levels = list(rule.at_levels(prediction, thresholds))
    assert [level[:2] for level in levels] == [(t, o) for o in (0.3, 0.4, 0.5) for t in thresholds]
    for threshold, overlap, labels in levels:
        assert torch.equal(labels, rule(prediction, threshold, overlap=overlap))
    assert len({int(labels.max()) for *_, labels in levels}) > 1


def test_as_stardist_from_prediction_to_labels() -> None:
    nms, geometry = pytest.importorskip("stardist.nms"), pytest.importorskip("stardist.geometry")
    rng, rays = np.random.default_rng(0), star_rays(32, 2)
    prediction = predicted(objects((90, 110), 30, radius=6), rays).numpy()
    prediction[0] = (prediction[0] + rng.normal(0, 0.03, prediction.shape[1:])).clip(0.001, 1)
    prediction[0] *= rng.uniform(0.999, 1, prediction.shape[1:])  # no ties
    prediction[1:] = np.maximum(prediction[1:] * rng.normal(1, 0.05, prediction[1:].shape), 1e-3)
    points, chances, distances = nms.non_maximum_suppression(
        np.moveaxis(prediction[1:], 0, -1), prediction[0], nms_thresh=0.4, prob_thresh=0.5
    )
    theirs = geometry.polygons_to_label(distances, points, (90, 110), prob=chances)
    assert theirs.max() > 8
    np.testing.assert_array_equal(StarsToInstances(rays)(prediction)[0], theirs)


def test_threshold_overlap_and_their_defaults() -> None:
    prediction = torch.zeros(9, 12, 20)
    prediction[1:] = 3
    prediction[0, 6, 6], prediction[0, 6, 10] = 0.9, 0.6
    rule = StarsToInstances(star_rays(8, 2))
    assert (rule.threshold, rule.options, rule.units) == (0.5, {"overlap": 0.4, "min_size": 0}, "voxel")
    assert rule(prediction).max() == 2
    assert rule(prediction, threshold=0.6).max() == 1  # above, not at
    assert rule(prediction, overlap=0.1).max() == 1
    assert StarsToInstances(star_rays(8, 2), 0.7)(prediction).max() == 1
    assert StarsToInstances(star_rays(8, 2), overlap=0.1)(prediction, spacing=[1.0, 2.0]).max() == 1


def test_numbers_have_no_gaps_and_small_ones_are_dropped() -> None:
    prediction = torch.zeros(9, 12, 30)
    prediction[1:] = 3
    for column, probability, radius in ((5, 0.9, 0.5), (13, 0.8, 3.0), (21, 0.7, 1.2)):
        prediction[0, 6, column], prediction[1:, 6, column] = probability, radius
    everything = StarsToInstances()(prediction)
    assert [int(everything[0, 6, column]) for column in (5, 13, 21)] == [1, 2, 3]
    large = StarsToInstances(min_size=4)(prediction)
    assert [int(large[0, 6, column]) for column in (5, 13, 21)] == [0, 1, 2]


def test_none_one_voxel_and_everything() -> None:
    for shape, n_rays in (((9, 12), 8), ((9, 10, 11), 18)):
        rule = StarsToInstances(star_rays(n_rays, len(shape)))
        prediction = torch.full((1 + n_rays, *shape), 1e-4)
        assert not rule(prediction).any()
        prediction[(0, *(4 for _ in shape))] = 1
        assert rule(prediction).sum() == 1
        prediction[0] = 0.7  # an untrained network: all voxels are candidates, all distances 0
        inner = np.prod([size - 4 for size in shape])
        assert rule(prediction).max() == inner
        prediction[1:] = 1e6
        assert rule(prediction).unique().tolist() == [1]


def test_border_as_stardist_but_not_for_thin_images() -> None:
    prediction = torch.full((9, 12, 12), 1e-3)
    prediction[0] = 1
    assert StarsToInstances()(prediction)[0].nonzero().aminmax(dim=0)[0].tolist() == [2, 2]
    slice_of_3d = torch.full((19, 1, 12, 6), 1e-3)
    slice_of_3d[0] = 1
    low, high = StarsToInstances()(slice_of_3d)[0].nonzero().aminmax(dim=0)
    assert (low.tolist(), high.tolist()) == ([0, 2, 1], [0, 9, 4])


def test_one_slice_in_3d() -> None:
    label = objects((40, 50))[None]
    rays = star_rays(66, 3)
    assert same_objects(StarsToInstances(rays)(predicted(label, rays))[0].numpy(), label)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_types(dtype: torch.dtype) -> None:
    rays, label = star_rays(8, 2), objects((40, 40), 4)
    prediction = predicted(label, rays).to(dtype)
    found = StarsToInstances(torch.tensor(rays))(MetaTensor(prediction, affine=torch.eye(3) * 3))
    assert isinstance(found, MetaTensor)
    assert found.dtype == torch.int32
    assert torch.equal(found.affine, torch.eye(3, dtype=found.affine.dtype) * 3)
    assert same_objects(found[0].numpy(), label)
    assert isinstance(StarsToInstances(rays.tolist())(prediction.float().numpy()), np.ndarray)
    more = torch.cat([prediction, prediction[:1]])  # a denoised channel
    assert torch.equal(StarsToInstances(rays)(more), found.as_tensor())


def test_errors() -> None:
    rays = star_rays(8, 2)
    for shape in ((8, 5, 5), (9, 5), (9, 5, 5, 5)):
        with pytest.raises(ValueError, match=r"`prediction` must have the shape \(9, for 2 spatial axes, \[D,\] H, W\), got"):
            StarsToInstances(rays)(torch.zeros(shape))
    with pytest.raises(ValueError, match="`n_rays` must be an integer >= 3, got 2"):
        StarsToInstances()(torch.zeros(3, 5, 5))
    for value in (1.5, -3.0, float("nan")):
        with pytest.raises(ValueError, match=r"the object probability must be in \[0, 1\], got .* apply a sigmoid"):
            StarsToInstances(rays)(torch.full((9, 5, 5), value))
    odd = torch.zeros(9, 5, 5)
    odd[3, 2, 2] = float("nan")
    with pytest.raises(ValueError, match="`prediction` holds distances that are NaN"):
        StarsToInstances(rays)(odd)
    for name in ("threshold", "overlap"):
        with pytest.raises(ValueError, match=rf"`{name}` must be in \[0, 1\], got 1.5"):
            StarsToInstances(rays, **{name: 1.5})
        with pytest.raises(ValueError, match=rf"`{name}` must be in \[0, 1\], got 1.5"):
            StarsToInstances(rays)(torch.zeros(9, 5, 5), **{name: 1.5})
    with pytest.raises(ValueError, match="`min_size` must be an integer >= 0, got -1"):
        StarsToInstances(rays, min_size=-1)
    with pytest.raises(ValueError, match=r"`rays` must have the shape \(n_rays, 2 or 3\), got \(2,\)"):
        StarsToInstances(rays[0])
