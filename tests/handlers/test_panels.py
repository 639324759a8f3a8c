"""Pictures of the first validation image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from PIL import Image

from monai_denoiseg.handlers import ImagePanels, prediction_arrays
from monai_denoiseg.heads import BorderHead, ClassHead, Head, NoHead, StarHead
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import ProbabilitiesToInstances, star_rays

STARS = StarHead(star_rays(32, 2))


def test_parts_of_a_prediction_keep_their_place() -> None:
    prediction = torch.arange(5.0).reshape(5, 1, 1).expand(5, 4, 6)
    parts = prediction_arrays(prediction, torch.full((2, 4, 6), 9.0), torch.full((1, 4, 6), 7), BorderHead())
    assert {name: (array.shape, array.flat[0]) for name, array in parts.items()} == {
        "input": ((2, 4, 6), 9),
        "denoised": ((2, 4, 6), 3),
        "probabilities": ((3, 4, 6), 0),
        "instances": ((4, 6), 7),
    }


@pytest.mark.parametrize(("shape", "channels"), [((12, 20), 1), ((12, 20), 3), ((6, 12, 20), 1), ((1, 1), 1)])
def test_one_picture_a_validation(tmp_path: Path, shape: tuple[int, ...], channels: int) -> None:
    network = DenoiSegNet(len(shape), depth=1, features=4)
    network.threshold.copy_(torch.tensor([0.25, 0.75]))
    asked: list[float] = []
    to_instances = ProbabilitiesToInstances(min_size=0, split_neck=0)

    def instances(probabilities: Any, threshold: float, spacing: Any = None) -> Any:
        asked.append(threshold)
        assert spacing is None
        return to_instances(probabilities, threshold)

    image, prediction = torch.rand(channels, *shape), torch.rand(3 + channels, *shape)
    engine = Engine(lambda engine, batch: [{"image": image, "pred": prediction}])
    ImagePanels(tmp_path / "panels", instances, network, tmp_path / "tensorboard").attach(engine)
    engine.run([0, 1], max_epochs=2)
    assert asked == [0.25, 0.25]
    assert sorted(path.name for path in (tmp_path / "panels").iterdir()) == ["epoch_0001.png", "epoch_0002.png"]
    picture = np.asarray(Image.open(tmp_path / "panels" / "epoch_0001.png"))
    assert picture.ndim == 3
    assert picture.std() > 0
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_semantic_classes_and_spacing_have_places_of_their_own() -> None:
    prediction = torch.arange(5.0).reshape(5, 1, 1).expand(5, 4, 6)
    image, labels = torch.full((1, 4, 6), 9.0), torch.full((1, 4, 6), 3)
    parts = prediction_arrays(prediction, image, labels, ClassHead(["a", "b", "c", "d"]), torch.tensor([2.0, 1.0]))
    assert sorted(parts) == ["classes", "denoised", "input", "probabilities", "spacing"]
    assert parts["probabilities"][:, 0, 0].tolist() == [0, 1, 2, 3]
    assert parts["denoised"][:, 0, 0].tolist() == [4]
    assert parts["classes"].shape == (4, 6)
    assert parts["spacing"].tolist() == [2, 1]


@pytest.mark.parametrize("spacing", [[4.0, 1.0, 1.0], [float("nan")] * 3])
def test_classes_of_the_network_and_voxel_size_of_the_item(tmp_path: Path, spacing: list[float]) -> None:
    network = DenoiSegNet(3, depth=1, features=4, classes=["background", "liver", "spleen", "kidney"])
    asked: list[Any] = []

    def classes(probabilities: Any, threshold: float, spacing: Any = None) -> Any:
        asked.append((len(probabilities), spacing))
        return probabilities.argmax(0, keepdim=True)

    image, item = torch.rand(1, 4, 12, 20), {"spacing": torch.tensor(spacing)}
    engine = Engine(lambda engine, batch: [{"image": image, "pred": torch.rand(5, 4, 12, 20)}])
    ImagePanels(tmp_path, classes, network).attach(engine)
    engine.run([[item]])
    assert asked == [(4, item["spacing"])]
    picture = np.asarray(Image.open(tmp_path / "epoch_0001.png"))
    depth, factor = (16, 19) if spacing[0] == 4 else (4, 19)  # displayed voxels; the longest side of 20 becomes about 384
    panel = (20 + depth) * factor + 4
    assert picture.shape[:2] == ((12 + depth) * factor + 4, 5 * panel + 4 * 4)


def test_other_ranks_draw_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_denoiseg.handlers.panels.is_main_process", lambda: False)
    engine = Engine(lambda engine, batch: [{"image": torch.rand(1, 8, 8), "pred": torch.rand(4, 8, 8)}])
    ImagePanels(tmp_path, ProbabilitiesToInstances(min_size=0, split_neck=0), DenoiSegNet(2, depth=1, features=4)).attach(engine)
    engine.run([0])
    assert list(tmp_path.iterdir()) == []


def test_a_stardist_head_shows_the_probability_of_an_object() -> None:
    prediction = torch.arange(35.0).reshape(35, 1, 1).expand(35, 4, 6)
    labels = torch.full((1, 4, 6), 7)
    parts = prediction_arrays(prediction, torch.zeros(2, 4, 6), labels, STARS)
    assert {name: (array.shape, array.flat[0]) for name, array in parts.items()} == {
        "input": ((2, 4, 6), 0),
        "denoised": ((2, 4, 6), 33),
        "probabilities": ((1, 4, 6), 0),
        "instances": ((4, 6), 7),
    }
    parts = prediction_arrays(prediction[:33], torch.zeros(2, 4, 6), labels, STARS, denoises=False)
    assert sorted(parts) == ["input", "instances", "probabilities"]


class Says:
    """A network as far as the pictures look at it."""

    def __init__(self, head: Head, denoises: bool) -> None:
        self.head, self.denoises = head, denoises
        self.threshold = torch.tensor([0.5, 0.5])


@pytest.mark.parametrize("size", [(12, 20), (4, 12, 20)])
@pytest.mark.parametrize(
    ("head", "denoises", "panels"),
    [
        (NoHead(), True, 3),
        (StarHead(star_rays(32, 2)), True, 5),
        (StarHead(star_rays(32, 2)), False, 3),
        (BorderHead(), False, 3),
    ],
)
def test_what_the_network_does_not_do_is_not_drawn(
    tmp_path: Path, head: Head, denoises: bool, panels: int, size: tuple[int, ...]
) -> None:
    asked = []

    def instances(channels: Any, threshold: float, spacing: Any = None) -> Any:
        asked.append(len(channels))
        return channels[:1] > threshold

    image, prediction = torch.rand(1, *size), torch.rand(head.channels + denoises, *size)
    engine = Engine(lambda engine, batch: [{"image": image, "pred": prediction}])
    ImagePanels(tmp_path, instances, Says(head, denoises)).attach(engine)  # type: ignore[arg-type]
    engine.run([0])
    assert asked == ([head.channels] if head.segments else [])
    width = np.asarray(Image.open(tmp_path / "epoch_0001.png")).shape[1]
    factor, depth = 19, len(size) == 3 and 4
    panel = (20 + depth) * factor + (4 if depth else 0)
    assert width == panels * panel + (panels - 1) * 4
