"""Which part of a large field counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.intensity import robust_moments
from monai_denoiseg.sparse import occupied


def field(size: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """Noise around 10."""
    return 10 + torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(seed))


def whole(image: torch.Tensor, window: list[int], stride: int = 1) -> torch.Tensor:
    return occupied(image.flatten(2)[:, :, ::stride], list(image.shape[2:]), stride, window)


@pytest.mark.parametrize(("size", "window"), [((128, 128), [32, 32]), ((32, 48, 64), [16, 16, 16])])
def test_something_in_an_empty_field(size: tuple[int, ...], window: list[int]) -> None:
    image = field(size)
    thing = tuple(slice(8, 16) for _ in size)
    image[(..., *thing)] += 100
    kept = whole(image, window).reshape(size).numpy()
    assert kept[thing].all()
    around = tuple(slice(0, 16 + 2 * edge) for edge in window)
    assert not kept[tuple(slice(-edge, None) for edge in window)].any()
    assert kept.sum() == kept[around].sum(), "only the surroundings count"


@pytest.mark.parametrize("size", [(32, 32), (64, 32), (45, 40)])
def test_a_field_of_up_to_two_windows_counts_as_a_whole(size: tuple[int, int]) -> None:
    image = field(size)
    image[..., :4, :4] = 1000
    assert bool(whole(image, [32, 32]).all())


@pytest.mark.parametrize("kind", ["noise", "constant", "full"])
def test_empty_and_full_fields_count_as_a_whole(kind: str) -> None:
    image = field((128, 128))
    if kind == "constant":
        image = torch.full_like(image, 7)
    if kind == "full":
        y, x = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
        image += 100 * ((y // 8 + x // 8) % 2)
    assert bool(whole(image, [16, 16]).all())


def test_channels_and_images_of_a_batch_are_looked_at_apart() -> None:
    image = field((128, 128)).repeat(2, 2, 1, 1)
    image[0, 0, :10, :10] += 90
    image[1, 1, -10:, -10:] += 90
    found = whole(image, [32, 32]).reshape(image.shape)
    for b, c in ((0, 0), (1, 1)):
        assert torch.equal(found[b, c], whole(image[b : b + 1, c : c + 1], [32, 32]).reshape(128, 128))
        assert not bool(found[b, c].all())
    assert bool(found[0, 1].all())
    assert bool(found[1, 0].all())


def test_hot_pixels_are_no_structure_and_nan_does_not_count() -> None:
    image = field((160, 160))
    image[..., 20:30, 20:30] += 60
    clean = whole(image, [32, 32])
    image[..., 100::23, 90::17] = 60000
    image[..., 120:140, 120:140] = float("nan")
    assert torch.equal(whole(image, [32, 32]), clean)


@pytest.mark.parametrize("scale", [1, 16])
def test_deviation_does_not_depend_on_how_full_a_field_is(scale: int) -> None:
    """The same cells in 16 times the area had a quarter of the deviation, and the network another picture."""
    rng = np.random.default_rng(0)
    cells = np.zeros((64, 64), np.float32)
    for y, x in rng.integers(8, 56, (8, 2)):
        cells += 200 * np.exp(-((np.arange(64)[:, None] - y) ** 2 + (np.arange(64) - x) ** 2) / 18)
    edge = 64 * int(np.sqrt(scale))
    image = rng.normal(10, 2, (edge, edge)).astype(np.float32)
    image[:64, :64] += cells
    found = robust_moments(torch.from_numpy(image)[None, None], window=[64, 64])[0, :, 0]
    plain = robust_moments(torch.from_numpy(image[:64, :64].copy())[None, None])[0, :, 0]
    assert float(found[1]) == pytest.approx(float(plain[1]), rel=0.25)


def test_sub_sampled_and_scripted() -> None:
    image = field((300, 301))
    image[..., 40:80, 40:80] += 50
    some = whole(image, [64, 64], 11)
    known = torch.full_like(image, 0, dtype=torch.bool).flatten(2)
    known[..., ::11] = some
    known = known.reshape(300, 301)
    assert float(known[40:80, 40:80].float().mean()) == pytest.approx(1 / 11, rel=0.02)
    assert not bool(known[150:, 150:].any())
    scripted = torch.jit.script(occupied)(image.flatten(2)[:, :, ::11], [300, 301], 11, [64, 64])
    assert torch.equal(scripted, some)
