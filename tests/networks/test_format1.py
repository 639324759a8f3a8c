"""Files of version 0.1.0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.networks import load_network
from monai_denoiseg.networks.format1 import read_format_1

STORED = Path(__file__).parents[1] / "stored"
BUNDLE_RULE: dict[str, Any] = {"instance_rule": "grow", "split_neck": 0.7, "fill_holes": False, "units": "voxel"}


@pytest.mark.parametrize("name", sorted(path.stem for path in STORED.glob("format1_*.pt")))
def test_predictions_are_the_same_to_the_bit(name: str, tmp_path: Path) -> None:
    network = load_network(STORED / f"{name}.pt")
    with np.load(STORED / f"{name}.npz") as stored:
        image, expected = torch.from_numpy(stored["image"]), torch.from_numpy(stored["prediction"])
    predict = DenoiSegInferer(tta=True, refine=True)
    assert torch.equal(predict(image, network), expected)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    again = load_network(tmp_path / "model.pt")
    assert torch.equal(predict(image, again), expected), "written as the present format"
    assert again.head.state() == network.head.state()
    assert not [key for key in again.state_dict() if key.endswith(("architecture", "class_names", "rays"))]


@pytest.mark.parametrize(("name", "rule"), [("border_2d", {"min_size": 15}), ("border_3d", {"min_size": 100})])
def test_the_rule_is_what_the_bundles_used(name: str, rule: dict[str, Any]) -> None:
    stored = load_network(STORED / f"format1_{name}.pt").head.state()["rule"]
    assert {key: stored[key] for key in (*BUNDLE_RULE, "min_size")} == BUNDLE_RULE | rule


def test_heads_of_old_files() -> None:
    kinds = {name: load_network(STORED / f"format1_{name}_2d.pt").head for name in ("border", "classes", "stars", "none")}
    assert {name: head.kind for name, head in kinds.items()} == {
        "border": "border",
        "classes": "classes",
        "stars": "stardist",
        "none": "none",
    }
    assert kinds["classes"].classes[0] == "background"
    assert kinds["stars"].rays is not None


def row(*values: int) -> dict[str, torch.Tensor]:
    return {"architecture": torch.tensor(values), "image_mode": torch.tensor(True), "quarter_turns": torch.tensor(False)}


def test_the_row_of_integers() -> None:
    fields = read_format_1(row(2, 3, 0, 1, 4, 1, 1, 0, 1, 3, 5, 1, 7, 2, 3))
    assert fields["architecture"] == {
        **{"spatial_dims": 2, "in_channels": 3, "depth": 1, "features": 4, "norm": "none", "variant": "n2v2"},
        **{"kernel_size": [[3, 5], [1, 7]], "strides": [[2, 3]], "denoises": True, "normalisation": "image"},
        "quarter_turns": False,
    }
    assert fields["head"]["kind"] == "none"
    assert read_format_1(row(2, 1, 5, 1, 4, 0, 0, 0, 0, *[3] * 4, 2, 2))["head"]["n_classes"] == 5


@pytest.mark.parametrize("numbers", [13, 18])
def test_a_row_of_another_version_is_refused(numbers: int) -> None:
    with pytest.raises(ValueError, match=rf"with {numbers} numbers, 15 are needed: it comes from another version"):
        read_format_1(row(*[2, 1, 3, 1, 4, 0, 0, 0, 1, *[3] * 10][:numbers]))
