from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_denoiseg.data import FileReader
from monai_denoiseg.measure import summarise_image
from monai_denoiseg.networks.classic_denoise import noise_sigma


def test_millilitres_are_those_of_nibabel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stored = rng.choice(4, (12, 11, 10), p=[0.5, 0.3, 0.2, 0.0]).astype(np.uint8)
    affine = np.array([[0, -0.7, 0.1, 3], [0.9, 0, 0, -4], [0, 0.1, 2.3, 5], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(stored, affine), tmp_path / "a.nii.gz")
    file = nibabel.load(tmp_path / "a.nii.gz")
    millilitres = [
        nibabel.imagestats.count_nonzero_voxels(nibabel.Nifti1Image((stored == n).astype("u1"), affine)) for n in (1, 2, 3)
    ]
    voxel = abs(np.linalg.det(file.affine[:3, :3]))  # of a sheared grid, less than the product of its zooms
    millilitres = [n * voxel / 1000 for n in millilitres]
    reader = FileReader(spatial_dims=3)
    labels, meta = reader.get_data(reader.read(tmp_path / "a.nii.gz"))
    table = summarise_image(
        labels, spacing=meta["spacing"], unit=meta["unit"], classes=["background", "liver", "spleen", "left kidney"]
    )
    assert table["structure"].tolist() == ["liver", "spleen", "left kidney"]
    assert table["volume_ml"].tolist() == pytest.approx(millilitres, rel=1e-6)
    assert table["volume"].tolist() == [(stored == n).sum() for n in (1, 2, 3)]
    assert table["count"].tolist() == [1, 1, 0]


@pytest.mark.parametrize("shape", [(30, 40), (8, 20, 24)])
def test_objects_and_noise(shape: tuple[int, ...]) -> None:
    rng, labels = np.random.default_rng(0), np.zeros(shape, int)
    labels[..., 2:5, 3:9], labels[..., 10:12, 10:12] = 4, 9
    raw, denoised = rng.normal(0, 5, (2, *shape)), rng.normal(0, 1, (2, *shape))
    [row] = summarise_image(labels, raw, denoised, spacing=[2.0, 0.5, 0.5][-len(shape) :], unit="um").to_dict("records")
    name = {2: "area", 3: "volume"}[len(shape)]
    sizes = [(labels == 4).sum(), (labels == 9).sum()]
    assert (row["count"], row[name], row["coverage"]) == (2, sum(sizes), sum(sizes) / labels.size)
    assert row[f"{name}_um{len(shape)}"] == sum(sizes) * np.prod([2.0, 0.5, 0.5][-len(shape) :])
    assert (row[f"mean_{name}"], row[f"median_{name}"]) == (np.mean(sizes), np.median(sizes))
    assert row["noise_raw"] == np.mean([noise_sigma(channel) for channel in raw]) == pytest.approx(5, rel=0.2)
    assert row["noise_denoised"] == pytest.approx(1, rel=0.2)


def test_nothing() -> None:
    [row] = summarise_image(np.zeros((4, 5), int)).to_dict("records")
    assert (row["count"], row["area"], row["coverage"]) == (0, 0, 0)
    assert np.isnan(row["mean_area"])
    assert list(summarise_image(None, np.ones((1, 4, 5)))) == ["noise_raw"]


@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7)])
def test_numbers_need_not_be_small(shape: tuple[int, ...]) -> None:
    """A corrected label of 2,000,000,000 is one object, and takes the memory of one."""
    labels = np.zeros(shape, np.int64)
    labels[..., 0], labels[..., 1], labels[..., 2] = 2_000_000_000, 5, -1
    row = summarise_image(labels).iloc[0]
    voxels = 2 * int(np.prod(shape[:-1]))
    assert (row["count"], row["area" if len(shape) == 2 else "volume"]) == (2, voxels)
