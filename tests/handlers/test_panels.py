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
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import ProbabilitiesToInstances


def test_parts_of_a_prediction_keep_their_place() -> None:
    prediction = torch.arange(5.0).reshape(5, 1, 1).expand(5, 4, 6)
    parts = prediction_arrays(prediction, torch.full((2, 4, 6), 9.0), torch.full((1, 4, 6), 7))
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
    to_instances = ProbabilitiesToInstances(min_size=0)

    def instances(probabilities: Any, threshold: float) -> Any:
        asked.append(threshold)
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


def test_other_ranks_draw_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_denoiseg.handlers.panels.is_main_process", lambda: False)
    engine = Engine(lambda engine, batch: [{"image": torch.rand(1, 8, 8), "pred": torch.rand(4, 8, 8)}])
    ImagePanels(tmp_path, ProbabilitiesToInstances(), DenoiSegNet(2, depth=1, features=4)).attach(engine)
    engine.run([0])
    assert list(tmp_path.iterdir()) == []
