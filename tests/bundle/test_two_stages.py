"""Two-stage schemes: the first stage is trained once, resumed, reused; its network is put to use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.bundle import first_stage, two_stages
from monai_denoiseg.engines import DenoiseImaged
from monai_denoiseg.engines.inferer import DenoiSegInferer
from monai_denoiseg.networks import DenoiSegNet, SequentialNet, joined_network, start_network

DATA = str(Path("data").absolute())
TINY: dict[str, Any] = {"depth": 1, "features": 4}


@pytest.fixture
def denoiser(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    net = DenoiSegNet(2, n_classes=0, **TINY)
    net.set_statistics(torch.tensor([50.0]), torch.tensor([5.0]))
    torch.save(net.state_dict(), tmp_path / "denoiser.pt")
    return tmp_path / "denoiser.pt"


class Trainings:
    """Stands for the training: notes how it was called and leaves a model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[dict[str, Any], bool]] = []
        self.fail = False
        monkeypatch.setattr(two_stages, "_run_training", self)

    def __call__(self, files: Any, folder: Path, wanted: dict[str, Any], resume: bool) -> None:
        self.calls.append((dict(wanted), resume))
        (folder / "last.pt").touch()
        if self.fail:
            raise KeyboardInterrupt
        (folder / "model.pt").touch()


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    return Trainings(monkeypatch)


SETTINGS = {"dataset_dir": "data", "depth": 3, "max_epochs": 7, "alpha": 0.0, "n_labels": 3, "seed": 1, "head": "stardist"}


def test_trained_once_then_reused(trainings: Trainings, tmp_path: Path) -> None:
    for _ in range(2):
        assert first_stage("noise2void", ["input"], tmp_path, SETTINGS) == tmp_path / "model.pt"
    assert trainings.calls == [({"dataset_dir": DATA, "depth": 3, "max_epochs": 7, "seed": 1}, False)]


def test_another_segmentation_reuses_it(trainings: Trainings, tmp_path: Path) -> None:
    first_stage("noise2void", ["input"], tmp_path, SETTINGS)
    first_stage("noise2void", ["weights", "input"], tmp_path, SETTINGS | {"n_labels": 76, "head": "classes", "alpha": 0.2})
    assert len(trainings.calls) == 1


def test_resumed_after_an_interruption(trainings: Trainings, tmp_path: Path) -> None:
    trainings.fail = True
    with pytest.raises(KeyboardInterrupt):
        first_stage("noise2void", ["input"], tmp_path, SETTINGS)
    trainings.fail = False
    first_stage("noise2void", ["input"], tmp_path, SETTINGS)
    assert [resume for _, resume in trainings.calls] == [False, True]


def test_other_settings_train_anew_and_say_which(trainings: Trainings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first_stage("noise2void", ["input"], tmp_path, SETTINGS)
    with caplog.at_level("INFO"):
        first_stage("noise2void", ["input"], tmp_path, SETTINGS | {"depth": 2}, epochs=3)
    assert trainings.calls[1][0] == {"dataset_dir": DATA, "depth": 2, "max_epochs": 3, "seed": 1}
    assert not trainings.calls[1][1]
    assert "depth (3, now 2), max_epochs (7, now 3)" in caplog.text


def test_other_images_train_anew(trainings: Trainings, tmp_path: Path) -> None:
    data = tmp_path / "data" / "images"
    data.mkdir(parents=True)
    settings = SETTINGS | {"dataset_dir": str(tmp_path / "data")}
    (data / "a.tif").write_bytes(b"1")
    first_stage("noise2void", ["input"], tmp_path / "stage", settings)
    (data / "b.tif").write_bytes(b"2")
    first_stage("noise2void", ["input"], tmp_path / "stage", settings)
    assert len(trainings.calls) == 2


def test_a_given_file_is_used_as_it_is(trainings: Trainings, denoiser: Path, tmp_path: Path) -> None:
    assert first_stage("noise2void", ["input"], tmp_path, SETTINGS, file=denoiser) == denoiser
    assert trainings.calls == []
    with pytest.raises(FileNotFoundError, match=r"`first_stage_file` missing\.pt does not exist"):
        first_stage("noise2void", ["input"], tmp_path, SETTINGS, file="missing.pt")


@pytest.mark.parametrize(
    ("overlay", "use", "message"),
    [
        ("noise2void", ["inputs"], "`first_stage_use` must be one of 'input', 'weights', got 'inputs'"),
        ("noise2void", [], "`first_stage_use` is empty"),
        ("noise2voi", ["input"], "`first_stage` must be one of .*'noise2void'.*, got 'noise2voi'"),
    ],
)
def test_what_cannot_be_is_said(trainings: Trainings, tmp_path: Path, overlay: str, use: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        first_stage(overlay, use, tmp_path, SETTINGS)


def test_a_damaged_record_is_no_finished_stage(trainings: Trainings, tmp_path: Path) -> None:
    first_stage("noise2void", ["input"], tmp_path, SETTINGS)
    (tmp_path / "stage.json").write_text("{")
    first_stage("noise2void", ["input"], tmp_path, SETTINGS)
    assert len(trainings.calls) == 2
    assert json.loads((tmp_path / "stage.json").read_text())["finished"]


def test_fine_tuning_starts_from_the_u_net(denoiser: Path) -> None:
    torch.manual_seed(2)
    network = DenoiSegNet(2, denoises=False, **TINY)
    drawn = network.unet.head.weight.clone()
    start_network(network, denoiser, ["weights"])
    trained = torch.load(denoiser)
    own = network.state_dict()
    shared = [key for key in trained if key.startswith("unet.") and not key.startswith("unet.head")]
    assert len(shared) > 10
    assert all(torch.equal(own[key], trained[key]) for key in shared)
    assert torch.equal(network.unet.head.weight, drawn)
    assert network.n_classes == 3


def test_fine_tuning_a_stardist_network(denoiser: Path) -> None:
    network = DenoiSegNet(2, rays=torch.eye(2).repeat(4, 1), **TINY)
    start_network(network, denoiser, ["weights"])
    assert torch.equal(network.unet.middle[0].weight, torch.load(denoiser)["unet.middle.0.weight"])


def test_other_networks_do_not_fit(denoiser: Path, tmp_path: Path) -> None:
    for options in ({"depth": 2, "features": 4}, {"depth": 1, "features": 8}):
        with pytest.raises(ValueError, match="has another U-Net than the segmentation network"):
            start_network(DenoiSegNet(2, **options), denoiser, ["weights"])
    torch.save(DenoiSegNet(2, denoises=False, **TINY).state_dict(), tmp_path / "segmenter.pt")
    with pytest.raises(ValueError, match=r"segmenter\.pt is no single network that denoises"):
        joined_network(DenoiSegNet(2, **TINY), tmp_path / "segmenter.pt", ["input"])


def test_joined_only_for_sequential(denoiser: Path) -> None:
    network = DenoiSegNet(2, denoises=False, **TINY)
    assert joined_network(network, denoiser, ["weights"]) is network
    joined = joined_network(network, denoiser, ["input"])
    assert isinstance(joined, SequentialNet)
    assert joined.segmenter is network


@pytest.mark.parametrize("tile_size", [None, 16])
def test_denoised_once_as_the_joined_network_does(denoiser: Path, tile_size: int | None) -> None:
    image = MetaTensor(50 + 5 * torch.randn(1, 40, 33), meta={"filename_or_obj": "a.tif"})
    item = DenoiseImaged(denoiser, tile_size=tile_size, amp="off")({"image": image, "label": 3})
    joined: Any = joined_network(DenoiSegNet(2, **TINY), denoiser, ["input"]).eval()
    torch.testing.assert_close(item["image"].as_tensor(), joined(image.as_tensor()[None])[0, 3:].detach(), atol=1e-3, rtol=1e-4)
    assert item["image"].meta["filename_or_obj"] == "a.tif"
    assert item["label"] == 3


def test_denoises_with_the_whole_images_intensity(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = DenoiSegNet(2, n_classes=0, normalisation="image", **TINY).eval()
    torch.save(net.state_dict(), tmp_path / "n.pt")
    image, intensity = torch.rand(1, 20, 20), torch.tensor([[3.0], [7.0]])
    found = DenoiseImaged(tmp_path / "n.pt", amp="off")({"image": image, "intensity": intensity})["image"]
    expected = DenoiSegInferer()(image[None], net, intensity=intensity[None])[0]
    torch.testing.assert_close(found, expected)


def test_an_extended_run_keeps_its_denoiser(trainings: Trainings, tmp_path: Path) -> None:
    first_stage("noise2void", ["input"], tmp_path, SETTINGS | {"existing": "rename"})
    extended = SETTINGS | {"max_epochs": 12, "resume": True, "dataset_dir": DATA, "existing": None}
    assert first_stage("noise2void", ["input"], tmp_path, extended) == tmp_path / "model.pt"
    assert len(trainings.calls) == 1
    assert "existing" not in trainings.calls[0][0]
    first_stage("noise2void", ["input"], tmp_path, extended | {"depth": 2})
    assert len(trainings.calls) == 2, "other settings are another denoiser"
