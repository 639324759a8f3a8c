from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops

from monai_denoiseg.measure import measure_labels

SHAPES = [((40, 50), (0.5, 0.25)), ((8, 20, 24), (2.0, 0.5, 0.25))]


def blocks(shape: tuple[int, ...], seed: int, n: int = 15) -> np.ndarray:
    """Random boxes, with gaps in the numbers; some are cut in pieces by others."""
    rng, labels = np.random.default_rng(seed), np.zeros(shape, np.int32)
    for number in range(1, n + 1):
        low = [rng.integers(0, size - 3) for size in shape]
        labels[tuple(slice(a, a + rng.integers(3, 9)) for a in low)] = 3 * number
    return labels


@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
@pytest.mark.parametrize("known", [True, False])
def test_equals_scipy_and_skimage(shape: tuple[int, ...], spacing: tuple[float, ...], known: bool) -> None:
    rng, labels = np.random.default_rng(1), blocks(shape, 1)
    raw, denoised = rng.integers(0, 60_000, (2, *shape)).astype(np.float32), rng.random((1, *shape)).astype(np.float32)
    table = measure_labels(labels, raw, denoised, spacing=spacing if known else None, unit="um", measure="all")
    numbers = [n for n in np.unique(labels) if n]
    assert table["label"].tolist() == numbers
    assert set(table["structure"]) == {"object"}
    size = "area" if len(shape) == 2 else "volume"
    assert next(column for column in table if column.startswith(size)) == size  # the first one counts voxels
    assert table[size].tolist() == [(labels == n).sum() for n in numbers]
    assert (f"{size}_um{len(shape)}" in table) == known
    if known:
        assert np.array_equal(table[f"{size}_um{len(shape)}"], table[size] * np.prod(spacing))
    for channel, image in (("raw_1", raw[0]), ("raw_2", raw[1]), ("denoised", denoised[0])):
        wide = image.astype(np.float64)
        for name, score in (
            ("mean", ndimage.mean),
            ("median", ndimage.median),
            ("min", ndimage.minimum),
            ("max", ndimage.maximum),
        ):
            assert table[f"{name}_{channel}"].tolist() == pytest.approx(score(wide, labels, numbers).tolist(), rel=1e-14)
        assert table[f"sum_{channel}"].tolist() == pytest.approx(ndimage.sum_labels(wide, labels, numbers).tolist(), rel=1e-14)
        assert table[f"std_{channel}"].tolist() == pytest.approx(ndimage.standard_deviation(wide, labels, numbers).tolist())
        assert table[f"p95_{channel}"].tolist() == [np.percentile(wide[labels == n], 95) for n in numbers]
    centres = np.array(ndimage.center_of_mass(np.ones(shape), labels, numbers))
    assert np.allclose(table[[f"centroid_{axis}" for axis in "zyx"[-len(shape) :]]], centres, rtol=1e-12)
    for row, region in zip(table.to_dict("records"), regionprops(labels, spacing=spacing if known else None), strict=True):
        end = "um" if known else "px"
        assert row[f"major_axis_{end}"] == pytest.approx(region.axis_major_length, rel=1e-12)
        assert row[f"minor_axis_{end}"] == pytest.approx(region.axis_minor_length, rel=1e-9, abs=1e-6)
        assert row[f"diameter_{end}"] == pytest.approx(region.equivalent_diameter_area, rel=1e-14)
        flat = len(shape) == 3 and 1 in region.image.shape
        assert np.isnan(row["solidity"]) if flat else row["solidity"] == region.solidity
        box = [*(row[f"bbox_{a}_min"] for a in "zyx"[-len(shape) :]), *(row[f"bbox_{a}_max"] for a in "zyx"[-len(shape) :])]
        assert tuple(box) == region.bbox
        inside = np.pad((labels == row["label"])[(slice(1, -1),) * len(shape)], 1)
        assert row["touches_border"] == ((labels == row["label"]) & ~inside).any()


def test_integer_intensities_are_exact() -> None:
    labels = blocks((40, 50), 2)
    image = np.random.default_rng(0).integers(0, 1 << 24, (1, 40, 50)).astype(np.float32)
    table = measure_labels(labels, image)
    for row in table.to_dict("records"):
        inside = image[0][labels == row["label"]].astype(np.int64)
        assert row["sum_raw"] == inside.sum()
        assert row["mean_raw"] == inside.sum() / len(inside)


@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7)])
def test_nothing(shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, np.uint16)
    table = measure_labels(labels, np.ones((1, *shape)), probabilities=np.ones((3, *shape)), measure="all")
    assert len(table) == 0
    assert {"label", "structure", "mean_raw", "probability", "touches_border"} <= set(table.columns)
    assert measure_labels(labels, measure=None).empty


@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7)])
def test_one_voxel_and_flat_objects_can_be_measured(shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, int)
    labels[..., 0, 0], labels[..., 2, :] = 1, 2
    labels.reshape(-1)[-1] = 3
    table = measure_labels(labels, spacing=[3.0, 1.0, 1.0][-len(shape) :], unit="um", measure=["size", "shape"])
    assert len(table) == 3
    assert np.isfinite(table["diameter_um"]).all()


@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7)])
def test_each_class_has_a_row(shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, int)
    labels[..., 1:3, 1:3] = 2
    probabilities = np.stack([np.full(shape, p) for p in (0.2, 0.1, 0.7, 0.0)])
    table = measure_labels(
        labels, np.ones((1, *shape)), probabilities=probabilities, classes=["background", "liver", "spleen", "left kidney"]
    )
    assert table["structure"].tolist() == ["liver", "spleen", "left kidney"]
    assert table["label"].tolist() == [1, 2, 3]
    assert table[{2: "area", 3: "volume"}[len(shape)]].tolist() == [0, (labels == 2).sum(), 0]
    assert table["touches_border"].tolist() == [False, len(shape) == 3, False]
    assert table["probability"].iloc[1] == pytest.approx(0.7)
    assert np.isnan(table["mean_raw"].iloc[0])


def test_probability_is_that_of_no_background() -> None:
    labels = np.array([[0, 1, 1], [5, 5, 0]])
    background = np.array([[[0.9, 0.2, 0.4], [0.0, 0.5, 1.0]]])
    three = np.concatenate([background, (1 - background) / 2, (1 - background) / 2])
    assert measure_labels(labels, probabilities=three)["probability"].tolist() == pytest.approx([0.7, 0.75])
    assert measure_labels(labels, probabilities=1 - background)["probability"].tolist() == pytest.approx([0.7, 0.75])


def test_columns_are_chosen_and_checked() -> None:
    labels = np.eye(3, dtype=int)
    assert list(measure_labels(labels, measure=["border"])) == ["label", "structure", "touches_border"]
    with pytest.raises(ValueError, match=r"`measure`.*'soliditty'.*did you mean 'solidity'"):
        measure_labels(labels, measure=["soliditty"])
    with pytest.raises(ValueError, match="`image` must be"):
        measure_labels(labels, np.zeros((1, 3, 4)))
    with pytest.raises(ValueError, match="`labels` must be integers"):
        measure_labels(labels * 0.5)
