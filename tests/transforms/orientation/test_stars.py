from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.data import PatchCollate
from monai_denoiseg.transforms import RandOrientd, StarLabel, star_rays
from monai_denoiseg.transforms.orientation import RandOrientStarsd, orient


def item(shape: tuple[int, ...], n_rays: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(1)
    label = torch.tensor(rng.integers(-1, 3, (1, *shape)))
    rays = star_rays(n_rays, len(shape))
    return {"image": label.float() + 0.5, "numbers": label, "label": StarLabel(rays)(label)}


@pytest.mark.parametrize(
    ("shape", "n_rays", "isotropic", "n"),
    [
        ((8, 8), 32, False, 8),
        ((6, 8), 32, False, 4),
        ((8, 8), 6, False, 4),
        ((5, 6, 6), 18, False, 16),
        ((5, 5, 5), 18, True, 48),
    ],
)
def test_stars_of_the_oriented_label(shape: tuple[int, ...], n_rays: int, isotropic: bool, n: int) -> None:
    rays, given = star_rays(n_rays, len(shape)), item(shape, n_rays)
    turn = RandOrientStarsd(["image", "numbers", "label"], rays, isotropic=isotropic).set_random_state(seed=0)
    drawn = set()
    for _ in range(12 * n):
        got = turn(given)
        if turn.orientation not in drawn:
            drawn.add(turn.orientation)
            assert torch.equal(got["image"], orient(given["image"], turn.orientation, len(shape)))
            torch.testing.assert_close(got["label"], StarLabel(rays)(got["numbers"]), atol=1e-4, rtol=0)
    assert len(drawn) == n


def test_same_draw_as_without_stars() -> None:
    given = item((8, 8), 32)
    plain, stars = RandOrientd(["image", "label"]), RandOrientStarsd(["image", "label"], star_rays(32, 2))
    for seed in range(20):
        torch.manual_seed(seed)
        expected = plain(given)["image"]
        torch.manual_seed(seed)
        assert torch.equal(stars(given)["image"], expected)
        assert stars.orientation == plain.orientation


def test_rays_that_no_turn_maps_onto_themselves() -> None:
    given = item((5, 6, 6), 33)
    turn = RandOrientStarsd(["image", "label"], star_rays(33, 3))
    assert all(torch.equal(turn(given)["label"], given["label"]) for _ in range(20))


def test_prob_spacing_and_missing_keys() -> None:
    given = item((8, 8), 8)
    never = RandOrientStarsd(["image", "label"], star_rays(8, 2), prob=0)
    assert all(torch.equal(never(given)["label"], given["label"]) for _ in range(10))
    turn = RandOrientStarsd(["image", "label"], star_rays(8, 2), allow_missing_keys=True)
    drawn = set()
    for _ in range(40):
        assert set(turn({"image": given["image"], "spacing": torch.tensor([2.0, 1.0])})) == {"image", "spacing"}
        drawn.add(turn.orientation)
    assert drawn == {0, 1, 2, 3}  # Y and X differ: no exchange


@pytest.mark.parametrize("kind", [torch.tensor, np.array, MetaTensor])
def test_types_stay(kind: type) -> None:
    rays, given = star_rays(8, 2), item((6, 6), 8)
    given = {key: kind(value.numpy()) if kind is not MetaTensor else MetaTensor(value) for key, value in given.items()}
    turn = RandOrientStarsd(["image", "label"], rays).set_random_state(seed=3)
    for _ in range(10):
        got = turn(given)
        assert type(got["label"]) is type(given["label"])
        expected = StarLabel(rays)(np.ascontiguousarray(orient(np.asarray(given["numbers"]), turn.orientation, 2)))
        np.testing.assert_allclose(np.asarray(got["label"]), np.asarray(expected), atol=1e-4)


def test_inverse() -> None:
    given = {key: MetaTensor(value) for key, value in item((6, 6), 8).items()}
    turn = RandOrientStarsd(["image", "label"], star_rays(8, 2)).set_random_state(seed=3)
    for _ in range(10):
        back = turn.inverse(turn(given))
        assert torch.equal(back["label"].as_tensor(), given["label"].as_tensor())
        assert torch.equal(back["image"].as_tensor(), given["image"].as_tensor())


def test_in_patch_collate_with_an_unlabelled_item() -> None:
    rays, given = star_rays(32, 2), item((20, 24), 32)
    labelled = {"image": given["image"], "label": given["label"], "labelled": True, "spacing": torch.ones(2)}
    other = {"image": torch.rand(1, 10, 30), "labelled": False, "spacing": torch.ones(2)}
    collate = PatchCollate((16, 16), transform=RandOrientStarsd(["image", "label"], rays))
    batch = collate([labelled, other])
    assert batch["label"].shape == (2, 33, 16, 16)
    assert batch["labelled"].tolist() == [True, False]
    assert bool((batch["label"][1] == -1).all())
    assert bool((batch["label"][0, 0] >= 0).any())


def test_fast() -> None:
    turn = RandOrientStarsd(["image", "label"], star_rays(32, 2))
    given = {"image": torch.rand(1, 128, 128), "label": torch.rand(33, 128, 128)}
    turn(given)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        turn(given)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.01


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"`rays` must have the shape \(n_rays, 2 or 3\), got \(4,\)"):
        RandOrientStarsd("label", [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"'label' must have 1 \+ 8 channels for the rays, got 33"):
        RandOrientStarsd("label", star_rays(8, 2))({"label": torch.zeros(33, 4, 4)})
    with pytest.raises(ValueError, match="all keys must have the same spatial shape"):
        RandOrientStarsd(["image", "label"], star_rays(8, 2))({"image": torch.zeros(1, 4, 5), "label": torch.zeros(9, 4, 4)})


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_without_quarter_turns_axes_stay(spatial_dims: int) -> None:
    torch.manual_seed(0)
    x = torch.arange(8**spatial_dims).reshape(1, *[8] * spatial_dims)
    turn = RandOrientd(["image", "label"], spatial_dims, allow_missing_keys=True, quarter_turns=False)
    seen = set()
    for _ in range(100):
        out = turn({"image": x})["image"]
        seen.add(turn.orientation)
        assert int((out.flatten()[1] - out.flatten()[0]).abs()) == 1, "X stays the last axis"
    assert seen == set(range(2**spatial_dims))
