"""Measurements of all objects at once against numpy and scikit-image, object by object."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from monai_denoiseg.measure import regions as regions_module
from monai_denoiseg.measure.regions import Regions

SHAPES = [(30, 41), (7, 16, 19)]


def random_labels(shape: tuple[int, ...], seed: int, largest: int = 12) -> np.ndarray:
    """Scattered voxels of objects, some below 0, of which single voxels are a few."""
    rng = np.random.default_rng(seed)
    numbers = np.unique(rng.integers(1, largest, 12))
    labels = rng.choice([-1, 0, *numbers], shape)
    labels.reshape(-1)[[5, 90, 91]] = largest, largest + 1, largest + 1
    return labels


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("part", [1, 100, 1 << 22])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint16, np.int32])
def test_statistics_are_those_of_numpy(shape: tuple[int, ...], part: int, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, as far as no sums are rounded; whichever objects are looked at together."""
    monkeypatch.setattr(regions_module, "_PART", part)
    labels = random_labels(shape, 0)
    image = (np.random.default_rng(1).normal(0, 1, shape) * 1000 + 30_000).astype(kind)
    regions = Regions.of(labels)
    assert regions.numbers.tolist() == [n for n in np.unique(labels) if n > 0]
    for number, row, mean in zip(regions.numbers, regions.statistics(image), regions.means(image), strict=True):
        inside = image[labels == number].astype(np.float64)
        low, median, high = np.percentile(inside, [5, 50, 95])
        assert row[[1, 4, 5, 6, 7]].tolist() == [median, inside.min(), inside.max(), low, high]
        assert row[[0, 3]].tolist() == pytest.approx([inside.mean(), inside.sum()], rel=1e-14)
        assert row[2] == pytest.approx(inside.std(), rel=1e-12, abs=1e-9)
        assert mean == pytest.approx(inside.mean(), rel=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("part", [1, 100, 1 << 22])
@pytest.mark.parametrize("largest", [12, 10**9])  # scikit-image alone would make a list up to the largest number
def test_places_are_those_of_scikit_image(
    shape: tuple[int, ...], part: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions_module, "_PART", part)
    labels = random_labels(shape, 2, largest)
    regions = Regions.of(labels)
    low, high = regions.boxes()
    numbered = regions.numbered()
    assert np.array_equal(numbered > 0, labels > 0)
    sizes = [2.0, 0.5, 0.25][: len(shape)]
    found = zip(regionprops(numbered, spacing=sizes), regionprops(numbered), strict=True)
    for i, (scaled, region) in enumerate(found):
        assert (labels[numbered == region.label] == regions.numbers[i]).all()
        assert regions.sizes[i] == region.num_pixels
        assert (*low[i], *high[i]) == region.bbox
        assert regions.centroids()[i].tolist() == pytest.approx(region.centroid, rel=1e-14)
        spread = regions.covariances(sizes)[i]
        inertia = np.trace(spread) * np.eye(len(shape)) - spread
        assert np.allclose(inertia, scaled.inertia_tensor, rtol=1e-10, atol=1e-12)


def test_an_object_with_nan_has_none() -> None:
    labels = np.array([[1, 1, 2, 2]])
    first, second = Regions.of(labels).statistics(np.array([[np.nan, 1.0, 3.0, 3.0]]))
    assert np.isnan(first).all()
    assert second.tolist() == [3, 3, 0, 6, 3, 3, 3, 3]


@pytest.mark.parametrize("shape", [(0, 5), (4, 5), (0, 4, 5)])
def test_nothing(shape: tuple[int, ...]) -> None:
    regions = Regions.of(np.zeros(shape, np.int32))
    assert regions.statistics(np.zeros(shape)).shape == (0, 8)
    assert regions.boxes()[0].shape == regions.centroids().shape == (0, len(shape))
    assert regions.covariances([1.0] * len(shape)).shape == (0, len(shape), len(shape))
