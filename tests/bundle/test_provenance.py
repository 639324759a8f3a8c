"""What a model file tells of its training."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from monai.data import Dataset

from monai_denoiseg.bundle import provenance
from monai_denoiseg.bundle.provenance import describe_training, fingerprint, intensity_range
from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.digest import content_digest, pixel_digest
from monai_denoiseg.handlers.seen import role_of
from monai_denoiseg.networks import DenoiSegNet


def images(folder: Path, n: int) -> list[Path]:
    draw = np.random.default_rng(0)
    paths = [folder / f"{i}.tif" for i in range(n)]
    for path in paths:
        tifffile.imwrite(path, draw.integers(0, 1000, (8, 9)).astype(np.uint16))
    return paths


def test_roles_of_the_images(tmp_path: Path) -> None:
    a, b, c, d = images(tmp_path, 4)
    training = [{"image": str(a), "label": "x"}, {"image": str(b)}]
    found = fingerprint(training, [{"image": str(c), "label": "x"}, {"image": str(d)}])
    assert found["trained"] == [content_digest(a)]
    assert found["validated"] == sorted([content_digest(c), content_digest(d)])
    assert (found["train"], found["train_labelled"], found["validation"], found["validation_labelled"]) == (2, 1, 2, 1)


@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9)])
def test_an_image_is_known_by_its_pixels(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Stored anew, compressed or under another name, it is not new; the frame of a movie is an image of its own."""
    pixels = np.random.default_rng(0).integers(0, 1000, shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    tifffile.imwrite(tmp_path / "b.tif", pixels, compression="zlib")
    tifffile.imwrite(tmp_path / "c.tif", pixels + 1)
    load = LoadItemd(axes="ZYX"[-len(shape) :], spatial_dims=len(shape))
    seen = {"trained": fingerprint([{"image": tmp_path / "a.tif", "label": "x"}], [], load)["trained"]}
    roles = [role_of(pixel_digest(load({"image": path})["image"]), str(path), seen) for path in sorted(tmp_path.glob("*.tif"))]
    assert roles == ["trained", "trained", ""]


def test_many_images_do_not_burst_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(provenance, "MOST_IMAGES", 2)
    found = fingerprint([{"image": str(path), "label": "x"} for path in images(tmp_path, 3)], [])
    assert len(found["trained"]) == 2
    assert found["train"] == 3
    assert "keeps the digests of 2 images" in caplog.text


@pytest.mark.parametrize("shape", [(2, 30, 40), (1, 6, 20, 21)])
def test_intensities_against_numpy(shape: tuple[int, ...]) -> None:
    drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(i)) * (i + 1) for i in range(3)]
    found = intensity_range([{"image": image} for image in drawn])
    flat = [image.flatten(1).numpy() for image in drawn]
    for channel in range(shape[0]):
        low = np.median([np.percentile(values[channel], 0.1) for values in flat])
        high = np.median([np.percentile(values[channel], 99.9) for values in flat])
        assert found["low"][channel] == pytest.approx(low, rel=1e-4)
        assert found["high"][channel] == pytest.approx(high, rel=1e-4)
        assert found["minimum"][channel] == pytest.approx(min(values[channel].min() for values in flat), rel=1e-4)
        assert found["maximum"][channel] == pytest.approx(max(values[channel].max() for values in flat), rel=1e-4)
    assert intensity_range([]) == {}


def test_no_name_of_a_folder_travels(tmp_path: Path) -> None:
    network = DenoiSegNet(2, depth=1, features=4)
    dataset = [{"image": torch.rand(1, 8, 8), "spacing": torch.tensor([0.5, 0.25])}]
    settings = {"alpha": 0.5, "dataset_dir": "/DOE^JANE", "first_stage_file": "/DOE^JANE/model.pt", "resume": True}
    (path,) = images(tmp_path, 1)
    training = Dataset([{"image": str(path)}], lambda item: dataset[0])
    describe_training(network, settings, training, [], (8, 8))
    again = DenoiSegNet(2, depth=1, features=4)
    again.load_state_dict(network.state_dict())
    assert again.training_info["settings"] == {"alpha": 0.5}
    assert again.training_info["spacing"] == [0.5, 0.25]
    assert "DOE" not in json.dumps(again.training_info)


@pytest.mark.parametrize("flips", [False, True])
def test_a_network_of_one_orientation_and_scans_of_several(flips: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, sign in (("a.nii", 1), ("b.nii", -1)):
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.diag([sign, 1, 1, 1])), tmp_path / name)
    item = {"image": torch.rand(1, 4, 4, 4), "spacing": torch.ones(3)}
    training = Dataset([{"image": str(tmp_path / name)} for name in ("a.nii", "b.nii")], lambda _: item)
    network = DenoiSegNet(3, depth=1, features=2, flips=flips)
    describe_training(network, {}, training, [], (4, 4, 4))
    assert network.training_info["directions"] == ["LAS", "RAS"]
    assert any("several directions (LAS, RAS)" in message for message in caplog.messages) == (not flips)
