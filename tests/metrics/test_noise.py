from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from monai_denoiseg.metrics import NOISE_LIMIT, noise_correlation


def discs(size: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Bright blurred blobs with fine texture on a dark background, as nuclei are."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.normal(size=size), 2.5)
    blobs = gaussian_filter((gaussian_filter(rng.normal(size=size), 6) > 0).astype(float), 1.2)
    return np.asarray(20 + blobs * (100 + 20 * texture / texture.std()))


@pytest.mark.parametrize(("size", "names"), [((160, 200), "YX"), ((20, 64, 70), "ZYX")])
@pytest.mark.parametrize("kind", ["gaussian", "poisson", "few photons", "rounded"])
def test_white_noise_on_structure_reads_about_zero(size: tuple[int, ...], names: str, kind: str) -> None:
    rng, clean = np.random.default_rng(1), discs(size)
    image = {
        "gaussian": clean + rng.normal(0, 15, size),
        "poisson": rng.poisson(clean),
        "few photons": rng.poisson(clean / 20),
        "rounded": np.clip(np.round(clean + rng.normal(0, 15, size)), 0, 255).astype(np.uint8),
    }[kind]
    found = noise_correlation(image[None])
    assert list(found) == list(names)
    assert max(map(abs, found.values())) < 0.1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_noise_along_one_axis_of_a_volume(axis: int) -> None:
    noise = gaussian_filter1d(np.random.default_rng(1).normal(size=(24, 64, 64)), 0.8, axis=axis)
    found = list(noise_correlation((discs((24, 64, 64)) + 20 * noise / noise.std())[None]).values())
    true = float((np.delete(noise, 0, axis) * np.delete(noise, -1, axis)).mean() / noise.var())
    assert found.pop(axis) == pytest.approx(true, abs=0.1)
    assert true > 0.5
    assert max(map(abs, found)) < 0.1


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_blurred_noise_at_each_lag(lag: int) -> None:
    noise = gaussian_filter(np.random.default_rng(1).normal(size=(256, 256)), 1)
    found = noise_correlation((discs((256, 256)) + 15 * noise / noise.std())[None], lag)
    assert found == pytest.approx(dict.fromkeys("YX", np.exp(-(lag**2) / 4)), abs=0.1)


def test_channels_scale_offset_and_dtype_do_not_matter() -> None:
    white = np.random.default_rng(1).normal(size=(2, 128, 128))
    white[1] += np.roll(white[1], 1, axis=0)
    both, second = noise_correlation(white), noise_correlation(white[1:])
    assert second["X"] < 0.1 < second["Y"]
    assert both["X"] < 0.1
    assert noise_correlation(1e4 + 3 * white) == pytest.approx(both)
    assert noise_correlation(np.repeat(white[1:], 3, 0)) == pytest.approx(second)


def test_blocks_that_are_not_finite_are_left_out() -> None:
    image = np.random.default_rng(1).normal(size=(1, 96, 96))
    image[0, :40, :40] = np.nan
    image[0, 90, 90] = np.inf
    found = noise_correlation(image)
    assert max(map(abs, found.values())) < 0.15
    assert len(found) == 2


@pytest.mark.parametrize(
    ("image", "names"),
    [
        (np.full((1, 40, 40), 0.1), ""),
        (np.full((1, 40, 40), np.nan), ""),
        (np.zeros((1, 1, 1)), ""),
        (np.add.outer(np.arange(64.0), np.arange(64.0))[None] * 0.1 + 1e3, ""),
        (np.random.default_rng(0).normal(size=(1, 1, 40)), "X"),
        (np.random.default_rng(0).normal(size=(1, 1, 40, 40)), "YX"),
        (np.random.default_rng(0).normal(size=(1, 2, 3)), "YX"),
    ],
)
def test_nothing_to_measure(image: np.ndarray, names: str) -> None:
    assert "".join(noise_correlation(image)) == names


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"`image` must have the axes \(C, \[D,\] H, W\), got shape \(4, 4\)"):
        noise_correlation(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="`lag` must be an integer >= 1, got 0"):
        noise_correlation(np.zeros((1, 4, 4)), lag=0)


def test_microscopes(data_dir: Path) -> None:
    """Frames of the Fluorescence Microscopy Denoising data: true lag-1 correlation 0.48-0.57 for wide field, else below 0.08."""
    paths = sorted((data_dir / "fmd").glob("*_raw.tif"))
    assert len(paths) == 12
    for path in paths:
        found = noise_correlation(tifffile.imread(path)[:1])
        if path.name.startswith("WideField"):
            assert min(found.values()) > 0.4
        else:
            assert max(map(abs, found.values())) < 0.1
    assert 0.1 < NOISE_LIMIT < 0.4


def test_nuclei_with_noise_that_was_blurred(data_dir: Path) -> None:
    rng = np.random.default_rng(0)
    for path in sorted((data_dir / "dsb2018" / "dev-train" / "images").glob("*.tif"))[:60:6]:
        clean = tifffile.imread(path).astype(float)
        white = rng.normal(size=clean.shape)
        assert max(noise_correlation((clean + 10 * white)[None]).values()) < 0.1
        blurred = gaussian_filter(white, 0.6)
        assert min(noise_correlation((clean + 10 * blurred / blurred.std())[None]).values()) > 0.3
