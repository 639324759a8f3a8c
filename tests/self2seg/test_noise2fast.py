from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from monai_denoiseg.self2seg.checkerboard import checkerboard_pairs
from monai_denoiseg.self2seg.noise2fast import Noise2FastSettings, denoise_noise2fast, predict_noise2fast, train_noise2fast
from monai_denoiseg.self2seg.watch import Watch

QUICK = Noise2FastSettings(features=8, blocks=2, max_iterations=12, evaluate_every=3, average=2, amp="off")


def picture(height: int, width: int, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth bright spot, clean and noisy."""
    y, x = np.mgrid[:height, :width]
    clean = np.exp(-((y - height / 2) ** 2 + (x - width / 2) ** 2) / (height * width / 12))
    return clean, clean + np.random.default_rng(seed).normal(0, noise, clean.shape)


def error(x: torch.Tensor, clean: np.ndarray) -> float:
    return float(np.sqrt(np.mean((x.numpy() - clean) ** 2)))


def plain_training(image: torch.Tensor, mask: torch.Tensor, settings: Noise2FastSettings) -> torch.Tensor:
    """The published loop, all outputs kept. Image (C, H, W), mask (H, W)."""
    net = settings.network(image.shape[0], masked=True)
    adam = torch.optim.Adam(net.parameters(), settings.learning_rate)
    halves, masks = checkerboard_pairs(image), checkerboard_pairs(mask)
    generator = torch.Generator().manual_seed(settings.seed)
    outputs, scores = [], []
    for iteration in range(settings.max_iterations):
        source = int(torch.randint(4, (), generator=generator))
        target = source ^ 1
        places = masks[target].nonzero()
        place = places[int(torch.randint(len(places), (), generator=generator))].tolist()
        window: list[slice] = []
        for at, size in zip(place, masks[target].shape, strict=True):  # as centred as the edges allow
            edge = min(size, settings.crop or size)
            start = int(np.clip(at - (settings.crop or 0) // 2, 0, size - edge))
            window.append(slice(start, start + edge))
        given, wanted = (halves[i][(slice(None), *window)] for i in (source, target))
        learnt = masks[target][tuple(window)] > 0
        output, loss = net(given[None])[0], torch.zeros(())
        for c in range(image.shape[0]):
            loss = loss + ((output[c] - wanted[c]) ** 2)[learnt].sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if (iteration + 1) % settings.evaluate_every == 0:
            with torch.no_grad():
                outputs.append(net(image[None])[0])
            scores.append(-float((((outputs[-1] - image) ** 2) * mask).sum() / mask.sum()))
            if (len(scores) - 1 - int(np.argmax(scores))) * settings.evaluate_every >= settings.patience:
                break
    return torch.stack(outputs[-settings.average :]).mean(0)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 15, 20), (1, 6, 5)])
@pytest.mark.parametrize("masked", [True, False])
def test_as_plainly_computed(shape: tuple[int, int, int], masked: bool) -> None:
    image = torch.stack([torch.from_numpy(picture(*shape[1:], seed=i)[1]).float() for i in range(shape[0])])
    mask = torch.ones(shape[1:])
    if masked:
        mask[:, : shape[2] // 2] = 0
    for settings in (QUICK, replace(QUICK, learning_rate=0.01, max_iterations=45, patience=6, crop=5)):
        ours = train_noise2fast(settings.network(shape[0], masked=True), image, mask if masked else None, settings)
        torch.testing.assert_close(ours, plain_training(image, mask, settings), rtol=1e-4, atol=1e-4)


def test_it_denoises() -> None:
    clean, noisy = picture(48, 49)
    settings = Noise2FastSettings(features=8, max_iterations=150)
    assert error(denoise_noise2fast(noisy, settings), clean) < 0.4 * error(torch.from_numpy(noisy), clean)


def test_published_variant_denoises() -> None:
    clean, noisy = picture(48, 48)
    settings = Noise2FastSettings(variant="paper", features=8, max_iterations=200, learning_rate=3e-3)
    denoised = denoise_noise2fast(noisy, settings)
    assert error(denoised, clean) < 0.5 * error(torch.from_numpy(noisy), clean)
    assert noisy.min() <= float(denoised.min()) <= float(denoised.max()) <= noisy.max()


def test_a_mask_is_learnt_by_itself() -> None:
    """Left half constant 1, right half constant -1 learnt from the left alone: the right is never a target."""
    rng = np.random.default_rng(0)
    image = torch.from_numpy(np.where(np.arange(32) < 16, 1.0, -1.0) + rng.normal(0, 0.1, (32, 32))).float()[None]
    mask = (torch.arange(32) < 16).expand(32, 32)
    settings = Noise2FastSettings(features=8, max_iterations=120)
    wide = train_noise2fast(settings.network(), image, None, settings)
    left = train_noise2fast(settings.network(), image, mask, settings)
    assert abs(float(left[:, :, :14].mean()) - 1) < 0.1
    assert abs(float(wide[:, :, 18:].mean()) + 1) < 0.1
    assert float(left[:, :, 18:].mean()) > -0.5


@pytest.mark.parametrize("shape", [(2, 2), (1, 2), (9, 1), (7, 12), (2, 5, 4), (1, 2, 6, 5), (3, 2, 1, 8)])
def test_any_size(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 200, shape).astype(np.uint16)
    result = denoise_noise2fast(image, QUICK)
    assert (result.shape, result.dtype) == (torch.Size(shape), torch.float32)
    assert bool(result.isfinite().all())


@pytest.mark.parametrize("variant", ["default", "paper"])
@pytest.mark.parametrize(("factor", "offset"), [(1e-4, 0.0), (1e4, -3e5), (1.0, 60000.0)])
def test_follows_the_unit(variant: str, factor: float, offset: float) -> None:
    image = np.random.default_rng(0).normal(size=(14, 14))
    settings = replace(QUICK, variant=variant)
    ours = denoise_noise2fast(factor * image + offset, settings).double()
    torch.testing.assert_close((ours - offset) / factor, denoise_noise2fast(image, settings).double(), rtol=0, atol=1e-2)


def test_planes_of_a_stack_are_denoised_alone() -> None:
    stack = np.random.default_rng(0).normal(size=(2, 3, 10, 11))
    result = denoise_noise2fast(stack, QUICK)
    for i in range(3):
        torch.testing.assert_close(result[:, i], denoise_noise2fast(stack[:, i], QUICK))


def test_one_network_learns_all_planes() -> None:
    clean, _ = picture(24, 24)
    stack = torch.stack([torch.from_numpy(picture(24, 24, seed=i)[1]).float() for i in range(6)])[None]
    settings = Noise2FastSettings(features=8, max_iterations=150)
    mask = torch.ones(6, 24, 24)
    mask[2] = 0  # a plane without any pixel of the region is denoised all the same
    result = train_noise2fast(settings.network(), stack, mask, settings)
    assert result.shape == stack.shape
    for i in range(6):
        assert error(result[0, i], clean) < 0.15


def test_same_seed_same_result_and_the_global_state_is_left_alone() -> None:
    image = np.random.default_rng(0).normal(size=(12, 12))
    torch.manual_seed(5)
    first = denoise_noise2fast(image, QUICK)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    torch.testing.assert_close(torch.rand(3), drawn, rtol=0, atol=0)
    torch.testing.assert_close(denoise_noise2fast(image, QUICK), first, rtol=0, atol=0)
    assert not torch.equal(denoise_noise2fast(image, QUICK, seed=1), first)


def test_constant_images_and_channels() -> None:
    torch.testing.assert_close(denoise_noise2fast(np.full((5, 6), 7)), torch.full((5, 6), 7.0))
    image = np.stack([np.full((8, 8), 3.0), np.random.default_rng(0).normal(size=(8, 8))])
    torch.testing.assert_close(denoise_noise2fast(image, QUICK)[0], torch.full((8, 8), 3.0))


def test_time_budget() -> None:
    watch = Watch(seconds=0.3)
    start = time.monotonic()
    result = denoise_noise2fast(
        np.random.default_rng(0).normal(size=(4, 32, 32)), max_iterations=10**6, patience=10**6, watch=watch
    )
    assert time.monotonic() - start < 5
    assert bool(result.isfinite().all())


def test_wrong_images_are_refused() -> None:
    net = QUICK.network()
    image = torch.randn(1, 5, 5)
    with pytest.raises(ValueError, match="`image` holds NaN or infinite values"):
        denoise_noise2fast(np.where(np.eye(5) > 0, np.nan, 1.0))
    with pytest.raises(ValueError, match="two pixels or more"):
        train_noise2fast(net, torch.zeros(1, 1, 1))
    with pytest.raises(ValueError, match=r"`image` must be \(C, \[D,\] H, W\), got shape \(5, 5\)"):
        train_noise2fast(net, image[0])
    with pytest.raises(ValueError, match=r"or \(C, D, H, W\), got shape \(5,\)"):
        denoise_noise2fast(np.zeros(5))
    with pytest.raises(ValueError, match=r"`mask` must have the shape \(5, 5\) .* got \(1, 5, 5\)"):
        train_noise2fast(net, image, torch.ones(1, 5, 5))
    corner = torch.zeros(5, 5)
    with pytest.raises(ValueError, match="`mask` is empty"):
        train_noise2fast(net, image, corner)
    corner[4, 4] = 1
    with pytest.raises(ValueError, match="`mask` holds only the last pixel"):
        train_noise2fast(net, image, corner)


@pytest.mark.parametrize("shape", [(6, 8), (7, 9), (1, 6), (2, 3, 4, 5)])
def test_prediction_from_neighbours_has_not_seen_its_pixel(shape: tuple[int, ...]) -> None:
    """A network that hands its input on gives each pixel the mean of its half images' partners."""
    image = torch.randn(shape if len(shape) == 4 else (1, *shape))
    net = nn.Conv2d(image.shape[0], image.shape[0], 1)
    with torch.no_grad():
        net.weight.copy_(torch.eye(image.shape[0])[:, :, None, None])
        net.bias.zero_()
    settings = replace(QUICK, learning_rate=1e-30)
    denoised, predicted = predict_noise2fast(net, image, settings=settings)
    torch.testing.assert_close(denoised, image)
    height, width = image.shape[-2:]
    for i, j in np.ndindex(height, width):
        partners = [(i, j ^ 1)] if j ^ 1 < width else []
        partners += [(i ^ 1, j)] if i ^ 1 < height else []
        wanted = torch.stack([image[..., y, x] for y, x in partners or [(i, j)]]).mean(0)
        torch.testing.assert_close(predicted[..., i, j], wanted)
