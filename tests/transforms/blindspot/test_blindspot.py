from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import stats
from torch import Tensor

from monai_denoiseg.transforms import BlindSpot, FixedBlindSpotd
from monai_denoiseg.transforms.blindspot import STRATEGIES, blindspot, draw_spots

SHAPES = [(2, 1, 21, 34), (2, 3, 9, 40), (1, 2, 7, 9, 12), (2, 1, 1, 20, 20), (90, 1, 1, 2)]
Window = tuple[slice, ...]


def unique_voxels(*shape: int) -> Tensor:
    """Every voxel of a channel differs, so that a copied value tells where it comes from; sums of some hundred are exact."""
    rng = np.random.default_rng(0)
    size = math.prod(shape[2:])
    flat = np.stack([rng.permutation(size) for _ in range(math.prod(shape[:2]))])
    return torch.tensor(flat.reshape(shape), dtype=torch.float32)


def windows(mask: Tensor, radius: int) -> Iterator[tuple[tuple[int, ...], Window]]:
    for at in np.argwhere(mask.numpy()).tolist():
        yield tuple(at), (*at[:2], *(slice(max(0, i - radius), i + radius + 1) for i in at[2:]))


@pytest.mark.parametrize("fraction", [1 / 64, 0.015, 1 / 27, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(60, 1, 64, 64), (200, 2, 19, 31), (80, 1, 1, 40, 40), (60, 2, 9, 13, 22), (20_000, 1, 1, 1)])
def test_share_is_the_fraction(shape: tuple[int, ...], fraction: float) -> None:
    mask = BlindSpot(fraction, strategy="identity", seed=1)(torch.zeros(shape))[1]
    expected = fraction * mask.numel()
    assert abs(int(mask.sum()) - expected) < 4 * math.sqrt(expected * (1 - fraction))


@pytest.mark.parametrize("size", [(11, 7), (5, 4, 6)])
@pytest.mark.parametrize("fraction", [0.1, 1 / 27, 0.6])
def test_every_voxel_is_hidden_equally_often(size: tuple[int, ...], fraction: float) -> None:
    hits = BlindSpot(fraction, strategy="identity", seed=3)(torch.zeros(5000, 1, *size))[1].sum((0, 1)).flatten()
    expected = 5000 * fraction
    deviation = float(((hits - expected) ** 2).sum() / (expected * (1 - fraction)))
    assert stats.chi2.sf(deviation, len(hits)) > 1e-3


@pytest.mark.parametrize(("fraction", "size"), [(1 / 64, (30, 41)), (0.02, (30, 41)), (1 / 64, (9, 13, 6)), (0.03, (9, 13, 6))])
@pytest.mark.parametrize("shared", [True, False])
def test_at_most_one_spot_in_each_box(fraction: float, size: tuple[int, ...], shared: bool) -> None:
    mask = BlindSpot(fraction, strategy="identity", shared=shared, seed=2)(torch.zeros(20, 2, *size))[1]
    edge = max(e for e in range(1, 20) if e ** len(size) * fraction <= 1)
    for corner in np.ndindex(*(-(-n // edge) for n in size)):
        cut = tuple(slice(c * edge, (c + 1) * edge) for c in corner)
        assert mask[(..., *cut)].flatten(2).sum(2).max() <= 1


def test_paper_fraction_hides_exactly_64_of_a_patch() -> None:
    assert BlindSpot(seed=0)(torch.rand(5, 2, 64, 64))[1].flatten(2).sum(2).unique().tolist() == [64]
    assert BlindSpot(seed=0)(torch.rand(2, 1, 16, 16, 16))[1].flatten(1).sum(1).tolist() == [64, 64]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_only_masked_voxels_change_and_the_batch_stays(strategy: str, shape: tuple[int, ...]) -> None:
    batch = unique_voxels(*shape)
    before = batch.clone()
    hidden, mask = BlindSpot(0.05, 2, strategy, seed=0)(batch)
    assert (hidden.shape, mask.shape, mask.dtype) == (batch.shape, batch.shape, torch.bool)
    assert torch.equal(batch, before)
    assert torch.equal(hidden[~mask], batch[~mask])
    assert mask.any()
    if strategy in ("identity", "uniform"):
        assert bool((hidden[mask] == batch[mask]).all()) == (strategy == "identity")
        assert bool((hidden[mask] != batch[mask]).all()) == (strategy == "uniform")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("strategy", "rule"), [("median", np.median), ("mean", np.mean)])
@pytest.mark.parametrize("radius", [1, 3])
def test_median_and_mean_of_the_window_without_its_centre(shape: tuple[int, ...], strategy: str, rule: Any, radius: int) -> None:
    batch = unique_voxels(*shape)
    hidden, mask = BlindSpot(0.04, radius, strategy, seed=0)(batch)
    for at, window in windows(mask, radius):
        around = batch[window].flatten()
        assert hidden[at] == np.float32(rule(around[around != batch[at]].double().numpy()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strategy", ["uniform", "uniform_with_center"])
def test_uniform_copies_a_voxel_of_the_window(shape: tuple[int, ...], strategy: str) -> None:
    batch = unique_voxels(*shape)
    hidden, mask = BlindSpot(0.3, 2, strategy, seed=0)(batch)
    for at, window in windows(mask, 2):
        assert hidden[at] in batch[window]


def offsets(strategy: str, at: tuple[int, ...], size: tuple[int, ...], radius: int) -> Tensor:
    """Numbers of the voxels that replaced the voxel ``at`` in many draws."""
    image = torch.arange(float(math.prod(size))).reshape(1, 1, *size)
    hidden, mask = BlindSpot(0.2, radius, strategy, seed=5)(image.expand(8000, 1, *size))
    return hidden[:, 0][(slice(None), *at)][mask[:, 0][(slice(None), *at)]].long()


@pytest.mark.parametrize(
    ("at", "size"),
    [((0, 0), (7, 6)), ((6, 5), (7, 6)), ((3, 3), (7, 6)), ((2, 0), (7, 6)), ((0, 2, 3), (2, 3, 4)), ((1, 1, 1), (3, 3, 3))],
)
@pytest.mark.parametrize("strategy", ["uniform", "uniform_with_center"])
def test_uniform_over_the_window(at: tuple[int, ...], size: tuple[int, ...], strategy: str) -> None:
    numbers = np.arange(math.prod(size)).reshape(size)
    allowed = set(numbers[tuple(slice(max(0, i - 2), i + 3) for i in at)].flatten().tolist())
    if strategy == "uniform":
        allowed.remove(int(numbers[at]))
    found = torch.bincount(offsets(strategy, at, size, 2), minlength=numbers.size)
    assert {i for i, n in enumerate(found.tolist()) if n} == allowed
    assert stats.chisquare(found[list(allowed)]).pvalue > 1e-3


def test_the_papers_code_leaves_one_spot_in_121_unchanged() -> None:
    batch = unique_voxels(400, 1, 64, 64)
    hidden, mask = BlindSpot(strategy="uniform_with_center", seed=0)(batch)
    inner = (..., slice(5, -5), slice(5, -5))
    same, n = int((hidden == batch)[inner][mask[inner]].sum()), int(mask[inner].sum())
    assert abs(same - n / 121) < 4 * math.sqrt(n / 121)


@pytest.mark.parametrize("size", [(12, 15), (4, 5, 6)])
def test_normal_fitted_has_the_moments_of_the_window(size: tuple[int, ...]) -> None:
    image = torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(4)) * 30 + 1000
    hidden, mask = BlindSpot(0.2, 2, "normal_fitted", seed=0)(image.expand(200, 1, *size))
    around = {at[2:]: image[window].double().numpy() for at, window in windows(torch.ones_like(image, dtype=torch.bool), 2)}
    scores = [(float(hidden[at]) - around[at[2:]].mean()) / around[at[2:]].std() for at, _ in windows(mask, 2)]
    assert len(scores) > 3000
    assert stats.kstest(scores, "norm").pvalue > 1e-3


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("size", [(1, 1), (1, 1, 1)])
def test_one_voxel_keeps_its_value(strategy: str, size: tuple[int, ...]) -> None:
    batch = unique_voxels(200, 2, *size) + 3
    hidden, mask = BlindSpot(0.5, strategy=strategy, seed=0)(batch)
    assert mask.any()
    assert torch.equal(hidden, batch)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nan_stays_where_it_is(strategy: str) -> None:
    batch = unique_voxels(3, 1, 20, 30)
    batch[..., 10:12] = float("nan")
    hidden, mask = BlindSpot(0.2, 2, strategy, seed=0)(batch)
    far = torch.ones_like(mask)
    far[..., 8:14] = False
    assert (mask & far).any()
    assert bool(hidden[far].isfinite().all())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_dtype_is_kept_under_no_grad(strategy: str, dtype: torch.dtype) -> None:
    batch = torch.rand(2, 1, 16, 16, dtype=torch.float64).to(dtype) * 1000
    with torch.no_grad():
        hidden, mask = BlindSpot(0.1, 2, strategy, seed=0)(batch)
        exact, _ = BlindSpot(0.1, 2, strategy, seed=0)(batch.double())
    assert hidden.dtype == dtype
    rtol = 1e-2 if dtype.itemsize == 2 else 1e-5
    atol = 1e-3 if strategy == "normal_fitted" else 0  # a drawn value near 0 is the difference of two of the order of 1000
    torch.testing.assert_close(hidden[mask], exact[mask].to(dtype), rtol=rtol, atol=atol)
    if strategy == "uniform":
        assert torch.isin(hidden.float(), batch.float()).all()


@pytest.mark.parametrize("strategy", ["median", "mean"])
def test_large_volumes_in_parts(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = unique_voxels(2, 2, 8, 9, 10)
    whole, _ = BlindSpot(0.1, 1, strategy, seed=0)(batch)
    monkeypatch.setattr(blindspot, "_MAX_GATHERED", 500)
    assert torch.equal(BlindSpot(0.1, 1, strategy, seed=0)(batch)[0], whole)


@pytest.mark.parametrize("size", [(32, 32), (8, 8, 8)])
def test_shared_or_own_places_of_the_channels(size: tuple[int, ...]) -> None:
    batch = torch.rand(4, 3, *size)
    own, shared = (BlindSpot(0.1, shared=s, seed=0)(batch)[1] for s in (False, True))
    assert torch.equal(shared, shared[:, :1].expand(4, 3, *size))
    assert not torch.equal(shared[0], shared[1])
    assert not torch.equal(own[:, 0], own[:, 1])


def drawn(blind_spot: BlindSpot, **kwargs: int) -> list[float]:
    hidden, mask = blind_spot(torch.arange(400.0).reshape(1, 1, 20, 20), **kwargs)
    return [*hidden.flatten().tolist(), *mask.flatten().tolist()]


def test_seeds_and_generator_state_replay_draws() -> None:
    seeded, again = BlindSpot(0.1, seed=7), BlindSpot(0.1, seed=7)
    first, second = drawn(seeded), drawn(seeded)
    assert first == drawn(again) != second == drawn(again)
    assert drawn(BlindSpot(0.1, seed=8)) != first == drawn(BlindSpot(0.1), seed=7)
    state = torch.get_rng_state()
    drawn(seeded)
    drawn(BlindSpot(0.1), seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    free = drawn(BlindSpot(0.1))
    assert drawn(BlindSpot(0.1)) != free
    torch.set_rng_state(state)
    assert drawn(BlindSpot(0.1)) == free


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, MetaTensor])
@pytest.mark.parametrize("size", [(24, 31), (5, 9, 16)])
def test_fixed_spots_depend_on_the_item_and_the_seed_alone(kind: Any, size: tuple[int, ...]) -> None:
    items = [{"image": kind(np.random.default_rng(i).random((2, *size), np.float32)), "name": i} for i in range(3)]
    forward = [FixedBlindSpotd("image", BlindSpot(0.05), seed=1)(item) for item in items]
    one = FixedBlindSpotd("image", BlindSpot(0.05, seed=99), seed=1)
    backward = [one(item) for item in reversed(items)][::-1]
    other = [FixedBlindSpotd("image", BlindSpot(0.05), seed=s)(items[0])["image_mask"] for s in (0, 2, 2**32 + 1)]
    masks = [torch.as_tensor(item["image_mask"]) for item in forward]
    for item, a, b in zip(items, forward, backward, strict=True):
        assert set(item) == {"image", "name"}
        assert a["image"] is item["image"]
        assert torch.equal(a["image_mask"], b["image_mask"])
        assert torch.equal(torch.as_tensor(a["image_hidden"]), torch.as_tensor(b["image_hidden"]))
        changed = torch.as_tensor(a["image_hidden"]) != torch.as_tensor(item["image"])
        assert torch.equal(changed, torch.as_tensor(a["image_mask"]))
    assert not any(torch.equal(a, b) for a, b in [(masks[0], masks[1]), (masks[1], masks[2])])
    assert not any(torch.equal(mask, masks[0]) for mask in other)


def test_fixed_spots_of_several_keys_with_other_names_missing_keys_and_nan() -> None:
    fixed = FixedBlindSpotd(["a", "b"], BlindSpot(0.1), hidden_suffix="_h", mask_suffix="_m", allow_missing_keys=True)
    out = fixed({"a": torch.full((1, 16, 16), float("nan"))})
    assert set(out) == {"a", "a_h", "a_m"}
    assert 0 < int(out["a_m"].sum()) < 256
    with pytest.raises(KeyError, match="image"):
        FixedBlindSpotd("image", BlindSpot())({"label": 0})


def test_draw_spots_gives_places_inside_the_image() -> None:
    spots = draw_spots(torch.Size([3, 2, 5, 9, 11]), 0.03)
    assert spots.index.shape == spots.valid.shape == (3, 2, 2 * 3 * 4)
    assert int(spots.index.min()) >= 0
    assert int(spots.index.max()) < 5 * 9 * 11


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fraction": 0}, r"`mask_fraction` must be in \(0, 1\), got 0"),
        ({"fraction": 1}, r"`mask_fraction` must be in \(0, 1\), got 1"),
        ({"fraction": 1.5}, r"`mask_fraction` must be in \(0, 1\), got 1.5"),
        ({"radius": 0}, "`mask_radius` must be an integer >= 1, got 0"),
        ({"strategy": "medain"}, r"`mask_strategy` must be one of .* got 'medain'; did you mean 'median'\?"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BlindSpot(**wrong)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_wrong_dtype(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=rf"blind spots need a floating point image, got {dtype}; convert with .float\(\)"):
        BlindSpot()(torch.zeros(1, 1, 8, 8, dtype=dtype))


@pytest.mark.parametrize("size", [(24, 32), (8, 16, 12)])
@pytest.mark.parametrize("strategy", ["uniform", "uniform_with_center", "median", "mean", "normal_fitted"])
@pytest.mark.parametrize("struct", [None, "block", "random"])
def test_equal_channels_stay_equal_when_spots_are_shared(size: tuple[int, ...], strategy: str, struct: str | None) -> None:
    """Else the network could tell what is hidden: where the channels differ."""
    torch.manual_seed(0)
    batch = torch.rand(2, 1, *size).expand(2, 3, *size).clone()
    options = {} if struct is None else {"struct_mask": [[1, 1, 1]] if len(size) == 2 else [[[1, 1, 1]]], "struct_values": struct}
    hidden, mask = BlindSpot(0.05, strategy=strategy, shared=True, seed=1, **options)(batch)
    assert mask.any() and not torch.equal(hidden, batch)
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
