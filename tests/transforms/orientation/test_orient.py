from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Flip, Rotate90
from monai.transforms.traits import RandomizableTrait

from monai_denoiseg.transforms import RandOrient, RandOrientd
from monai_denoiseg.transforms.orientation import n_orientations, orient, orient_inverse, same_spacing


def all_of(x: torch.Tensor, spatial_dims: int, n: int) -> set[tuple]:
    return {(tuple(y.shape), tuple(y.flatten().tolist())) for y in (orient(x, k, spatial_dims) for k in range(n))}


def rotations_and_flips(x: torch.Tensor, axes: list[tuple[int, int]], flips: list[int]) -> set[tuple]:
    """Close ``x`` under quarter turns in the given planes and flips of the given axes."""
    found, todo = set(), [x]
    while todo:
        y = todo.pop()
        key = (tuple(y.shape), tuple(y.flatten().tolist()))
        if key not in found:
            found.add(key)
            todo += [torch.rot90(y, 1, plane) for plane in axes] + [torch.flip(y, [axis]) for axis in flips]
    return found


@pytest.mark.parametrize(
    ("shape", "n", "planes"),
    [
        ((3, 3), n_orientations(2, True), [(0, 1)]),
        ((2, 3), n_orientations(2, False), []),
        ((2, 3, 3), n_orientations(3, True), [(1, 2)]),
        ((2, 3, 4), n_orientations(3, False), []),
        ((3, 3, 3), n_orientations(3, True, isotropic=True), [(1, 2), (0, 1)]),
    ],
)
def test_whole_group(shape: tuple[int, ...], n: int, planes: list[tuple[int, int]]) -> None:
    x = torch.arange(int(np.prod(shape))).reshape(shape)
    got = all_of(x, len(shape), n)
    assert len(got) == n
    assert got == rotations_and_flips(x, planes, list(range(len(shape))))


def test_numbers() -> None:
    assert [n_orientations(2, s) for s in (True, False)] == [8, 4]
    assert n_orientations(2, True, isotropic=True) == 8
    assert [n_orientations(3, s, i) for s in (True, False) for i in (False, True)] == [16, 48, 8, 8]
    with pytest.raises(ValueError, match="`spatial_dims` must be 2 or 3, got 4"):
        n_orientations(4, True)


@pytest.mark.parametrize(("spatial_dims", "n"), [(2, 8), (3, 48)])
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_inverse_leading_axes_and_numpy(spatial_dims: int, n: int, lead: tuple[int, ...]) -> None:
    x = torch.rand(*lead, *(3, 4, 5)[-spatial_dims:])
    assert torch.equal(orient(x, 0, spatial_dims), x)
    for k in range(n):
        y = orient(x, k, spatial_dims)
        assert y.shape[: len(lead)] == lead
        assert torch.equal(orient_inverse(y, k, spatial_dims), x)
        np.testing.assert_array_equal(orient(x.numpy(), k, spatial_dims), y.numpy())
        np.testing.assert_array_equal(orient_inverse(y.numpy(), k, spatial_dims), x.numpy())


@pytest.mark.parametrize(("k", "spatial_dims"), [(8, 2), (-1, 2), (48, 3)])
def test_no_such_orientation(k: int, spatial_dims: int) -> None:
    with pytest.raises(ValueError, match=f"`k` must be an orientation in .*got {k}"):
        orient(torch.zeros(1, 2, 2, 2), k, spatial_dims)


@pytest.mark.parametrize(
    ("shape", "isotropic", "n"),
    [
        ((4, 4), False, 8),
        ((4, 6), False, 4),
        ((2, 4, 4), True, 16),
        ((4, 4, 4), False, 16),
        ((4, 4, 6), True, 8),
        ((3, 3, 3), True, 48),
    ],
)
def test_draws_every_orientation_equally(shape: tuple[int, ...], isotropic: bool, n: int) -> None:
    turn = RandOrient(len(shape), isotropic).set_random_state(0)
    x = torch.zeros(1, *shape)
    draws = 60 * n
    counts = np.zeros(48)
    for _ in range(draws):
        assert turn(x).shape == x.shape
        counts[turn.orientation] += 1
    assert (counts[:n] > 20).all()
    assert counts[n:].sum() == 0
    assert ((counts[:n] - 60) ** 2 / 60).sum() < n - 1 + 5 * np.sqrt(2 * (n - 1))  # chi-square, five sigma


def test_prob() -> None:
    x = torch.zeros(1, 4, 4)
    never = RandOrient(prob=0.0)
    assert all(never(x) is not None and never.orientation == 0 for _ in range(20))
    half = RandOrient(prob=0.5).set_random_state(0)
    turned = sum(half(x) is not None and half.orientation > 0 for _ in range(800)) / 800
    assert abs(turned - 0.5 * 7 / 8) < 0.08
    with pytest.raises(ValueError, match="`prob` must be in"):
        RandOrient(prob=1.5)
    with pytest.raises(ValueError, match="`spatial_dims` must be 2 or 3"):
        RandOrient(4)


def draws(turn: RandOrient, n: int = 30) -> list[int]:
    return [turn(torch.zeros(1, 4, 4)) is not None and turn.orientation for _ in range(n)]


def test_global_generator_replays_and_private_one_is_private() -> None:
    turn = RandOrient()
    state = torch.get_rng_state()
    first = draws(turn)
    torch.set_rng_state(state)
    assert draws(turn) == first
    turn.set_random_state(seed=3)
    state = torch.get_rng_state()
    private = draws(turn)
    assert torch.equal(torch.get_rng_state(), state)
    assert draws(RandOrient().set_random_state(seed=3)) == private
    assert draws(RandOrient().set_random_state(state=np.random.RandomState(3))) == private
    assert draws(RandOrient().set_random_state(seed=4)) != private
    turn.set_random_state()
    torch.set_rng_state(state)
    again = draws(turn)
    torch.set_rng_state(state)
    assert draws(RandOrient()) == again


def test_compose_seeds_it_and_caches_know_it_is_random() -> None:
    x = torch.arange(16.0).reshape(1, 4, 4)
    one, two = (Compose([RandOrientd("image")]).set_random_state(7) for _ in range(2))
    assert all(torch.equal(one({"image": x})["image"], two({"image": x})["image"]) for _ in range(10))
    assert isinstance(RandOrientd("image"), RandomizableTrait)
    assert isinstance(RandOrient(), RandomizableTrait)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda turn: pickle.loads(pickle.dumps(turn))])
def test_copies_continue_alike(clone: type) -> None:
    turn = RandOrientd("image").set_random_state(1)
    other = clone(turn)
    x = torch.arange(16.0).reshape(1, 4, 4)
    assert all(torch.equal(turn({"image": x})["image"], other({"image": x})["image"]) for _ in range(10))


@pytest.mark.parametrize(("shape", "isotropic"), [((5, 5), False), ((4, 6), False), ((3, 5, 5), False), ((4, 4, 4), True)])
def test_one_draw_for_all_keys(shape: tuple[int, ...], isotropic: bool) -> None:
    turn = RandOrientd(["image", "label", "clean"], len(shape), isotropic, allow_missing_keys=True)
    x = torch.rand(1, *shape)
    item = {"image": x, "label": (x > 0.5).int().numpy(), "name": "a"}
    for _ in range(20):
        out = turn(item)
        assert torch.equal(out["image"], orient(x, turn.orientation, len(shape)))
        np.testing.assert_array_equal((out["image"] > 0.5).int().numpy(), out["label"])
        assert isinstance(out["label"], np.ndarray)
        assert out["name"] == "a"
    assert item["image"] is x


def test_keys_must_agree() -> None:
    item = {"image": torch.zeros(1, 4, 4), "label": torch.zeros(1, 4, 5)}
    with pytest.raises(ValueError, match=r"same spatial shape.*'label': \(4, 5\)"):
        RandOrientd(["image", "label"])(item)
    with pytest.raises(KeyError, match="mask"):
        RandOrientd(["image", "mask"])(item)


AFFINE = np.array([[2.0, 0, 0, 5], [0, 3.0, 0, -1], [0, 0, 0.5, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize(("shape", "isotropic"), [((4, 4), False), ((3, 4, 4), False), ((4, 4, 4), True), ((3, 4, 5), False)])
def test_metatensor_geometry_and_inverse(shape: tuple[int, ...], isotropic: bool) -> None:
    image = MetaTensor(torch.rand(1, *shape), affine=AFFINE, meta={"name": "a"})
    turn = RandOrientd(["image"], len(shape), isotropic).set_random_state(0)
    seen = set()
    for _ in range(60):
        out = turn({"image": image})["image"]
        seen.add(turn.orientation)
        assert out.meta["name"] == "a"
        # the voxel of the oriented image and the voxel it came from lie at the same place in the world
        corners = np.array(list(np.ndindex(*[2] * len(shape)))) * (np.array(out.shape[1:]) - 1)
        for at in [*corners, np.array(out.shape[1:]) // 2]:
            world = np.asarray(out.affine) @ [*at, *[0] * (3 - len(shape)), 1]
            source = np.rint(np.linalg.inv(AFFINE) @ world).astype(int)[: len(shape)]
            assert out[(0, *at)].item() == image[(0, *source)].item()
        back = turn.inverse({"image": out})["image"]
        assert torch.equal(back.as_tensor(), image.as_tensor())
        np.testing.assert_allclose(back.affine, AFFINE, atol=1e-12)
        assert back.applied_operations == []
    assert len(seen) > 5
    assert image.applied_operations == []


def test_affine_as_monai_has_it() -> None:
    image = MetaTensor(torch.rand(1, 4, 4), affine=AFFINE)
    turn = RandOrient()
    for k, same in ((1, Flip(0)), (2, Flip(1)), (3, Rotate90(2, (0, 1))), (5, Rotate90(1, (0, 1))), (6, Rotate90(3, (0, 1)))):
        turn.orientation = k
        ours, theirs = turn(image, randomize=False), same(image)
        assert torch.equal(ours.as_tensor(), theirs.as_tensor()), k
        np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-9)


def test_inverse_within_compose() -> None:
    image = MetaTensor(torch.rand(1, 4, 6), affine=AFFINE)
    compose = Compose([RandOrientd("image"), RandOrientd("image")])
    for _ in range(10):
        assert torch.equal(compose.inverse(compose({"image": image}))["image"].as_tensor(), image.as_tensor())


def test_plain_tensor_has_no_trace() -> None:
    with pytest.raises(ValueError, match="MetaTensor"):
        RandOrient().inverse(torch.zeros(1, 4, 4))


def test_plain_tensors_stay_plain() -> None:
    """MONAI's MetaTensor would take most of the time of a training step on small crops."""
    item = {"image": torch.rand(1, 64, 64), "label": torch.zeros(1, 64, 64, dtype=torch.int64)}
    turned = RandOrientd(["image", "label"])(item)
    assert {type(value) for value in turned.values()} == {torch.Tensor}


@pytest.mark.parametrize(("spatial_dims", "n"), [(2, 8), (3, 16), (3, 48)])
def test_orientations_are_a_group(spatial_dims: int, n: int) -> None:
    """Any two in a row are a third one of the same set, and each is undone by one of them."""
    x = torch.arange(3**spatial_dims).reshape((3,) * spatial_dims)
    images = {tuple(orient(x, k, spatial_dims).flatten().tolist()): k for k in range(n)}
    assert len(images) == n
    table = [
        [images[tuple(orient(orient(x, a, spatial_dims), b, spatial_dims).flatten().tolist())] for b in range(n)]
        for a in range(n)
    ]
    assert all(sorted(row) == list(range(n)) and 0 in row for row in table)
    inverses = [images[tuple(orient_inverse(x, k, spatial_dims).flatten().tolist())] for k in range(n)]
    assert all(table[k][inverse] == 0 for k, inverse in enumerate(inverses))


def test_same_spacing() -> None:
    assert same_spacing(None)
    assert same_spacing([np.nan, np.nan, np.nan])
    assert same_spacing(torch.full((2,), torch.nan), isotropic=True)
    assert same_spacing([1.0, 1.05]) and same_spacing([1.05, 1.0])
    assert not same_spacing([1.0, 1.06]) and not same_spacing([1.06, 1.0])
    assert same_spacing(torch.tensor([9.0, 1.0, 1.0])) and not same_spacing([9.0, 1.0, 1.0], isotropic=True)
    assert same_spacing([1.04, 1.0, 1.02], isotropic=True)


@pytest.mark.parametrize(
    ("shape", "spacing", "isotropic", "n"),
    [
        ((4, 4), [1.0, 1.2], False, 4),
        ((4, 4), [1.0, 1.04], False, 8),
        ((3, 4, 4), [5.0, 1.0, 1.0], False, 16),
        ((3, 4, 4), [1.0, 1.0, 2.0], False, 8),
        ((4, 4, 4), [5.0, 1.0, 1.0], True, 16),
        ((4, 4, 4), [1.0, 1.0, 1.0], True, 48),
        ((4, 4, 4), [1.0, 1.0, 2.0], True, 8),
        ((4, 4, 4), [np.nan] * 3, True, 48),
    ],
)
def test_axes_of_unequal_voxel_size_are_not_exchanged(
    shape: tuple[int, ...], spacing: list[float], isotropic: bool, n: int
) -> None:
    turn = RandOrientd("image", len(shape), isotropic).set_random_state(0)
    item = {"image": torch.zeros(1, *shape), "spacing": torch.tensor(spacing)}
    drawn = set()
    for _ in range(20 * n):
        out = turn(item)
        assert out["spacing"] is item["spacing"]
        drawn.add(turn.orientation)
    assert drawn == set(range(n))
    renamed = RandOrientd("image", len(shape), isotropic, spacing_key="size").set_random_state(0)
    assert {renamed({"image": item["image"], "size": spacing}) and renamed.orientation for _ in range(20 * n)} == drawn
