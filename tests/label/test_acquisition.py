"""Measures of an image and the choice by them, against plain loops."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.engines import DenoiSegInferer, Precision
from monai_denoiseg.label import measure, scores
from monai_denoiseg.label.acquisition import blind_spot_error, choose, prediction_entropy
from monai_denoiseg.label.bundles import model_file
from monai_denoiseg.label.scores import ScoreBook
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot, FixedBlindSpotd

from .conftest import Study

FULL = Precision("cpu", "off")


def slow_entropy(probabilities: np.ndarray) -> float:
    total, count = 0.0, 0
    for index in np.ndindex(probabilities.shape[1:]):
        values = [float(p) for p in probabilities[(slice(None), *index)]]
        total -= sum(p * math.log(p) for p in values if p > 0)
        count += 1
    return total / count / math.log(len(probabilities))


@pytest.mark.parametrize("shape", [(3, 5, 4), (4, 2, 3, 3), (2, 1, 1)])
def test_entropy(shape: tuple[int, ...]) -> None:
    probabilities = torch.randn(shape, generator=torch.Generator().manual_seed(0)).softmax(0)
    assert prediction_entropy(probabilities) == pytest.approx(slow_entropy(probabilities.numpy()), rel=1e-5)


def test_entropy_of_one_object_probability() -> None:
    assert prediction_entropy(torch.full((1, 4, 4), 0.5)) == pytest.approx(1)
    assert prediction_entropy(torch.tensor([[[0.0, 1.0]]])) == 0


@pytest.mark.parametrize(("values", "message"), [(torch.zeros(0, 3, 3), "no classes"), (torch.full((2, 3), torch.nan), "NaN")])
def test_no_entropy(values: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prediction_entropy(values)


@pytest.mark.parametrize("mode", ["image", "dataset"])
def test_blind_spot_error(mode: str) -> None:
    torch.manual_seed(0)
    network = DenoiSegNet(2, depth=1, features=4, normalisation=mode).eval()
    network.set_statistics(torch.tensor([90.0]), torch.tensor([7.0]))
    image = 100 + 10 * torch.randn(1, 40, 32)
    item = FixedBlindSpotd("image", BlindSpot(1 / 64))({"image": image})
    intensity = network.intensity(image[None])
    with torch.no_grad():
        denoised = network(item["image_hidden"][None], intensity)[0, 3]
    scale = float(intensity[0, 1, 0])
    errors = [
        ((float(denoised[y, x]) - float(image[0, y, x])) / scale) ** 2
        for y, x in np.ndindex(40, 32)
        if bool(item["image_mask"][0, y, x])
    ]
    found = blind_spot_error(network, DenoiSegInferer(), image, precision=FULL)
    assert found == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    assert found == blind_spot_error(network, DenoiSegInferer(tta=True), image, precision=FULL)


def test_no_blind_spot_error_without_denoising() -> None:
    network = DenoiSegNet(2, depth=1, features=4, denoises=False).eval()
    with pytest.raises(ValueError, match="does not denoise"):
        blind_spot_error(network, DenoiSegInferer(), torch.rand(1, 16, 16), precision=FULL)


def test_choice() -> None:
    scores = {"a": 0.1, "b": 0.9, "c": 0.9, "d": None}
    assert choose(scores) == "b"
    assert choose(scores, {"b": 90}, now=100) == "c"
    assert choose(scores, {"b": 90, "c": 90, "a": 95}, now=100) == "d"
    assert choose(scores, dict.fromkeys(scores, 90.0), now=100) == "b"
    assert choose(scores, {"b": 90}, now=100, pause=5) == "b"
    with pytest.raises(ValueError, match="no image"):
        choose({})


@pytest.mark.filterwarnings("ignore")
def test_scores_are_taken_anew_with_another_network(app: Path, study: Study, tmp_path: Path) -> None:
    bundle, image = app / "model" / "denoiseg_2d", study.folder / "plane2.tif"
    book = ScoreBook(tmp_path / "scores", bundle)
    first = book.get(image, "uncertainty", device="cpu")
    assert first == measure(bundle, image, ["uncertainty"], device="cpu")["uncertainty"]
    assert book.known(image) == {"uncertainty": first}
    assert book.get(image, "blind_spot") is not None
    assert book.known(image).keys() == {"uncertainty", "blind_spot"}
    state = torch.load(model_file(bundle))
    state["unet.head.weight"] *= 3
    torch.save(state, model_file(bundle))
    assert book.known(image) == {}
    assert book.get(image, "uncertainty") != first


def test_a_score_of_a_network_that_was_replaced_meanwhile_is_not_kept(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = app / "model" / "denoiseg_2d"

    def publish(*_: Any) -> dict[str, float]:
        model_file(bundle).write_bytes(b"another network")
        return {"uncertainty": 0.5}

    monkeypatch.setattr(scores, "measure", publish)
    book = ScoreBook(tmp_path / "scores", bundle)
    assert book.get("a.tif", "uncertainty") == 0.5
    assert book.known("a.tif") == {}


@pytest.mark.filterwarnings("ignore")
def test_an_image_that_does_not_suit_has_no_score(app: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tifffile.imwrite(tmp_path / "two.tif", np.zeros((2, 16, 16), "f4"), metadata={"axes": "CYX"})
    assert ScoreBook(tmp_path / "s", app / "model" / "denoiseg_2d").get(tmp_path / "two.tif", "uncertainty") is None
    assert "has 2 channels" in caplog.text or "channel" in caplog.text
