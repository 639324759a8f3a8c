from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate

from monai_denoiseg.transforms import FlagPartialLabel, FlagPartialLabeld, KeepLabels, KeepSlices, KeepSlicesd


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, MetaTensor])
def test_missing_label_is_ignored_everywhere(shape: tuple[int, ...], kind: type) -> None:
    image = kind(np.zeros(shape, np.float32))
    label, labelled, valid = FlagPartialLabel()(image)
    assert type(label) is type(image)
    assert label.dtype in (np.int64, torch.int64)
    assert tuple(label.shape) == (1, *shape[1:]) == tuple(valid.shape)
    assert (label == -1).all()
    assert labelled is False
    assert not valid.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_empty_annotation_is_annotated(dtype: type) -> None:
    label, labelled, valid = FlagPartialLabel()(np.zeros((1, 3, 3)), np.zeros((1, 3, 3), dtype))
    assert labelled is True
    assert valid.all()
    assert valid.dtype == bool
    assert (label == 0).all()
    assert label.dtype == np.int64


def test_partly_annotated() -> None:
    given = torch.tensor([[[-1, 0], [5, -1]]])
    label, labelled, valid = FlagPartialLabel()(torch.zeros(1, 2, 2), given)
    assert torch.equal(label, given)
    assert labelled is True
    assert valid.tolist() == [[[False, True], [True, False]]]
    assert FlagPartialLabel()(torch.zeros(1, 2, 2), torch.full((1, 2, 2), -1))[1] is False


@pytest.mark.parametrize("shape", [(1, 3, 4), (2, 4, 3), (0, 4, 4), (4, 4)])
def test_shape_mismatch(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`label` must have the shape \(1, 4, 4\) of its image, got"):
        FlagPartialLabel()(np.zeros((3, 4, 4)), np.zeros(shape))


def test_labelled_and_unlabelled_items_collate() -> None:
    flag = FlagPartialLabeld(valid_key="valid")
    image = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "a.tif"})
    items = [{"image": image, "label": MetaTensor(torch.ones(1, 4, 4))}, {"image": image}, {"image": image, "label": None}]
    before = copy.deepcopy(items)
    batch = list_data_collate([flag(item) for item in items])
    assert batch["label"].dtype == torch.int64
    assert batch["labelled"].tolist() == [True, False, False]
    assert batch["valid"].flatten(1).all(1).tolist() == [True, False, False]
    assert [set(item) for item in items] == [set(item) for item in before]


def test_key_names() -> None:
    out = FlagPartialLabeld("seg", image_key="x", flag_key="known")({"x": np.zeros((1, 2, 2)), "seg": np.zeros((1, 2, 2))})
    assert sorted(out) == ["known", "seg", "x"]
    assert out["known"] is True


def items(n: int, unlabelled: int = 0) -> list[dict[str, str]]:
    labelled = [{"image": f"i{i:02}.tif", "label": f"l{i:02}.tif"} for i in range(n)]
    return labelled + [{"image": f"u{i:02}.tif"} for i in range(unlabelled)]


def kept(data: list[dict]) -> set[str]:
    return {str(item["image"]) for item in data if "label" in item}


@pytest.mark.parametrize("n", [0, 1, 5, 12])
def test_keeps_n_in_place(n: int) -> None:
    data = items(12, unlabelled=3)
    before = copy.deepcopy(data)
    out = KeepLabels(n)(data)
    assert len(kept(out)) == n
    assert [item["image"] for item in out] == [item["image"] for item in data]
    assert all(item.get("label", new) == new for item in out for new in [item["image"].replace("i", "l", 1)] if "label" in item)
    assert data == before


def test_choice_does_not_depend_on_order_and_grows_with_n() -> None:
    data = items(12, unlabelled=3)
    shuffled = [data[i] for i in np.random.default_rng(5).permutation(len(data))]
    for seed in range(5):
        assert kept(KeepLabels(4, seed)(data)) == kept(KeepLabels(4, seed)(shuffled))
        assert kept(KeepLabels(3, seed)(data)) < kept(KeepLabels(6, seed)(data))


def test_seeds_differ_and_reach_every_item() -> None:
    choices = [kept(KeepLabels(2, seed)(items(6))) for seed in range(30)]
    assert set().union(*choices) == kept(items(6))
    assert choices[0] == kept(KeepLabels(2, 0)(items(6)))


def test_paths_and_arrays_identify_items() -> None:
    paths = [{"image": Path(item["image"]), "label": 0} for item in items(8)]
    assert kept(KeepLabels(3)(paths)) == kept(KeepLabels(3)(items(8)))
    arrays = [{"image": torch.full((1, 2, 2), float(i)), "label": i} for i in range(8)]
    one = {item["label"] for item in KeepLabels(3)(arrays) if "label" in item}
    assert one == {item["label"] for item in KeepLabels(3)(arrays[::-1]) if "label" in item}
    assert len(one) == 3


def test_too_few_labels() -> None:
    with pytest.raises(ValueError, match="`n` asks for 5 labels, but only 4 of 6 items have a 'label'"):
        KeepLabels(5)([*items(4), {"image": "a"}, {"image": "b", "label": None}])


@pytest.mark.parametrize("arguments", [{"n": -1}, {"n": 1.5}, {"n": 1, "seed": -3}])
def test_wrong_arguments(arguments: dict) -> None:
    with pytest.raises(ValueError, match="must be an integer >= 0"):
        KeepLabels(**arguments)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, MetaTensor])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
@pytest.mark.parametrize(("axis", "options", "kept"), [
    (0, {"every": 5}, [2, 7, 12]),
    (0, {"every": 1}, list(range(13))),
    (0, {"slices": [12, 0]}, [0, 12]),
    (1, {"every": 4}, [2]),
    (2, {"every": 20}, [2]),
    (2, {"slices": [4]}, [4]),
])  # fmt: skip
def test_keep_slices(axis: int, options: dict, kept: list[int], kind: type, dtype: type) -> None:
    label = np.random.default_rng(0).integers(0, 9, (1, 13, 4, 5)).astype(dtype)
    given = kind(label.copy())
    out = KeepSlices(axis=axis, **options)(given)
    expected = np.full(label.shape, -1)
    for at in np.ndindex(label.shape):
        if at[axis + 1] in kept:
            expected[at] = label[at]
    assert type(out) is type(given)
    assert out.dtype in (np.int64, torch.int64)
    np.testing.assert_array_equal(np.asarray(out), expected)
    np.testing.assert_array_equal(np.asarray(given), label)  # left as it was


def test_keep_slices_of_thin_labels_and_of_what_is_hidden_already() -> None:
    assert KeepSlices(every=5)(np.ones((1, 1, 2)))[0, :, 0].tolist() == [1]
    assert KeepSlices(every=5)(np.ones((1, 2, 2)))[0, :, 0].tolist() == [-1, 1]
    partial = np.array([[[-1, 3], [-1, 4], [5, -1]]])
    assert KeepSlices(slices=[0, 2])(partial).tolist() == [[[-1, 3], [-1, -1], [5, -1]]]


def test_keep_slices_of_dictionaries() -> None:
    label = torch.ones(1, 6, 2, 2)
    item = {"label": label, "image": label}
    out = KeepSlicesd("label", every=3)(item)
    assert out["label"][0, :, 0, 0].tolist() == [-1, 1, -1, -1, 1, -1]
    assert out["image"] is item["label"] is label
    assert KeepSlicesd("label", slices=[1], allow_missing_keys=True)({"image": 1}) == {"image": 1}
    with pytest.raises(KeyError, match="label"):
        KeepSlicesd("label", slices=[1])({"image": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either `every` or `slices`, got every=None and slices=None"),
        ({"every": 2, "slices": [1]}, "give either `every` or `slices`"),
        ({"every": 0}, "`every` must be an integer >= 1, got 0"),
        ({"slices": [-1]}, "`slices` must be an integer >= 0, got -1"),
        ({"slices": []}, "`slices` keeps no slice at all"),
        ({"slices": [0, 4]}, r"`slices` must be below 4, the slices of the label \(1, 4, 3\) on axis 0, got \[0, 4\]"),
        ({"every": 2, "axis": 2}, r"`axis` must be below the 2 spatial axes of the label, got 2 for shape \(1, 4, 3\)"),
        ({"every": 2, "axis": -1}, "`axis` must be an integer >= 0"),
    ],
)
def test_keep_slices_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeepSlices(**arguments)(np.ones((1, 4, 3)))


def test_a_target_of_several_channels_stays_real() -> None:
    target = np.array([[[0.5, -1.0]], [[2.25, -1.0]]], np.float32)
    label, labelled, valid = FlagPartialLabel()(np.zeros((1, 1, 2), np.float32), target)
    np.testing.assert_array_equal(label, target)
    assert (labelled, np.asarray(valid).tolist()) == (True, [[[True, False]]])
