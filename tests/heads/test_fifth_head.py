"""A further head is one class and one line: nothing else in the package knows which heads there are."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor, nn
from torch.nn import functional as F

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.heads import HEADS, Head
from monai_denoiseg.networks import load_network

TINY = {
    **{"features": 4, "depth": 1, "patch_size": [16, 16], "batch_size": 4, "steps_per_epoch": 3, "max_epochs": 2},
    **{"val_interval": 1, "amp": "off"},
}


class Matterd(MapTransform):
    """Where there is any object."""

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = torch.as_tensor(item[key]).clamp(-1, 1).long()
        return item


class MatterLoss(nn.Module):
    """Cross entropy of one logit."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return (
            F.binary_cross_entropy_with_logits(output[target >= 0], target[target >= 0].float())
            if target.max() >= 0
            else output.sum() * 0
        )


class MatterActivation(nn.Module):
    """Sigmoid of the first channel."""

    def forward(self, output: Tensor) -> Tensor:
        return torch.cat([output[:, :1].sigmoid(), output[:, 1:]], 1)

    @torch.jit.export
    def correct(self, logits: Tensor, weights: Tensor) -> Tensor:
        return logits

    def invert(self, prediction: Tensor, weights: Tensor) -> Tensor:
        return torch.cat([prediction[:, :1].logit(1e-6), prediction[:, 1:]], 1)


class Above:
    """1 where the probability is above the threshold."""

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def __call__(self, prediction: Any, threshold: float | None = None, spacing: Any = None) -> Any:
        level = self.threshold if threshold is None else threshold
        return (torch.as_tensor(prediction)[:1] > level).int()


class MatterHead(Head):
    """Object or not."""

    kind, suffix, voxelwise, label_type, channels = "matter", "matter", True, "uint8", 1

    def __init__(self) -> None:
        self.rule = Above()

    @classmethod
    def from_keys(cls, classes: list[str], rays: Any) -> MatterHead:
        return cls()

    def target(self, keys: KeysCollection = "label", allow_missing_keys: bool = True, **border_options: Any) -> MapTransform:
        return Matterd(keys, allow_missing_keys)

    def loss(self, class_weights: Sequence[float] | None = None, reduction: str = "labelled") -> nn.Module:
        return MatterLoss()

    def activation(self) -> nn.Module:
        return MatterActivation()

    def make_rule(self, *, threshold: float = 0.5, **options: Any) -> Above:
        return Above(threshold)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> MatterHead:
        return cls()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADS, MatterHead.kind, MatterHead)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    for folder in ("images", "labels"):
        (tmp_path / "cells" / folder).mkdir(parents=True)
    for i in range(6):
        sample = simulate_nuclei((37, 44), seed=i)
        tifffile.imwrite(tmp_path / "cells" / "images" / f"{i}.tif", sample.image.clip(0, 65535).astype(np.uint16))
        if i % 2 == 0:
            tifffile.imwrite(tmp_path / "cells" / "labels" / f"{i}.tif", sample.label.astype(np.uint16))
    return tmp_path / "cells"


def test_train_evaluate_infer_stream_and_export(registered: None, cells: Path, tmp_path: Path) -> None:
    run, model = tmp_path / "run", str(tmp_path / "run" / "models" / "model.pt")
    place = {"dataset_dir": str(cells), "output_dir": str(run), "ckpt_dir": str(run / "models")}
    run_bundle("train", **place, **TINY, head="matter", validation_fraction=0.5)

    network = load_network(model)
    assert (network.head.kind, network.n_classes) == ("matter", 1)
    settings = {"model_file": model, "amp": "off", "tta": True}
    found: dict[str, np.ndarray] = {}
    for stream in ("never", "always"):
        out = tmp_path / stream
        run_bundle("infer", dataset_dir=str(cells / "images"), output_dir=str(out), stream=stream, tile_size=16, **settings)
        assert sorted(path.name for path in out.glob("3_*")) == ["3_denoised.tif", "3_matter.tif"]
        found[stream] = tifffile.imread(out / "3_matter.tif")
    np.testing.assert_array_equal(found["never"], found["always"])
    assert set(np.unique(found["never"])) <= {0, 1}

    run_bundle("evaluate", dataset_dir=str(cells), output_dir=str(tmp_path / "scores"), **settings)
    assert (tmp_path / "scores" / "metrics.json").is_file()

    scripted, memory = torch.jit.script(network), io.BytesIO()
    torch.jit.save(scripted, memory)
    memory.seek(0)
    loaded, image = torch.jit.load(memory), torch.rand(1, 1, 21, 18) * 1000
    with torch.no_grad():
        torch.testing.assert_close(loaded.activate(loaded(image)), network.activate(network(image)), rtol=1e-4, atol=1e-3)


def test_a_program_without_it_says_so(cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(HEADS, MatterHead.kind, MatterHead)
        from monai_denoiseg.networks import DenoiSegNet

        torch.save(DenoiSegNet(2, depth=1, features=4, head=MatterHead()).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model.pt cannot be used: the file's network has the head 'matter', which is none of"):
        load_network(tmp_path / "model.pt")
