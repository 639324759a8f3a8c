from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from monai.data import MetaTensor

from monai_denoiseg.data import LoadItemd, SavePredictiond, TiffReader, output_stem, smallest_label_type


def item_from(path: Path, **entries: torch.Tensor) -> dict[str, object]:
    return {**LoadItemd()({"image": str(path)}), **entries}


@pytest.mark.parametrize(("largest", "expected"), [(0, "uint16"), (65535, "uint16"), (65536, "uint32")])
def test_label_type_is_the_smallest_that_holds_all(largest: int, expected: str) -> None:
    assert smallest_label_type(np.array([0, largest])).name == expected


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7)])
def test_tiff_keeps_voxel_size_and_type(tmp_path: Path, shape: tuple[int, ...]) -> None:
    metadata = {"axes": "YX" if len(shape) == 2 else "ZYX", "unit": "um"} | ({"spacing": 2.5} if len(shape) == 3 else {})
    tifffile.imwrite(tmp_path / "a.tif", np.ones(shape, np.uint16), imagej=True, resolution=(4, 2), metadata=metadata)
    labels = torch.arange(int(np.prod(shape))).reshape(1, *shape)
    denoised = torch.rand(1, *shape) * 1000
    save = SavePredictiond(tmp_path / "out", {"pred": "instances", "denoised": "denoised"}, label_keys=("pred",))
    save(item_from(tmp_path / "a.tif", pred=labels, denoised=denoised))
    stored = tifffile.imread(tmp_path / "out" / "a_instances.tif")
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, labels[0])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a_denoised.tif"), denoised[0])
    for name in ("a_instances", "a_denoised"):
        written = TiffReader().read(str(tmp_path / "out" / f"{name}.tif"))
        assert written.meta["spacing"] == TiffReader().read(str(tmp_path / "a.tif")).meta["spacing"]


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    save = SavePredictiond(tmp_path, {"image": "denoised"}, label_keys=())
    for number, folder in enumerate(("a", "b")):
        image = MetaTensor(torch.full((1, 4, 4), float(number)), meta={"filename_or_obj": f"{folder}/cell.tif"})
        if number == 0:
            save({"image": image})
        else:
            with pytest.raises(FileExistsError, match=r"a/cell\.tif"):
                save({"image": image})
    assert tifffile.imread(tmp_path / "cell_denoised.tif").max() == 0


def test_a_value_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    image = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "cell.tif"})
    item = {"image": image, "denoised": torch.ones(1, 4, 4), "pred": torch.full((1, 4, 4), -2)}
    with pytest.raises(ValueError, match="do not fit"):
        SavePredictiond(tmp_path / "out", {"denoised": "denoised", "pred": "instances"}, label_keys=("pred",))(item)
    assert not list(tmp_path.rglob("*.tif"))


def test_volume_of_two_channels_round_trip(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 60000, (5, 2, 7, 6)).astype(np.uint16)  # Z, C, Y, X
    metadata = {"axes": "ZCYX", "unit": "um", "spacing": 2.5}
    tifffile.imwrite(tmp_path / "a.tif", stored, imagej=True, resolution=(4, 2), metadata=metadata)
    item = LoadItemd(spatial_dims=3, channels=2)({"image": str(tmp_path / "a.tif")})
    item |= {"denoised": item["image"].as_tensor() + 0.5, "classes": (item["image"][:1] > 30000).int()}
    SavePredictiond(tmp_path / "out", {"denoised": "denoised", "classes": "classes"}, label_keys=["classes"])(item)
    for name, dtype, axes in (("denoised", "float32", "ZCYX"), ("classes", "uint16", "ZYX")):
        with tifffile.TiffFile(tmp_path / "out" / f"a_{name}.tif") as tif:
            assert tif.is_imagej and tif.series[0].axes == axes and tif.series[0].dtype == dtype
            assert tif.imagej_metadata["spacing"] == 2.5 and tif.imagej_metadata["unit"] == "um"
        again = LoadItemd(spatial_dims=3)({"image": str(tmp_path / "out" / f"a_{name}.tif")})
        assert again["spacing"].tolist() == item["spacing"].tolist() == [2.5, 0.5, 0.25]
        np.testing.assert_array_equal(again["image"].numpy(), item[name].numpy())


@pytest.mark.parametrize("channels", [1, 2])
def test_volume_of_one_slice_round_trip(tmp_path: Path, channels: int) -> None:
    stored = np.random.default_rng(0).integers(0, 60000, (channels, 7, 6)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stored, imagej=True, metadata={"axes": "CYX"})
    load = LoadItemd(spatial_dims=3, axes="ZCYX", channels=channels)
    item = load({"image": str(tmp_path / "a.tif")})
    assert item["image"].shape == (channels, 1, 7, 6)
    item["labels"] = item["image"][:1].int()
    SavePredictiond(tmp_path, {"image": "denoised", "labels": "instances"}, label_keys=["labels"])(item)
    np.testing.assert_array_equal(load({"image": str(tmp_path / "a_denoised.tif")})["image"].numpy(), stored[:, None])
    pair = {"image": str(tmp_path / "a.tif"), "label": str(tmp_path / "a_instances.tif")}
    np.testing.assert_array_equal(load(pair)["label"].numpy(), stored[:1, None])


def test_frames_of_a_file_do_not_overwrite_each_other(tmp_path: Path) -> None:
    stored = np.arange(60, dtype=np.uint16).reshape(3, 5, 4)
    tifffile.imwrite(tmp_path / "a.tif", stored, imagej=True, metadata={"axes": "TYX"})
    save = SavePredictiond(tmp_path / "out", {"image": "denoised"}, label_keys=())
    for frame in range(3):
        save(LoadItemd(spatial_dims=2)({"image": str(tmp_path / "a.tif"), "frame": frame}))
    for frame in range(3):
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / f"a_frame000{frame}_denoised.tif"), stored[frame])


def save_with_texts(folder: Path, **entries: Any) -> None:
    texts = {"table": "table.csv", "note": "note.txt"}
    save = SavePredictiond(folder, {"pred": "mask"}, label_keys=["pred"], optional=["pred"], texts=texts)
    image = MetaTensor(torch.zeros(1, 4, 6), meta={"filename_or_obj": "cells.tif"})
    item = {"image": image, **entries}
    assert set(save(item)) == set(item)


def test_texts_are_written_beside_the_images(tmp_path: Path) -> None:
    out = tmp_path / "new"
    save_with_texts(out, table="ä,b\n", frame=3, pred=torch.ones(1, 4, 6).int())
    assert sorted(path.name for path in out.glob("[!.]*")) == ["cells_frame0003_mask.tif", "cells_frame0003_table.csv"]
    assert (out / "cells_frame0003_table.csv").read_text("utf-8") == "ä,b\n"
    save_with_texts(out, table="x", frame=3)
    assert (out / "cells_frame0003_table.csv").read_text("utf-8") == "x"


def test_a_text_that_cannot_be_written_leaves_the_whole_earlier_set(tmp_path: Path) -> None:
    save_with_texts(tmp_path, table="old", pred=torch.ones(1, 4, 6).int())
    with pytest.raises(UnicodeEncodeError):
        save_with_texts(tmp_path, table="\ud800", pred=torch.zeros(1, 4, 6).int())
    assert (tmp_path / "cells_table.csv").read_text() == "old"
    assert tifffile.imread(tmp_path / "cells_mask.tif").min() == 1
    assert not list(tmp_path.glob(".part*"))


def test_a_file_that_is_no_result_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "cells_note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"cells_note\.txt is there and is not overwritten"):
        save_with_texts(tmp_path, note="new", table="new")
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["cells_note.txt"]


@pytest.mark.parametrize(
    ("path", "frame", "stem"),
    [("x/a.tif", None, "a"), ("a.ome.tif", 12, "a_frame0012"), ("s/a.ome.zarr/", None, "a"), ("v.2.nii.gz", 0, "v.2_frame0000")],
)
def test_stems(path: str, frame: int | None, stem: str) -> None:
    assert output_stem(path, frame) == stem


def test_the_stem_is_the_name_given_not_that_of_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "patient.ome.zarr").symlink_to(tmp_path / "raw.ome.zarr")
    assert output_stem(tmp_path / "patient.ome.zarr") == "patient"
