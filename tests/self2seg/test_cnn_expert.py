from __future__ import annotations

import pytest
import torch

from monai_denoiseg.self2seg.cnn_expert import Noise2FastExpert
from monai_denoiseg.self2seg.noise2fast import Noise2FastSettings
from monai_denoiseg.self2seg.watch import Watch

QUICK = Noise2FastSettings(features=8, blocks=2, max_iterations=60)


def two_textures(size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Left: rows of stripes, right: columns of stripes; in [0, 1]. And the mask of the left."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    left = x < size // 2
    clean = torch.where(left, (y // 3) % 2, (x // 3) % 2).float()
    noisy = clean + 0.1 * torch.randn(size, size, generator=torch.Generator().manual_seed(0))
    return ((noisy - noisy.min()) / (noisy.max() - noisy.min()))[None], left


def test_each_expert_is_better_in_its_own_region() -> None:
    image, left = two_textures()
    settings = Noise2FastSettings(features=8, max_iterations=150)
    residuals = []
    for seed, region in enumerate((left, ~left)):
        prediction = Noise2FastExpert(settings, seed=seed).fit(image, region.float(), Watch())
        residuals.append((prediction - image).square()[0])
    assert float((residuals[0] - residuals[1])[left].mean()) < 0
    assert float((residuals[0] - residuals[1])[~left].mean()) > 0


@pytest.mark.parametrize("shape", [(1, 9, 10), (3, 8, 7), (1, 3, 8, 9), (2, 1, 6)])
def test_shapes_and_types(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, dtype=torch.float64)
    prediction = Noise2FastExpert(QUICK, max_iterations=3).fit(image, torch.ones(shape[1:]), Watch())
    assert (prediction.shape, prediction.dtype) == (image.shape, torch.float64)


def test_weights_count_from_a_half() -> None:
    image, left = two_textures(16)
    soft = torch.where(left, 0.51, 0.5)
    ours = Noise2FastExpert(QUICK).fit(image, soft, Watch())
    torch.testing.assert_close(ours, Noise2FastExpert(QUICK).fit(image, left.float(), Watch()), rtol=0, atol=0)
    with pytest.raises(ValueError, match="`mask` is empty"):
        Noise2FastExpert(QUICK).fit(image, torch.full((16, 16), 0.5), Watch())


def test_warm_steps_go_on_and_are_shorter() -> None:
    image, left = two_textures()
    warm = Noise2FastExpert(QUICK, warm_iterations=10)
    fresh = Noise2FastExpert(QUICK, warm=False, max_iterations=10)
    after = {}
    for name, expert in (("warm", warm), ("fresh", fresh)):
        expert.fit(image, left, Watch())
        after[name] = float((expert.fit(image, left, Watch()) - image).square()[0, left].mean())
    assert after["warm"] < 0.7 * after["fresh"]


def test_fresh_networks_forget() -> None:
    image, left = two_textures(16)
    expert = Noise2FastExpert(QUICK, warm=False)
    expert.fit(image, left, Watch())
    assert expert._net is not None
    first = expert._net
    expert.fit(image, ~left, Watch())
    assert expert._net is not first


def test_experts_of_other_seeds_differ_and_of_the_same_agree() -> None:
    image, left = two_textures(16)
    one, same, other = (Noise2FastExpert(QUICK, seed=seed).fit(image, left, Watch()) for seed in (0, 0, 1))
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_an_image_of_any_range(variant: str) -> None:
    image, left = two_textures(16)
    flat = torch.full_like(image, 0.25)
    prediction = Noise2FastExpert(QUICK, variant=variant).fit(flat, left, Watch())
    assert bool(prediction.isfinite().all())
    if variant == "default":
        assert float((prediction - 0.25).abs().max()) < 0.3


def test_what_is_compared() -> None:
    image, left = two_textures(16)
    by_neighbours, by_denoised = Noise2FastExpert(QUICK), Noise2FastExpert(QUICK, compare="denoised")
    predicted, denoised = by_neighbours.fit(100 * image + 7, left, Watch()), by_denoised.fit(image, left, Watch())
    assert by_neighbours.denoised is not None
    torch.testing.assert_close(by_neighbours.denoised, 100 * denoised + 7, rtol=0, atol=2)
    torch.testing.assert_close(by_denoised.denoised, denoised)
    assert not torch.allclose(predicted, by_neighbours.denoised, atol=2)
    with pytest.raises(ValueError, match="`compare` must be one of 'neighbours', 'denoised', got 'denoise'"):
        Noise2FastExpert(compare="denoise")


def test_channels_switch() -> None:
    """A new image with another number of channels starts a new network."""
    expert = Noise2FastExpert(QUICK, max_iterations=3)
    expert.fit(torch.rand(1, 8, 8), torch.ones(8, 8), Watch())
    assert expert.fit(torch.rand(3, 8, 8), torch.ones(8, 8), Watch()).shape == (3, 8, 8)


def test_errors_name_key_and_value() -> None:
    with pytest.raises(ValueError, match="`warm_iterations` must be an integer >= 1, got 0"):
        Noise2FastExpert(warm_iterations=0)
    with pytest.raises(TypeError, match="featurs"):
        Noise2FastExpert(featurs=3)
