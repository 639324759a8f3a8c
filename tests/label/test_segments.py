"""Named segments, scribbles and outlines as labels."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import LoadItemd
from monai_denoiseg.label.outlines import Outline
from monai_denoiseg.label.segments import prepare_label, read_segments, segment_names, segment_values, values_of_segments

from .conftest import AFFINE, Study, write_volume
from .test_outlines import asap, square


def test_segments_without_special_names_keep_their_numbers() -> None:
    values = np.array([0, 1, 2, 7, -1])
    np.testing.assert_array_equal(read_segments(values, ["a", "b"]), values)


def test_scribbles_leave_the_rest_unannotated() -> None:
    values = np.array([[0, 0, 1], [2, 2, 3]])
    found = read_segments(values, ["cell", "annotated background", "Not Annotated"])
    np.testing.assert_array_equal(found, [[-1, -1, 1], [0, 0, -1]])


def test_classes_go_by_name_not_by_order() -> None:
    classes = ["background", "liver", "spleen"]
    np.testing.assert_array_equal(read_segments(np.array([0, 1, 2]), ["Spleen", "liver"], classes), [0, 2, 1])
    with pytest.raises(ValueError, match="a segment is called 'heart'; the classes are background, liver, spleen"):
        read_segments(np.array([0, 1]), ["heart"], classes)


CLASSES = ["background", "liver", "spleen"]


@pytest.mark.parametrize(
    ("values", "names", "numbers", "expected"),
    [
        ([0, 2], ["liver"], [2], [0, 1]),  # a script says which value is which
        ([0, 5, 9], ["spleen", "liver"], [9, 5], [0, 1, 2]),
        ([0, 1, 2], ["spleen", "liver"], [2, 1], [0, 1, 2]),  # in another order than the list
        ([0, 1, 2], ["spleen", "liver"], [2, 3], [0, 2, 1]),  # 3D Slicer left out the first segment and counted it
        ([0, 1, 2], ["spleen", "liver"], [None, None], [0, 2, 1]),
        ([0, 1, 2], ["spleen", "liver"], [1, 1], [0, 2, 1]),
    ],
)
def test_which_value_is_which_segment(
    values: list[int], names: list[str], numbers: list[int | None], expected: list[int]
) -> None:
    assert read_segments(np.array(values), names, CLASSES, numbers).tolist() == expected


@pytest.mark.parametrize(("values", "numbers"), [([0, 2], []), ([0, 2], [3]), ([0, 1, 3], [1])])
def test_a_value_of_no_segment_is_refused_with_classes(values: list[int], numbers: list[int | None]) -> None:
    with pytest.raises(ValueError, match=r"holds the value [23], but its segments are .*liver; send `label_info`"):
        read_segments(np.array(values), ["liver"], CLASSES, numbers)
    assert read_segments(np.array(values), ["liver"], (), numbers).tolist() == values  # numbers of objects


def test_numbers_a_client_sends() -> None:
    listed = [{"name": "a", "idx": 2}, {"name": "b", "idx": True}, {"name": "c", "idx": "3"}, {"name": "d"}, 5]
    assert segment_values({"label_info": listed}) == [2, None, None, None]
    assert segment_values({"label_info": 5}) == segment_values({}) == []
    assert values_of_segments(np.array([5]), 2, [5]) == [1, 2]


def test_a_hidden_segment_by_its_number() -> None:
    assert read_segments(np.array([0, 1, 2, 5]), ["not annotated"], (), [5]).tolist() == [0, 1, 2, -1]


def test_an_empty_segment_of_no_class_does_not_matter() -> None:
    assert read_segments(np.array([0, 2]), ["Segment_1", "liver"], ["background", "liver"]).tolist() == [0, 1]


@pytest.mark.parametrize("info", [{}, {"label_info": None}, {"label_info": ["odd"]}])
def test_no_names(info: dict[str, object]) -> None:
    assert segment_names(info) == []


def test_a_plain_label_is_taken_as_it_is(study: Study, tmp_path: Path) -> None:
    label = study.folder / "labels" / "final" / "plane0.tif"
    assert prepare_label(label, study.folder / "plane0.tif", tmp_path, segments=["a", "b"]) == label


def test_a_rewritten_plane_is_read_back(study: Study, tmp_path: Path) -> None:
    label = tmp_path / "drawn.tif"
    values = np.zeros((48, 40), np.uint8)
    values[:5], values[5:9, :7] = 1, 2
    tifffile.imwrite(label, values)
    image = study.folder / "plane2.tif"
    prepared = prepare_label(label, image, tmp_path / "work", segments=["cell", "annotated background"])
    item = LoadItemd(spatial_dims=2, binary_labels="components")({"image": str(image), "label": str(prepared)})
    expected = np.full((48, 40), -1)
    expected[:5], expected[5:9, :7] = 1, 0
    np.testing.assert_array_equal(item["label"][0], expected)


def test_a_label_in_nifti_of_a_tiff_image(study: Study, tmp_path: Path) -> None:
    values = np.zeros((48, 40), np.int16)
    values[3, 5], values[10, 20] = 1, 2
    nibabel.save(nibabel.Nifti1Image(values.T[:, :, None], np.diag([-1.0, -1, 1, 1])), tmp_path / "slicer.nii.gz")
    image = study.folder / "plane2.tif"
    prepared = prepare_label(tmp_path / "slicer.nii.gz", image, tmp_path / "work", segments=["cell", "ignore"])
    found = LoadItemd(spatial_dims=2)({"image": str(image), "label": str(prepared)})["label"][0].numpy()
    assert (found[3, 5], found[10, 20], found[0, 0]) == (1, -1, 0)


def test_a_rewritten_volume_keeps_its_place(tmp_path: Path) -> None:
    image = write_volume(tmp_path / "volume.nii.gz")
    values = np.zeros((8, 24, 28), np.uint8)
    values[2, 3, 4], values[5, 6, 7] = 1, 2
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values.T), AFFINE), tmp_path / "l.nii.gz")
    names = ["not annotated", "cell"]
    prepared = prepare_label(tmp_path / "l.nii.gz", image, tmp_path / "work", segments=names, spatial_dims=3)
    np.testing.assert_array_equal(nibabel.load(prepared).affine, nibabel.load(image).affine)
    found = LoadItemd(spatial_dims=3)({"image": str(image), "label": str(prepared)})["label"][0].numpy()
    assert (found[2, 3, 4], found[5, 6, 7]) == (-1, 2)


def test_outlines_of_qupath(study: Study, tmp_path: Path) -> None:
    file = asap(tmp_path / "plane2.xml", Outline("cell", square(2, 8)), Outline("cell", square(20, 30)))
    image = study.folder / "plane2.tif"
    prepared = prepare_label(file, image, tmp_path / "work")
    found = LoadItemd(spatial_dims=2)({"image": str(image), "label": str(prepared)})["label"][0].numpy()
    assert np.unique(found, return_counts=True)[1].tolist()[1:] == [36, 100]


def test_what_cannot_be_read(study: Study, tmp_path: Path) -> None:
    volume = write_volume(tmp_path / "volume.nii.gz")
    with pytest.raises(ValueError, match=r"a\.mgz: unsupported file format; save it as"):
        prepare_label("a.mgz", study.folder / "plane0.tif", tmp_path)
    with pytest.raises(ValueError, match="outlines, which are for 2D images"):
        prepare_label(asap(tmp_path / "a.xml"), volume, tmp_path, spatial_dims=3)
