from __future__ import annotations

import logging
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from monai_denoiseg.data import LoadItemd, count_labelled, folder_datalist, inference_datalist
from monai_denoiseg.files import ResultSet


def put(root, *names, shape=(6, 5), **options):
    for name in names:
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".tif", ".png"):
            tifffile.imwrite(path, np.zeros(shape, "u1"), **options)
        else:
            path.write_text("")


def names(items, key):
    return [Path(item[key]).name if key in item else None for item in items]


@pytest.mark.parametrize("labels", ["labels", "masks"])
def test_pairs_by_stem(tmp_path, labels):
    put(tmp_path, "images/b.tif", "images/a.ome.tif", "images/c.tif", f"{labels}/b.tif", "clean/a.tif")
    put(tmp_path, "images/.hidden.tif", "images/Thumbs.db", "images/sub/x.tif", f"{labels}/.DS_Store")
    items = folder_datalist(tmp_path)
    assert names(items, "image") == ["a.ome.tif", "b.tif", "c.tif"]
    assert names(items, "label") == [None, "b.tif", None] and names(items, "clean") == ["a.tif", None, None]
    assert count_labelled(items) == 1 and folder_datalist(str(tmp_path)) == items


def test_other_folder_names(tmp_path):
    put(tmp_path, "raw/a.tif", "seg/a.tif", "masks/a.tif")
    (item,) = folder_datalist(tmp_path, images="raw", labels="seg")
    assert Path(item["label"]).parent.name == "seg"


def test_bare_folder_of_images(tmp_path):
    put(tmp_path, "b.tif", "a.tif")
    assert folder_datalist(tmp_path) == [{"image": str(tmp_path / name)} for name in ("a.tif", "b.tif")]


def test_nifti_pairs(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), "u1"), np.eye(4)), tmp_path / folder / "a.nii.gz")
    assert count_labelled(folder_datalist(tmp_path)) == 1


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ([], FileNotFoundError, "no image in .*it is empty"),
        (["images/a.czi", "images/b.txt"], FileNotFoundError, r"no image in .*images .it holds a.czi, b.txt.; supported are"),
        (["images/a.tif", "labels/b.tif"], ValueError, r"label .*labels.b\.tif has no image: there is no 'b' in .*images"),
        (["images/a.tif", "clean/b.tif"], ValueError, r"clean .*clean.b\.tif has no image"),
        (["images/a.tif", "images/a.png"], ValueError, r"a\.png and .*a\.tif have the same stem 'a'"),
        (
            ["images/a.tif", "labels/a.tif", "labels/a.ome.tif"],
            ValueError,
            r"labels.*a\.ome\.tif and .*a\.tif have the same stem",
        ),
    ],
)
def test_errors_name_the_file(tmp_path, files, error, message):
    put(tmp_path, *files)
    with pytest.raises(error, match=message):
        folder_datalist(tmp_path)


def test_missing_folder_and_file_instead_of_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        folder_datalist(tmp_path / "nowhere")
    put(tmp_path, "a.tif")
    with pytest.raises(FileNotFoundError, match="is a file, not a folder"):
        folder_datalist(tmp_path / "a.tif")


@pytest.mark.parametrize("folder", ["labels", "clean"])
def test_shape_mismatch(tmp_path, folder):
    put(tmp_path, "images/a.tif", shape=(6, 5))
    put(tmp_path, f"{folder}/a.tif", shape=(5, 6))
    with pytest.raises(ValueError, match=rf"{folder}.a\.tif has shape \(5, 6\), but image .*images.a\.tif has \(6, 5\)"):
        folder_datalist(tmp_path)


def test_axes_reach_the_shape_check(tmp_path):
    put(tmp_path, "images/a.tif", shape=(2, 6, 5))
    put(tmp_path, "labels/a.tif", shape=(6, 5))
    assert count_labelled(folder_datalist(tmp_path, axes="CYX")) == 1
    with pytest.raises(ValueError, match="has shape"):
        folder_datalist(tmp_path)


def test_inference_datalist(tmp_path):
    put(tmp_path, "b.tif", "a.tif", "a_label.tif", "readme.md")
    assert names(inference_datalist(tmp_path), "image") == ["a.tif", "a_label.tif", "b.tif"]
    assert names(inference_datalist(tmp_path, "?.tif"), "image") == ["a.tif", "b.tif"]
    assert inference_datalist(tmp_path / "a.tif") == [{"image": str(tmp_path / "a.tif")}]
    put(tmp_path, "images/c.tif")
    assert names(inference_datalist(tmp_path), "image") == ["c.tif"]


def test_inference_errors(tmp_path):
    put(tmp_path, "readme.md")
    with pytest.raises(FileNotFoundError, match=r"no image in .*it holds readme.md"):
        inference_datalist(tmp_path)
    with pytest.raises(ValueError, match=r"readme\.md: unsupported file format"):
        inference_datalist(tmp_path / "readme.md")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        inference_datalist(tmp_path / "none.tif")
    put(tmp_path, "a.tif", "a.png")
    with pytest.raises(FileNotFoundError, match=r"no image matching 'x.' in"):
        inference_datalist(tmp_path, "x*")
    with pytest.raises(ValueError, match="same stem"):
        inference_datalist(tmp_path)


@pytest.mark.parametrize("wrong", [{"labels": "labls"}, {"clean": "clan"}])
def test_a_folder_asked_for_by_name_must_exist(tmp_path: Path, wrong: dict[str, str]) -> None:
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(FileNotFoundError, match=next(iter(wrong.values()))):
        folder_datalist(tmp_path, **wrong)


def movie(path, shape=(4, 6, 5), axes="TYX"):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.zeros(shape, "u2"), imagej=True, metadata={"axes": axes})


@pytest.mark.parametrize(("shape", "axes", "dims"), [((4, 6, 5), "TYX", 2), ((4, 2, 6, 5), "TCYX", 2), ((4, 3, 6, 5), "TZYX", 3)])
def test_frames_become_items(tmp_path, shape, axes, dims):
    movie(tmp_path / "images" / "b.tif", shape, axes)
    movie(tmp_path / "images" / "c.tif", shape, axes)
    label_shape, label_axes = (shape, axes) if "C" not in axes else ((shape[0], *shape[2:]), "TYX")
    for folder in ("labels", "clean"):
        movie(tmp_path / folder / "b.tif", *((shape, axes) if folder == "clean" else (label_shape, label_axes)))
    movie(tmp_path / "images" / "a.tif", shape[1:], axes[1:])
    items = folder_datalist(tmp_path, spatial_dims=dims)
    assert [(Path(item["image"]).stem, item.get("frame"), "label" in item, "clean" in item) for item in items] == [
        ("a", None, False, False),
        *[("b", i, True, True) for i in range(4)],
        *[("c", i, False, False) for i in range(4)],
    ]
    loaded = [LoadItemd(spatial_dims=dims)(item) for item in items]
    assert {tuple(item["image"].shape[1:]) for item in loaded} == {shape[-dims:]}
    assert len(inference_datalist(tmp_path)) == 3 and "frame" not in inference_datalist(tmp_path)[1]


def test_label_pages_without_a_name_are_the_frames_of_their_image(tmp_path):
    movie(tmp_path / "images" / "a.tif")
    put(tmp_path, "labels/a.tif", shape=(4, 6, 5))  # plain pages
    assert count_labelled(folder_datalist(tmp_path, spatial_dims=2)) == 4


@pytest.mark.parametrize(
    ("shape", "axes", "held"),
    [((3, 6, 5), "TYX", "3 frames"), ((6, 5), "YX", "one image without frames"), ((1, 6, 5), "TYX", "one image")],
)
@pytest.mark.parametrize("folder", ["labels", "clean"])
def test_other_frames_than_the_image(tmp_path, folder, shape, axes, held):
    movie(tmp_path / "images" / "a.tif")
    movie(tmp_path / folder / "a.tif", shape, axes)
    with pytest.raises(
        ValueError, match=rf"{folder}.a\.tif holds {held}.*images.a\.tif holds 4 frames; .*ignore value everywhere"
    ):
        folder_datalist(tmp_path, spatial_dims=2)


def test_axes_are_checked_without_labels_too(tmp_path):
    put(tmp_path, "images/a.tif", shape=(3, 6, 5), photometric="minisblack")
    with pytest.raises(ValueError, match=r"a\.tif .*3 planes without a meaning.*axes='TYX'"):
        folder_datalist(tmp_path, spatial_dims=2)
    assert len(folder_datalist(tmp_path, axes="TYX", spatial_dims=2)) == 3
    assert (
        folder_datalist(tmp_path) == folder_datalist(tmp_path, spatial_dims=3) == [{"image": str(tmp_path / "images" / "a.tif")}]
    )


def test_reversed_label_is_said(tmp_path):
    put(tmp_path, "images/a.tif", shape=(4, 6, 5), photometric="minisblack")
    put(tmp_path, "labels/a.tif", shape=(5, 6, 4), photometric="minisblack")
    with pytest.raises(
        ValueError, match=r"shape \(5, 6, 4\), but .*\(4, 6, 5\); it fits with its axes reversed: store it in ZYX order"
    ):
        folder_datalist(tmp_path, spatial_dims=3)


def test_zarr_folders_are_images(tmp_path):
    for name in ("a.ome.zarr", "b.zarr"):
        zarr.create_array(tmp_path / "images" / name, data=np.zeros((3, 6, 5), "u2"), dimension_names=list("zyx"))
    put(tmp_path, "labels/a.tif", shape=(3, 6, 5))  # tifffile writes colour planes here
    (tmp_path / "images" / "plain").mkdir()
    items = folder_datalist(tmp_path, spatial_dims=3)
    assert names(items, "image") == ["a.ome.zarr", "b.zarr"] and names(items, "label") == ["a.tif", None]
    assert LoadItemd(spatial_dims=3)(items[0])["image"].shape == (1, 3, 6, 5)
    assert names(inference_datalist(tmp_path), "image") == ["a.ome.zarr", "b.zarr"]
    assert names(inference_datalist(tmp_path, "b*"), "image") == ["b.zarr"]
    single = tmp_path / "images" / "b.zarr"
    assert inference_datalist(single) == [{"image": str(single)}]


def write_results(folder: Path, *names: str) -> None:
    with ResultSet(folder, "image-a") as results:
        for name in names:
            tifffile.imwrite(results.add(folder / name), np.zeros((8, 8), np.uint8))


def test_results_among_the_images_are_no_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "a.tif")
    write_results(tmp_path, "a_denoised.tif", "a_instances.tif")
    tifffile.imwrite(tmp_path / "a_instances.tif", np.ones((8, 8), np.uint8))  # corrected by hand, and no image for that
    with caplog.at_level(logging.INFO):
        for listed in (inference_datalist(tmp_path), folder_datalist(tmp_path)):
            assert names(listed, "image") == ["a.tif"]
    assert "2 results of earlier runs are no images and are passed over: a_denoised.tif, a_instances.tif" in caplog.text
    assert names(inference_datalist(tmp_path / "a_denoised.tif"), "image") == ["a_denoised.tif"]
    assert names(inference_datalist(tmp_path, "*_denoised.tif"), "image") == ["a_denoised.tif"]
    (tmp_path / "a.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"all of its 2 files are results .*--pattern"):
        inference_datalist(tmp_path)


def test_results_may_be_labels(tmp_path: Path) -> None:
    put(tmp_path, "images/a.tif", shape=(8, 8))
    write_results(tmp_path / "labels", "a.tif")
    assert "label" in folder_datalist(tmp_path)[0]


def test_what_cannot_be_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "images/a.tif", "images/b.tif", "labels/a.tif")
    (tmp_path / "labels" / "b.tif").mkdir()
    (tmp_path / "labels" / "b.xml").touch()
    (tmp_path / "images" / "c.tif").mkdir()
    (tmp_path / "images" / "d.tif").symlink_to("d.tif")
    assert [sorted(item) for item in folder_datalist(tmp_path)] == [["image", "label"], ["image"]]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{tmp_path / 'images'}: passed over: c.tif (a folder), d.tif (a link that leads nowhere)",
        f"{tmp_path / 'labels'}: passed over: b.tif (a folder)",
        f"{tmp_path / 'labels'}: passed over, as the format cannot be read: b.xml",
    ]


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "images/a.tif", "labels/a.tif")
    real = Path.iterdir

    def forbidden(path: Path):
        if path.name == "labels":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(PermissionError, match="labels"):
        folder_datalist(tmp_path)


def test_images_from_several_places(tmp_path: Path) -> None:
    for name in ("a/1.tif", "b/2.tif", "b/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = inference_datalist([tmp_path / "a" / "1.tif", str(tmp_path / "b")], "*.tif")
    assert [item["image"] for item in found] == [str(tmp_path / "a" / "1.tif"), str(tmp_path / "b" / "2.tif")]
    with pytest.raises(ValueError, match="have the same stem '1'"):
        inference_datalist([tmp_path / "a", tmp_path / "b"])
