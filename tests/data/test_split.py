"""Which images of a data list go to validation."""

from __future__ import annotations

import random

import pytest

from monai_denoiseg.data import count_labelled, split_datalist


def make_items(labelled, unlabelled):
    items = [{"image": f"l{i:03}.tif", "label": f"l{i:03}.tif"} for i in range(labelled)]
    return items + [{"image": f"u{i:03}.tif"} for i in range(unlabelled)]


def test_split_does_not_depend_on_the_order_but_on_the_seed():
    items = make_items(20, 40)
    expected = split_datalist(items, 0.25, seed=3)
    shuffled = random.Random(0).sample(items, len(items))
    assert split_datalist(shuffled, 0.25, seed=3) == expected
    assert split_datalist(items, 0.25, seed=4) != expected
    assert items == make_items(20, 40)
    train, validation = expected
    assert (len(train), len(validation), count_labelled(validation)) == (45, 15, 5)
    assert sorted(train + validation, key=lambda item: item["image"]) == items


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "fraction", "expected"),
    [
        (20, 20, 0.2, (4, 4)),
        (20, 20, 0.15, (3, 3)),
        (10, 30, 0.25, (2, 8)),  # halves: labelled to even, unlabelled upwards
        (1, 1, 0.5, (0, 1)),
        (1, 2, 0.1, (0, 1)),
        (0, 4, 0.1, (0, 1)),
        (3, 3, 0.1, (1, 0)),
        (0, 3, 0.9, (0, 2)),  # something is left to train on
        (2, 5, 0.99, (1, 5)),
    ],
)
def test_how_many_files_go_to_validation(labelled, unlabelled, fraction, expected):
    _, validation = split_datalist(make_items(labelled, unlabelled), fraction)
    assert (count_labelled(validation), len(validation) - count_labelled(validation)) == expected


@pytest.mark.parametrize("labelled", range(6))
@pytest.mark.parametrize("unlabelled", [0, 1, 2, 3, 17])
@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.15, 0.5, 0.99])
def test_split_rules(labelled, unlabelled, fraction):
    total = labelled + unlabelled
    train, validation = split_datalist(make_items(labelled, unlabelled), fraction)
    assert len(train) + len(validation) == total
    if total:
        assert train
    assert bool(validation) == (total >= 2 and fraction > 0)
    if labelled == 1:
        assert count_labelled(train) == 1
    if labelled >= 2 and fraction > 0:
        assert count_labelled(train) and count_labelled(validation)


@pytest.mark.parametrize("fraction", [1, -0.1, "a"])
def test_split_fraction_is_checked(fraction):
    with pytest.raises(ValueError, match="`validation_fraction` must be in"):
        split_datalist(make_items(2, 2), fraction)


@pytest.mark.parametrize("seed", range(4))
def test_frames_of_a_file_stay_together(seed):
    items = [
        {"image": f"{i}.tif", "frame": k, **({"label": f"{i}.tif"} if i < 3 else {})} for i in range(7) for k in range(i + 1)
    ]
    random.Random(seed).shuffle(items)
    train, validation = split_datalist(items, 0.3, seed)
    files = [{item["image"] for item in part} for part in (train, validation)]
    assert not files[0] & files[1] and len(files[1]) == 2  # one labelled of 3, one other of 4
    assert sorted(train + validation, key=str) == sorted(items, key=str)
    for part in (train, validation):
        assert part == sorted(part, key=lambda item: (item["image"], item["frame"])) and count_labelled(part)


def test_one_file_of_frames_is_not_split():
    items = [{"image": "a.tif", "frame": k, "label": "a.tif"} for k in range(5)]
    assert split_datalist(items, 0.4) == (items, [])
