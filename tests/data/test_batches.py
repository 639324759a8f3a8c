from __future__ import annotations

import logging
import pickle
from collections import Counter

import pytest
import torch
from monai.data import MetaTensor
from torch.utils.data import DataLoader

from monai_denoiseg.data import LabelBalancedBatchSampler, PatchCollate


def flags(labelled, unlabelled):
    return [True] * labelled + [False] * unlabelled


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "fraction", "expected"),
    [
        (5, 50, 0.5, 4),
        (20, 20, 0.25, 2),
        (20, 20, 0.01, 1),
        (20, 20, 0.0, 0),
        (20, 20, 1.0, 8),
        (1, 50, 0.5, 4),
        (20, 1, 0.5, 4),
        (9, 0, 0.5, 8),
    ],
)
def test_share_of_labelled_items(labelled, unlabelled, fraction, expected):
    torch.manual_seed(0)
    sampler = LabelBalancedBatchSampler(flags(labelled, unlabelled), 8, 20, fraction)
    batches = list(sampler)
    assert len(sampler) == len(batches) == 20
    for batch in batches:
        assert len(batch) == 8 and all(isinstance(index, int) for index in batch)
        assert sum(index < labelled for index in batch) == expected


def test_no_item_twice_while_there_are_others():
    torch.manual_seed(0)
    for batch in LabelBalancedBatchSampler(flags(4, 4), 8, 50):
        assert sorted(batch) == list(range(8))
    for batch in LabelBalancedBatchSampler(flags(3, 10), 8, 50):
        counts = Counter(index for index in batch if index < 3)
        assert sorted(counts.values()) == [1, 1, 2]


def test_natural_rate_draws_all_alike():
    torch.manual_seed(0)
    counts = Counter(index for batch in LabelBalancedBatchSampler(flags(2, 18), 5, 2000, None) for index in batch)
    assert set(counts) == set(range(20))
    assert max(counts.values()) < 600 and min(counts.values()) > 400  # 500 expected, standard deviation 19


def test_balanced_draw_is_uniform_within_each_kind():
    torch.manual_seed(0)
    counts = Counter(index for batch in LabelBalancedBatchSampler(flags(4, 10), 4, 2500) for index in batch)
    assert all(1100 < counts[i] < 1400 for i in range(4)) and all(400 < counts[i] < 600 for i in range(4, 14))


def test_without_labels_falls_back_and_says_so(caplog):
    with caplog.at_level(logging.INFO):
        sampler = LabelBalancedBatchSampler(flags(0, 6), 4, 10)
    assert "no labelled items" in caplog.text
    assert {index for batch in sampler for index in batch} == set(range(6))


def test_random_state_replays():
    sampler = LabelBalancedBatchSampler(flags(4, 10), 4, 5)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, second = list(sampler), list(sampler)
    torch.set_rng_state(state)
    assert list(sampler) == first and list(sampler) == second and first != second
    generator = torch.Generator().manual_seed(1)
    own = LabelBalancedBatchSampler(flags(4, 10), 4, 5, generator=generator)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    drawn = list(own)
    assert torch.equal(torch.get_rng_state(), before)  # the global numbers are left alone
    generator.manual_seed(1)
    assert list(own) == drawn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 4, 5), "no items"),
        (([True], 0, 5), "`batch_size` must be an integer >= 1"),
        (([True], 4, 0), "`steps_per_epoch`"),
        (([True], 4, 5, 1.5), r"`labelled_fraction` must be in \[0, 1\], got 1.5"),
    ],
)
def test_sampler_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        LabelBalancedBatchSampler(*arguments)


def coordinates(shape, channels=1):
    """An image in which each voxel holds its own number, and a label that holds the same."""
    image = torch.arange(float(torch.Size(shape).numel())).reshape(1, *shape)
    return {"image": torch.cat([image + 1000 * c for c in range(channels)]), "label": image.int()}


@pytest.mark.parametrize(("shape", "patch"), [((20, 31), (8, 5)), ((9, 20, 31), (4, 8, 5)), ((8, 5), (8, 5)), ((1, 1), (1, 1))])
@pytest.mark.parametrize("channels", [1, 3])
def test_cuts_the_same_contiguous_window_of_all_keys(shape, patch, channels):
    batch = PatchCollate(patch)([coordinates(shape, channels) for _ in range(6)])
    assert batch["image"].shape == (6, channels, *patch) and batch["label"].shape == (6, 1, *patch)
    whole = coordinates(shape)["label"][0]
    for image, label in zip(batch["image"], batch["label"], strict=True):
        assert torch.equal(image[0].int(), label[0])
        start = torch.nonzero(whole == label.flatten()[0])[0].tolist()
        window = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
        assert torch.equal(whole[window], label[0])


def test_every_place_is_drawn():
    torch.manual_seed(0)
    batch = PatchCollate((3, 3))([coordinates((5, 6)) for _ in range(600)])
    counts = Counter(batch["label"][:, 0, 0, 0].tolist())
    assert set(counts) == {6 * y + x for y in range(3) for x in range(4)}
    assert min(counts.values()) > 25  # 50 expected, standard deviation 7


@pytest.mark.parametrize(("shape", "patch"), [((4, 12), (8, 8)), ((3, 3), (8, 8)), ((2, 9, 9), (4, 8, 8))])
def test_small_images_are_padded_with_mean_and_minus_one(shape, patch):
    item = {"image": torch.rand(2, *shape), "label": torch.ones(1, *shape, dtype=torch.int32)}
    batch = PatchCollate(patch)([item])
    real = batch["label"][0, 0] == 1
    assert real.sum() == torch.tensor([min(s, p) for s, p in zip(shape, patch, strict=True)]).prod()
    assert (batch["label"][0, 0][~real] == -1).all()
    for channel in range(2):
        inside, outside = batch["image"][0, channel][real], batch["image"][0, channel][~real]
        torch.testing.assert_close(outside, item["image"][channel].mean().expand_as(outside))
        assert torch.isin(inside, item["image"][channel]).all()


def test_missing_label_is_unannotated_and_strings_are_dropped():
    labelled = {**coordinates((9, 9)), "labelled": True, "intensity": torch.ones(2, 1), "name": "a", "other": torch.ones(3)}
    unlabelled = {"image": torch.rand(1, 12, 9), "labelled": False, "intensity": torch.zeros(2, 1), "name": "b"}
    batch = PatchCollate((4, 4))([labelled, unlabelled])
    assert set(batch) == {"image", "label", "labelled", "intensity"}
    assert (batch["label"][0] >= 0).all() and (batch["label"][1] == -1).all() and batch["label"].dtype == torch.int32
    assert batch["labelled"].tolist() == [True, False] and batch["labelled"].dtype == torch.bool
    assert batch["intensity"].shape == (2, 2, 1)


def test_transform_is_applied_to_each_patch():
    def double(patch):
        assert patch["image"].shape == (1, 4, 4)
        return {**patch, "image": patch["image"] * 2, "target": patch["label"] > 0, "word": "x"}

    batch = PatchCollate((4, 4), transform=double)([coordinates((9, 9)) for _ in range(3)])
    assert torch.equal(batch["image"].int(), batch["label"] * 2) and batch["target"].dtype == torch.bool and "word" not in batch


def test_further_images_and_errors():
    items = [{**coordinates((9, 9)), "clean": torch.rand(1, 9, 9)}, coordinates((9, 9))]
    assert PatchCollate((4, 4), keys=("image", "clean"))(items[:1])["clean"].shape == (1, 1, 4, 4)
    with pytest.raises(KeyError, match="'clean' is in some items"):
        PatchCollate((4, 4), keys=("image", "clean"))(items)
    with pytest.raises(ValueError, match="has not the 3 axes"):
        PatchCollate((4, 4, 4))(items)
    with pytest.raises(ValueError, match="'label' has shape"):
        PatchCollate((4, 4))([{"image": torch.rand(1, 9, 9), "label": torch.zeros(1, 8, 9)}])
    with pytest.raises(ValueError, match="`patch_size` must be an integer >= 1"):
        PatchCollate((4, 0))


def test_tensors_with_metadata_come_out_plain():
    batch = PatchCollate((4, 4))([{"image": MetaTensor(torch.rand(1, 9, 9))}])
    assert type(batch["image"]) is torch.Tensor


@pytest.mark.parametrize("shape", [(20, 20), (8, 20, 20)])
def test_with_data_loader(shape):
    patch = (4,) * len(shape)
    items = [{**coordinates(shape), "labelled": i < 2} for i in range(6)]
    sampler = LabelBalancedBatchSampler([item["labelled"] for item in items], 4, 3)
    loader = DataLoader(items, batch_sampler=sampler, collate_fn=PatchCollate(patch))
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    for batch in batches:
        assert batch["image"].shape == (4, 1, *patch) and batch["labelled"].sum() == 2


def one_voxel(shape, at, value=0):
    label = torch.full((1, *shape), -1, dtype=torch.int32)
    label[(0, *at)] = value
    image = torch.arange(float(label.numel())).reshape(1, *shape)
    return {"image": image, "label": label, "labelled": True}


@pytest.mark.parametrize("tries", [1, 10])
@pytest.mark.parametrize(
    ("shape", "patch", "at"),
    [
        ((64, 64, 64), (16, 16, 16), (40, 3, 63)),
        ((64, 64, 64), (16, 16, 16), (30, 30, 30)),
        ((5, 48, 48), (16, 8, 8), (4, 40, 0)),
        ((1, 48, 48), (4, 8, 8), (0, 20, 20)),
        ((90, 70), (8, 8), (89, 30)),
    ],
)
def test_every_labelled_patch_holds_annotated_voxels(shape, patch, at, tries):
    torch.manual_seed(0)
    item, collate, seen = one_voxel(shape, at), PatchCollate(patch, tries=tries), set()
    for _ in range(60):
        batch = collate([item])
        places = torch.nonzero(batch["label"][0, 0] >= 0)
        assert len(places) == 1
        place = tuple(places[0].tolist())
        assert batch["image"][0, 0][place] == item["image"][(0, *at)]  # image and label are cut at the same place
        seen.add(place)
    assert len(seen) > 5  # it may lie anywhere in the patch


def test_only_patches_without_annotation_are_drawn_anew():
    torch.manual_seed(0)
    items = [{**coordinates((9, 30, 30)), "labelled": True} for _ in range(8)]
    first = PatchCollate((4, 8, 8), tries=0)
    state = torch.get_rng_state()
    wanted, after = first(items)["label"], torch.get_rng_state()
    torch.set_rng_state(state)
    assert torch.equal(PatchCollate((4, 8, 8))(items)["label"], wanted)
    assert torch.equal(torch.get_rng_state(), after)  # and nothing else was drawn
    sparse = one_voxel((9, 30, 30), (0, 0, 0))
    for item in ({**sparse, "labelled": False}, {"image": sparse["image"]}):
        torch.set_rng_state(state)
        PatchCollate((4, 8, 8))([item] * 8)
        assert torch.equal(torch.get_rng_state(), after)  # unlabelled items are not looked at


def test_places_with_annotation_are_drawn_alike():
    """No place that holds annotation is preferred to another."""
    torch.manual_seed(0)
    item = coordinates((12, 6))
    item["label"][:, 3:] = -1  # places 0 to 2 of 10 hold annotation
    batch = PatchCollate((3, 6), tries=50)([item] * 900)
    counts = Counter((batch["image"][:, 0, 0, 0] / 6).int().tolist())
    assert set(counts) == {0, 1, 2} and min(counts.values()) > 240  # 300 expected, standard deviation 14


def test_a_label_without_any_annotation_and_one_as_small_as_the_patch_are_left_alone():
    nothing = {"image": torch.rand(1, 20, 20), "label": torch.full((1, 20, 20), -1)}
    assert (PatchCollate((8, 8))([nothing])["label"] == -1).all()
    assert (PatchCollate((20, 20))([nothing])["label"] == -1).all()
    assert (PatchCollate((32, 32))([nothing])["label"] == -1).all()
    with pytest.raises(ValueError, match="'label' has shape"):
        PatchCollate((8, 8))([{"image": torch.rand(1, 20, 20), "label": torch.full((20, 20), -1)}])
    with pytest.raises(ValueError, match="`tries` must be an integer >= 0, got -1"):
        PatchCollate((8, 8), tries=-1)


def test_voxels_are_remembered_for_each_label_and_not_carried_to_other_processes():
    collate = PatchCollate((4, 4), tries=1)
    one, two = one_voxel((90, 90), (5, 80)), one_voxel((90, 90), (70, 2), value=3)
    for item in (one, two, one, two):
        assert (collate([item])["label"] >= 0).sum() == 1
    copied = pickle.loads(pickle.dumps(collate))
    assert (copied([one])["label"] >= 0).sum() == 1
    assert (collate([{**one, "label": MetaTensor(one["label"])}])["label"] >= 0).sum() == 1
    for _ in range(20):  # labels that are read anew each time take the places of those that are gone
        assert (collate([one_voxel((90, 90), (5, 80))])["label"] >= 0).sum() == 1


def test_a_whole_label_is_looked_through_only_once(monkeypatch):
    looked, nonzero = [], torch.nonzero
    monkeypatch.setattr(torch, "nonzero", lambda x: looked.append(x.shape) or nonzero(x))
    item, collate = one_voxel((16, 64, 64), (3, 50, 10)), PatchCollate((4, 8, 8), tries=1)
    for _ in range(20):
        assert (collate([item])["label"] >= 0).any()
    assert looked == [(1, 16, 64, 64)]


@pytest.mark.parametrize("annotated", [[2], [0, 4], [0, 1, 2, 3, 4]])
def test_volumes_of_five_slices(annotated):
    torch.manual_seed(0)
    item = coordinates((5, 40, 40))
    item["label"][:, [z for z in range(5) if z not in annotated]] = -1
    item["spacing"] = torch.tensor([5.0, 1.0, 1.0])
    batch = PatchCollate((8, 16, 16))([item] * 4)
    assert batch["spacing"].shape == (4, 3)
    inside = batch["label"] >= 0
    assert sorted(set(torch.nonzero(inside)[:, 2].tolist())) == [z + 1 for z in annotated]  # padded by 1 before and 2 after
    assert torch.equal(batch["image"][inside].int(), batch["label"][inside])
    assert (batch["image"][:, :, [0, 6, 7]] == item["image"].mean()).all()
