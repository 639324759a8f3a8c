from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.intensity import robust_moments


@pytest.mark.parametrize("shape", [(2, 1, 31, 40), (3, 3, 7, 9), (1, 2, 5, 6, 7), (1, 1, 1, 1)])
def test_against_numpy_channel_by_channel(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).gamma(2, 100, shape).astype(np.float32)
    found = robust_moments(torch.tensor(image))
    assert found.shape == (shape[0], 2, shape[1])
    assert found.dtype == torch.float32
    for b, c in np.ndindex(*shape[:2]):
        clipped = np.clip(image[b, c], *np.percentile(image[b, c], [1, 99.8]))
        np.testing.assert_allclose(found[b, :, c], [clipped.mean(), clipped.std() or 1], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64])
def test_other_dtypes(dtype: type) -> None:
    image = np.random.default_rng(1).integers(0, 255, (1, 1, 20, 20)).astype(dtype)
    assert torch.equal(robust_moments(torch.tensor(image)), robust_moments(torch.tensor(image.astype(np.float32))))


def test_constant_channel_gets_scale_one_and_the_other_its_own() -> None:
    image = torch.stack([torch.full((100,), 7.0), torch.arange(100.0)])[None]
    offset, scale = robust_moments(image)[0]
    assert (offset[0], scale[0]) == (7, 1)
    assert float(scale[1]) == pytest.approx(np.arange(100.0).clip(0.99, 98.802).std())


def test_few_hot_and_nan_voxels_do_not_matter() -> None:
    clean = torch.arange(10_000.0).reshape(1, 1, 100, 100)
    dirty = clean.clone()
    dirty[0, 0, -1, -5:] = 1e9
    dirty[0, 0, 50, 50:55] = float("nan")
    torch.testing.assert_close(robust_moments(dirty), robust_moments(clean), rtol=1e-2, atol=1)


@pytest.mark.parametrize("shape", [(40, 50, 100), (100, 50, 40), (2000, 100), (450, 450), (200_003,)])
def test_sub_sampling_reaches_all_columns(shape: tuple[int, ...]) -> None:
    image = torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(0))
    image = image * torch.arange(float(shape[-1]))  # a strong gradient along the rows
    image[1] = image[1].roll(1, -1)
    few, all_voxels = robust_moments(image, max_samples=2000), robust_moments(image)
    torch.testing.assert_close(few[:, 1], all_voxels[:, 1], rtol=0.05, atol=0)
    assert torch.equal(few, robust_moments(image, max_samples=2000))


def test_percentiles_are_options_and_script_equals_eager() -> None:
    image = torch.arange(101.0).reshape(1, 1, 101)
    assert robust_moments(image, 0.1, 0.9).flatten().tolist() == pytest.approx([50, np.arange(101).clip(10, 90).std()])
    every_tenth = np.arange(0, 101, 10) ** 2
    every_tenth = every_tenth.clip(*np.percentile(every_tenth, [1, 99.8]))
    few = robust_moments(image**2, max_samples=10).flatten()
    np.testing.assert_allclose(few, [every_tenth.mean(), every_tenth.std()], rtol=1e-6)
    assert torch.equal(torch.jit.script(robust_moments)(image, max_samples=10), robust_moments(image, max_samples=10))


def test_no_gradient_flows() -> None:
    assert not robust_moments(torch.rand(1, 1, 4, 4, requires_grad=True)).requires_grad


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_hot_pixels_do_not_hide_a_scale_bar(spatial_dims: int) -> None:
    """The brightest values were a few hot pixels, and the bar below them counted as a measurement."""
    size = {2: (100, 120), 3: (10, 30, 40)}[spatial_dims]
    clean = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0)) * 100
    image = clean.clone()
    image[..., -6:, -25:] = 4095
    few = torch.randperm(image.numel(), generator=torch.Generator().manual_seed(1))[: image.numel() // 1250]
    image.view(-1)[few] = 20000 + torch.arange(float(len(few)))
    torch.testing.assert_close(robust_moments(image), robust_moments(clean), rtol=0.03, atol=1)
    assert torch.equal(torch.jit.script(robust_moments)(image), robust_moments(image))
