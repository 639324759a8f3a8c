"""The images a bundle trains and validates on."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle import count_data, datalists, training_data, typical_spacing, usual_size
from monai_denoiseg.bundle.kept_split import split_names
from monai_denoiseg.data import write_simulated
from monai_denoiseg.networks import DenoiSegNet


def test_training_data(tmp_path: Path) -> None:
    folder = write_simulated(tmp_path / "data", n_images=10, n_labelled=6, shape=(24, 24))
    parts = training_data(folder, tmp_path, validation_fraction=0.3, seed=1)
    assert count_data(**parts) == {"train": 7, "train_labelled": 4, "validation": 3, "validation_labelled": 2}
    assert not {item["image"] for item in parts["training"]} & {item["image"] for item in parts["validation"]}
    assert training_data(folder, tmp_path, validation_fraction=0.3, seed=1) == parts
    few = training_data(folder, tmp_path, validation_fraction=0.3, n_labels=1, seed=1)
    assert count_data(**few)["train_labelled"] == 1
    assert few["validation"] == parts["validation"]


def test_a_validation_folder_of_its_own(tmp_path: Path) -> None:
    train = write_simulated(tmp_path / "a", n_images=3, n_labelled=1, shape=(24, 24))
    other = write_simulated(tmp_path / "b", n_images=2, n_labelled=2, shape=(24, 24))
    parts = training_data(train, tmp_path, validation_dir=other)
    assert count_data(**parts) == {"train": 3, "train_labelled": 1, "validation": 2, "validation_labelled": 2}


@pytest.mark.parametrize(("spatial_dims", "shape", "counts"), [(2, (128, 128), (60, 8)), (3, (16, 96, 96), (16, 4))])
def test_simulated_data_without_a_folder(
    tmp_path: Path, spatial_dims: int, shape: tuple[int, ...], counts: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def small(folder: Path, **options: Any) -> Path:
        asked.update(options)
        return write_simulated(folder, **options | {"n_images": 10, "n_labelled": 4, "shape": (8,) * spatial_dims})

    monkeypatch.setattr("monai_denoiseg.bundle.datalists.write_simulated", small)
    parts = training_data("simulated", tmp_path, spatial_dims=spatial_dims, seed=4)
    assert (asked["shape"], asked["n_images"], asked["n_labelled"], asked["seed"]) == (shape, *counts, 4)
    assert sum(map(len, parts.values())) == 10
    assert parts["training"][0]["image"].startswith(str(tmp_path / "simulated"))


def test_axes_reach_the_shape_check(tmp_path: Path) -> None:
    """Three pages of 8 x 8 are channels or a volume: the label of 8 x 8 fits the first only."""
    for sub in ("images", "labels"):
        (tmp_path / sub).mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", np.zeros((5, 8, 8), np.uint8), photometric="minisblack")
        tifffile.imwrite(tmp_path / "labels" / f"{name}.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="5 planes without a meaning"):
        training_data(tmp_path, tmp_path)
    assert count_data(**training_data(tmp_path, tmp_path, axes="CYX"))["train"] == 1


@pytest.mark.parametrize(
    ("n_images", "n_labelled", "fraction", "validation"), [(1, 1, 0.15, 1), (1, 0, 0.15, 1), (6, 1, 0.3, 3), (4, 2, 0, 2)]
)
def test_without_a_labelled_image_for_validation_those_of_the_training_are_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, n_images: int, n_labelled: int, fraction: float, validation: int
) -> None:
    folder = write_simulated(tmp_path / "data", n_images=n_images, n_labelled=n_labelled, shape=(24, 24))
    with caplog.at_level("WARNING", "monai_denoiseg"):
        parts = training_data(folder, tmp_path, validation_fraction=fraction)
    counts = count_data(**parts)
    assert (counts["validation"], counts["validation_labelled"]) == (validation, n_labelled)
    assert counts["train_labelled"] == n_labelled, "no label is taken from the training"
    assert "checkpoint and threshold come from" in caplog.text
    assert "Give `validation_dir`" in caplog.text


def test_nothing_labelled_at_all_needs_no_labelled_validation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_simulated(tmp_path / "data", n_images=4, n_labelled=0, shape=(24, 24))
    assert count_data(**training_data(folder, tmp_path, validation_fraction=0.25))["validation"] == 1
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith("no label was found in the subfolder labels (or masks)")
    assert "labels;" not in said  # the empty folder is no hint
    caplog.clear()
    assert count_data(**training_data(folder, tmp_path, validation_fraction=0.25, labels=False))["validation"] == 1
    assert "WARNING" not in {record.levelname for record in caplog.records}


def sizes(*rows: list[float]) -> list[dict[str, torch.Tensor]]:
    return [{"spacing": torch.tensor(row)} for row in rows]


def test_typical_spacing(caplog: pytest.LogCaptureFixture) -> None:
    nan = float("nan")
    assert typical_spacing(sizes([2.0, 0.5, 0.5], [nan] * 3, [2.0, 0.5, 0.5])) == [2.0, 0.5, 0.5]
    assert typical_spacing(sizes([nan, nan])) is None
    assert caplog.text == ""
    assert typical_spacing(sizes([1.0, 1.0], [2.0, 1.0], [2.0, 1.0])) == [2.0, 1.0]
    assert "resample the images first" in caplog.text
    assert typical_spacing(sizes([1.0, 1.0]), given=[3, 4]) == [3.0, 4.0]


def test_denoising_alone_sees_the_same_split_without_labels(tmp_path: Path) -> None:
    data = write_simulated(tmp_path / "data", n_images=8, n_labelled=4, shape=(16, 16))
    with_labels, without = (training_data(data, tmp_path, validation_fraction=0.5, labels=labels) for labels in (True, False))
    assert count_data(**without)["train_labelled"] == count_data(**without)["validation_labelled"] == 0
    for part in ("training", "validation"):
        assert [item["image"] for item in without[part]] == [item["image"] for item in with_labels[part]]


def test_target_images_come_from_their_folder(tmp_path: Path) -> None:
    data = Path(write_simulated(tmp_path / "data", n_images=4, n_labelled=2, shape=(16, 16)))
    parts = training_data(data, tmp_path, target="clean", validation_fraction=0.25)
    for item in parts["training"] + parts["validation"]:
        assert Path(item["target"]) == data / "clean" / Path(item["image"]).name
    next((data / "clean").iterdir()).unlink()
    with pytest.raises(ValueError, match=r"1 images have no target in .*clean, the first is"):
        training_data(data, tmp_path, target="clean")
    with pytest.raises(FileNotFoundError, match="second does not exist"):
        training_data(data, tmp_path, target="second")


def _folder(folder: Path, labelled: int, n: int = 12) -> Path:
    return write_simulated(folder, n_images=n, n_labelled=labelled, shape=(32, 32))


@pytest.mark.parametrize("n_labels", [None, 2])
def test_one_more_annotation_moves_nothing_across_the_split(tmp_path: Path, n_labels: int | None) -> None:
    data = _folder(tmp_path / "data", 6)
    options = {"validation_fraction": 0.3, "n_labels": n_labels}
    before = split_names(**training_data(data, tmp_path, **options))
    shutil.copy(data / "labels" / sorted(path.name for path in (data / "labels").iterdir())[0], data / "labels" / "extra.tif")
    unlabelled = sorted(path for path in (data / "images").iterdir() if not (data / "labels" / path.name).exists())
    (data / "labels" / "extra.tif").rename(data / "labels" / unlabelled[0].name)
    anew = split_names(**training_data(data, tmp_path, **options))
    assert anew["validation"] != before["validation"], "without the earlier split it is drawn anew"
    after = split_names(**training_data(data, tmp_path, **options, previous=before))
    assert (after["training"], after["validation"]) == (before["training"], before["validation"])
    kept = set(before["labelled"]) if n_labels else set(before["labelled"]) | {f"images/{unlabelled[0].name}"}
    assert set(after["labelled"]) == kept & set(after["training"])


def test_new_images_are_trained_on_and_the_folder_may_move(tmp_path: Path) -> None:
    data = _folder(tmp_path / "data", 6)
    before = split_names(**training_data(data, tmp_path))
    moved = data.rename(tmp_path / "moved")
    shutil.copy(next((moved / "images").iterdir()), moved / "images" / "zz_new.tif")
    after = split_names(**training_data(moved, tmp_path, previous=before))
    assert after["training"] == [*before["training"], "images/zz_new.tif"]
    assert after["validation"] == before["validation"]


def test_an_image_of_the_run_that_is_gone_is_named(tmp_path: Path) -> None:
    data = _folder(tmp_path / "data", 6)
    before = split_names(**training_data(data, tmp_path))
    gone = tmp_path / "data" / before["training"][0]
    for part in ("images", "labels", "clean"):
        (tmp_path / "data" / part / gone.name).unlink(missing_ok=True)
    with pytest.raises(
        FileNotFoundError, match=rf"1 images that the run .* not in `dataset_dir` any more \(images/{gone.name}\)"
    ):
        training_data(data, tmp_path, previous=before)


def test_validation_images_of_their_own_folder_keep_their_names(tmp_path: Path) -> None:
    data, other = _folder(tmp_path / "data", 6), _folder(tmp_path / "other", 2, n=3)
    parts = training_data(data, tmp_path, validation_dir=other)
    before = split_names(**parts, validation_dir=other)
    assert all(name.startswith("validation_dir/images/") for name in before["validation"])
    again = training_data(data, tmp_path, validation_dir=other, previous=before)
    assert split_names(**again, validation_dir=other) == before


def test_new_validation_images_are_never_trained_on(tmp_path: Path) -> None:
    data, other = _folder(tmp_path / "data", 6), _folder(tmp_path / "other", 2, n=3)
    before = split_names(**training_data(data, tmp_path, validation_dir=other), validation_dir=other)
    shutil.copy(other / "images" / "nuclei_0000.tif", other / "images" / "zz.tif")
    after = split_names(**training_data(data, tmp_path, validation_dir=other, previous=before), validation_dir=other)
    assert after["training"] == before["training"]
    assert after["validation"] == [*before["validation"], "validation_dir/images/zz.tif"]


@pytest.mark.parametrize(("change", "message"), [("image", "hold something else"), ("label", "have lost their label")])
def test_a_run_goes_on_with_its_own_images_only(tmp_path: Path, change: str, message: str) -> None:
    data = _folder(tmp_path / "data", 6)
    before = split_names(**training_data(data, tmp_path))
    name = Path(before["labelled"][0]).name
    if change == "image":
        tifffile.imwrite(data / "images" / name, np.full((32, 32), 7, np.uint16))
    else:
        (data / "labels" / name).unlink()
    with pytest.raises(ValueError, match=rf"1 images of the run {message} .*{name}.*--dataset_dir"):
        training_data(data, tmp_path, previous=before)


def test_images_that_are_not_read_are_no_new_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = _folder(tmp_path / "data", 4)
    before = split_names(**training_data(data, tmp_path, labelled_only=True))
    with caplog.at_level("INFO"):
        after = split_names(**training_data(data, tmp_path, labelled_only=True, previous=before))
    assert after == before
    assert "new images" not in caplog.text


@pytest.mark.parametrize("shape", [(24, 40), (8, 24, 40)])
def test_the_usual_size_is_that_of_who_measures(shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a denoised image the first stage normalises in inference, by the usual size of its own training."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, "u2"))
    file = tmp_path / "denoiser.pt"
    torch.save(DenoiSegNet(len(shape), n_classes=0, depth=1, features=4).state_dict(), file)
    usual = partial(usual_size, [{"image": tmp_path / "a.tif"}], None, len(shape))
    assert usual() == usual(file, ["start"]) == list(shape)
    assert min(usual(file, ["input"])) > 1 << 19
    wide = [n * 3 for n in shape]
    monkeypatch.setattr(datalists, "load_denoiser", lambda path: SimpleNamespace(window=wide))
    assert usual(file, ["input"]) == wide
