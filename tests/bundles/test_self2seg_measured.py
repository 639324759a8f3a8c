"""The tables of Self2Seg's regions say what its files say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from .single_image import TINY, infer, scene


def write(path: Path, image: np.ndarray) -> None:
    about = {"axes": "ZYX"[-image.ndim :], "unit": "um"} | ({"spacing": 2.0} if image.ndim == 3 else {})
    tifffile.imwrite(path, image, imagej=True, metadata=about, resolution=(4, 2), resolutionunit=1)


@pytest.mark.parametrize("shape", [(24, 30), (8, 14, 16)])
def test_rows_are_those_of_the_mask(shape: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed, name in enumerate("ab"):
        write(tmp_path / "in" / f"{name}.tif", scene(*shape, seed=seed)[0])
    out = infer(tmp_path, image=str(tmp_path / "in"), export="geojson")
    table, summary = pd.read_csv(out / "measurements.csv"), pd.read_csv(out / "summary.csv")
    size, voxel = ("area", 0.5 * 0.25) if len(shape) == 2 else ("volume", 2 * 0.5 * 0.25)
    assert table["image"].tolist() == summary["image"].tolist() == ["a.tif", "b.tif"]
    assert set(table["structure"]) == set(summary["structure"]) == {"foreground"}
    for row, name in zip(table.to_dict("records"), "ab", strict=True):
        image, mask = tifffile.imread(tmp_path / "in" / f"{name}.tif"), tifffile.imread(out / f"{name}_mask.tif")
        assert row[size] == (mask == 1).sum() > 0
        assert row[f"{size}_um{len(shape)}"] == pytest.approx((mask == 1).sum() * voxel)
        assert row["mean_raw"] == pytest.approx(image[mask == 1].mean(dtype=float), rel=1e-6)
        assert (out / f"{name}.geojson").is_file()


def test_corrected_masks_are_measured_without_segmenting_and_none_writes_none(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", scene(24, 30)[0])
    out = infer(tmp_path, image=str(tmp_path / "a.tif"), measure="none")
    assert [path.name for path in out.glob("*.csv")] == ["a_energies.csv"]
    mask = tifffile.imread(out / "a_mask.tif")
    mask[:] = 0
    mask[2:5, 3:9] = 1
    tifffile.imwrite(out / "a_mask.tif", mask)
    infer(tmp_path, image=str(tmp_path / "a.tif"), existing="skip", measure="size")
    assert pd.read_csv(out / "measurements.csv")["area"].tolist() == [18]


def test_three_regions_and_methods_that_only_denoise(tmp_path: Path) -> None:
    image = scene(24, 30)[0]
    image[:4] += 150
    write(tmp_path / "a.tif", image)
    boxes = [[[12, 24, 0, 6]], [[8, 14, 10, 18]], [[0, 4, 0, 30]]]
    out = infer(tmp_path, image=str(tmp_path / "a.tif"), experts=["constant"] * 3, start="boxes", boxes=boxes)
    table, found = pd.read_csv(out / "measurements.csv"), tifffile.imread(out / "a_mask.tif")
    assert table["structure"].tolist() == ["foreground", "region 2"]
    assert table["area"].tolist() == [(found == 1).sum(), (found == 2).sum()]
    assert (table["area"] > 0).all()
    alone = infer(tmp_path / "n2f", method="noise2fast", image=str(tmp_path / "a.tif"), **TINY)
    assert not (alone / "measurements.csv").exists()
    assert list(pd.read_csv(alone / "summary.csv")) == ["image", "noise_raw", "noise_denoised"]
