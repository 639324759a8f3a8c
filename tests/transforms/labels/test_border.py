from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from skimage.segmentation import find_boundaries

from monai_denoiseg.transforms import BorderLabel, BorderLabeld
from monai_denoiseg.transforms.labels import border_classes


def slow_classes(label: np.ndarray) -> np.ndarray:
    """The paper's rule voxel by voxel: a border voxel has a face neighbour of another value and, if it lies in an object, another
    object within its 3 x 3 neighbourhood."""
    classes = np.where(label > 0, 1, 0)
    for at in np.ndindex(label.shape):
        around = [tuple(np.add(at, step)) for step in itertools.product((-1, 0, 1), repeat=label.ndim)]
        around = [n for n in around if all(0 <= i < size for i, size in zip(n, label.shape, strict=True))]
        faces = [n for n in around if np.abs(np.subtract(n, at)).sum() == 1]
        edge = any(label[n] != label[at] for n in faces)
        other_object = any(label[n] not in (0, label[at]) for n in around)
        if edge and (label[at] == 0 or other_object):
            classes[at] = 2
    return classes


def blocks(shape: tuple[int, ...], seed: int, n: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, dtype=np.int64)
    for number in range(1, n + 1):
        low = [rng.integers(0, size) for size in shape]
        label[tuple(slice(start, start + rng.integers(1, 6)) for start in low)] = number
    return label


@pytest.mark.parametrize("shape", [(15, 22), (7, 8, 9), (1, 12), (9, 9)])
@pytest.mark.parametrize("seed", range(4))
def test_paper_rule(shape: tuple[int, ...], seed: int) -> None:
    label = blocks(shape, seed)
    np.testing.assert_array_equal(border_classes(label), slow_classes(label))


@pytest.mark.parametrize("shape", [(31, 40), (8, 17, 20), (1, 30), (30, 1), (1, 1), (0, 5), (9,)])
@pytest.mark.parametrize("n", [1, 3, 40])
def test_outer_boundary_is_that_of_scikit_image(shape: tuple[int, ...], n: int) -> None:
    rng = np.random.default_rng(n)
    label = rng.integers(0, n + 1, [-(-size // 3) for size in shape]).astype(np.int64)
    for axis, size in enumerate(shape):
        label = label.repeat(3, axis).take(range(size), axis)
    label[label == 1] = np.iinfo(np.int32).max - 1  # the largest number an object may have
    wanted = find_boundaries(label.astype(np.int32), connectivity=1, mode="outer")
    np.testing.assert_array_equal(border_classes(label) == 2, wanted)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.float32])
def test_object_at_image_edge_keeps_its_voxels_whatever_the_dtype(dtype: type) -> None:
    label = np.zeros((1, 5, 5), dtype)
    label[0, :2, 1:3] = 3
    expected = [[2, 1, 1, 2, 0], [2, 1, 1, 2, 0], [0, 2, 2, 0, 0], [0] * 5, [0] * 5]
    np.testing.assert_array_equal(BorderLabel()(label)[0], expected)


def test_isolated_object_keeps_all_and_corners_stay_background() -> None:
    label = np.zeros((3, 3), int)
    label[1, 1] = 9
    np.testing.assert_array_equal(border_classes(label), [[0, 2, 0], [2, 1, 2], [0, 2, 0]])
    np.testing.assert_array_equal(border_classes(label, connectivity=2), [[2, 2, 2], [2, 1, 2], [2, 2, 2]])


def test_contact_line_two_voxels_thick() -> None:
    label = np.repeat([[1, 1, 1, 2, 2, 2]], 3, axis=0)
    np.testing.assert_array_equal(border_classes(label), np.repeat([[1, 1, 2, 2, 1, 1]], 3, axis=0))


@pytest.mark.parametrize("shape", [(15, 22), (7, 8, 9)])
@pytest.mark.parametrize("width", [1, 2])
def test_ignored_voxels_make_no_border(shape: tuple[int, ...], width: int) -> None:
    label = blocks(shape, 1)
    unknown = np.zeros(shape, bool)
    unknown[..., 9:13] = True  # cuts through objects
    partial = np.where(unknown, -1, label)
    classes = border_classes(partial, width=width)
    assert (classes[unknown] == -1).all()
    if width == 1:
        np.testing.assert_array_equal(classes[~unknown], slow_classes(np.where(unknown, 0, label))[~unknown])
    # an annotated voxel is border only because of annotated voxels: an object wholly surrounded by unknown keeps everything
    alone = np.full(shape, -1)
    alone[..., 2:4] = 7
    assert (border_classes(alone, width=width)[..., 2:4] == 1).all()


def test_wide_border_does_not_pass_through_unknown_voxels() -> None:
    label = np.array([[5, 5, 5, 5, 0, -1, 0, 0]])
    assert border_classes(label, width=3).tolist() == [[1, 1, 2, 2, 2, -1, 0, 0]]


def test_all_ignored_and_empty() -> None:
    assert (border_classes(np.full((4, 4), -1)) == -1).all()
    assert (border_classes(np.zeros((4, 4), int)) == 0).all()


def test_width_dilates_by_one_voxel_each() -> None:
    label = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]])
    assert border_classes(label, width=1).tolist() == [[0, 0, 0, 2, 1, 1, 1, 1, 1, 2, 0, 0, 0]]
    assert border_classes(label, width=2).tolist() == [[0, 0, 2, 2, 2, 1, 1, 1, 2, 2, 2, 0, 0]]
    assert border_classes(label, width=3).tolist() == [[0, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 0]]


def test_input_is_untouched_and_type_kept() -> None:
    label = blocks((9, 9), 0)[None]
    expected = border_classes(label[0])[None]
    for given in (label, torch.from_numpy(label), MetaTensor(label, meta={"name": "a"}), torch.from_numpy(label).float()):
        before = given.clone() if isinstance(given, torch.Tensor) else given.copy()
        out = BorderLabel()(given)
        assert type(out) is type(given)
        assert out.dtype in (np.int64, torch.int64)
        np.testing.assert_array_equal(np.asarray(out), expected)
        np.testing.assert_array_equal(np.asarray(given), np.asarray(before))
    assert BorderLabel()(MetaTensor(label, meta={"name": "a"})).meta["name"] == "a"


def test_dictionary_version() -> None:
    label = blocks((9, 9), 0)[None]
    item = {"label": label, "image": 5}
    out = BorderLabeld("label", width=2)(item)
    np.testing.assert_array_equal(out["label"], BorderLabel(width=2)(label))
    assert item["label"] is label
    assert out["image"] == 5
    assert BorderLabeld("label", allow_missing_keys=True)({"image": 5}) == {"image": 5}
    with pytest.raises(KeyError, match="label"):
        BorderLabeld("label")({"image": 5})


@pytest.mark.parametrize(
    ("label", "error", "message"),
    [
        (np.full((1, 4, 4), 0.5), TypeError, r"whole numbers.*0\.5"),
        (np.full((1, 4, 4), np.nan), TypeError, "whole numbers.*nan"),
        (np.ones((1, 4, 4), bool), TypeError, "boolean.*skimage.measure.label"),
        (np.ones((4, 4), int), ValueError, r"\(1, \[D,\] H, W\), got \(4, 4\)"),
        (np.ones((3, 4, 4), int), ValueError, r"got \(3, 4, 4\)"),
        (np.full((1, 4, 4), -2), ValueError, r"\[-1, .*got -2"),
        (np.full((1, 4, 4), 2**31), ValueError, "got 2147483648"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_no_instances(label: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        BorderLabel()(label)


@pytest.mark.parametrize("arguments", [{"connectivity": 0}, {"width": 0}, {"width": 1.5}])
def test_wrong_arguments(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        BorderLabel(**arguments)


def test_connectivity_beyond_the_axes() -> None:
    with pytest.raises(ValueError, match="`connectivity` must be at most the 2 axes"):
        BorderLabel(connectivity=3)(np.zeros((1, 4, 4), int))
    assert BorderLabel(connectivity=3)(np.zeros((1, 4, 4, 4), int)).shape == (1, 4, 4, 4)


def near_border(label: np.ndarray, width: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Every voxel nearer than ``width`` to a voxel of the paper's border, by trying all pairs."""
    classes = slow_classes(np.where(label < 0, 0, label))
    classes[label < 0] = -1
    ring = np.argwhere(classes == 2)
    for at in np.argwhere(classes >= 0):
        if any(np.sqrt((((at - other) * spacing) ** 2).sum()) < width - 1e-9 for other in ring):
            classes[tuple(at)] = 2
    return classes


@pytest.mark.parametrize(
    ("shape", "spacing"), [((12, 15), (0.5, 0.3)), ((5, 8, 9), (1.75, 0.8, 0.8)), ((1, 9, 8), (5.0, 1.0, 0.7)), ((1, 12), (1, 2))]
)
@pytest.mark.parametrize("width", [0.31, 0.9, 1.7, 2.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_physical_width(shape: tuple[int, ...], spacing: tuple[float, ...], width: float, seed: int) -> None:
    label = blocks(shape, seed, 3)
    label[..., 6:8] = np.where(blocks(shape, seed + 5)[..., 6:8] > 0, -1, label[..., 6:8])
    got = BorderLabel(width=width, units="physical")(label[None], spacing=spacing)[0]
    np.testing.assert_array_equal(got, near_border(label, width, spacing))


def test_physical_width_follows_each_axis_and_is_strict() -> None:
    label = np.zeros((1, 7, 9, 9), int)
    label[0, 3, 4, 4] = 1
    spacing = torch.tensor([2.0, 0.5, 0.5])
    narrow = BorderLabel(width=0.5, units="physical")(label, spacing)
    np.testing.assert_array_equal(narrow, BorderLabel()(label))  # up to the finest spacing: the plain border
    wide = BorderLabel(width=1.5, units="physical")(label, spacing)[0]
    assert wide[:, 4, 4].tolist() == [0, 0, 2, 2, 2, 0, 0]  # the next slices are 2 away
    assert wide[3, 4].tolist() == [0, 2, 2, 2, 2, 2, 2, 2, 0]  # 0.5 and 1.0, but not 1.5
    tenths = torch.tensor([0.1, 0.1])  # in 32 bits a little more than 0.1
    row = np.array([[[0, 0, 0, 0, 1, 1, 1, 1, 1, 1]]])
    assert BorderLabel(width=0.3, units="physical")(row, tenths)[0, 0].tolist() == [0, 2, 2, 2, 2, 2, 1, 1, 1, 1]
    assert BorderLabel(width=0.3, units="physical")(row, [0.1, 0.1])[0, 0].tolist() == [0, 2, 2, 2, 2, 2, 1, 1, 1, 1]


@pytest.mark.parametrize("value", [0, -1, 3])
def test_physical_width_without_a_border(value: int) -> None:
    label = np.full((1, 3, 4, 5), value)
    out = BorderLabel(width=9.0, units="physical")(label, [1, 1, 1])
    assert (out == np.clip(value, -1, 1)).all()


def test_dictionary_version_reads_the_voxel_size() -> None:
    label = blocks((4, 9, 9), 0)[None]
    to_border = BorderLabeld("label", width=1.2, units="physical")
    out = to_border({"label": label, "spacing": torch.tensor([2.0, 0.5, 0.5])})
    np.testing.assert_array_equal(out["label"], BorderLabel(width=1.2, units="physical")(label, [2.0, 0.5, 0.5]))
    other = BorderLabeld("label", width=1.2, units="physical", spacing_key="size")({"label": label, "size": [2.0, 0.5, 0.5]})
    np.testing.assert_array_equal(out["label"], other["label"])
    plain = BorderLabeld("label")({"label": label, "spacing": torch.full((3,), torch.nan)})
    np.testing.assert_array_equal(plain["label"], BorderLabel()(label))
    for item in ({"label": label}, {"label": label, "spacing": torch.full((3,), torch.nan)}):
        with pytest.raises(ValueError, match=r"`units`='physical' \(`width`\) needs the voxel size.*give `spacing` \(3 values\)"):
            to_border(item)
    with pytest.raises(ValueError, match=r"`spacing` needs 3 values \(one an axis\), got \[1.0, 1.0\]"):
        to_border({"label": label, "spacing": [1, 1]})
    with pytest.raises(ValueError, match=r"`spacing` must be positive and finite on every axis, got \[1.0, nan, 1.0\]"):
        to_border({"label": label, "spacing": [1, np.nan, 1]})


@pytest.mark.parametrize("arguments", [{"width": 0.0}, {"width": np.inf}, {"width": 2, "units": "physicl"}])
def test_wrong_physical_arguments(arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"`width` must be in \(0, inf\)|did you mean 'physical'"):
        BorderLabel(**{"units": "physical", **arguments})
