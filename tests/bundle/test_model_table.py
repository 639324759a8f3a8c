from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_denoiseg.bundle.model_table import model_lines
from monai_denoiseg.cli import main
from monai_denoiseg.heads import ClassHead
from monai_denoiseg.networks import DenoiSegNet


def test_networks_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, network in (
        ("a", DenoiSegNet(2, depth=1, features=4)),
        ("b", DenoiSegNet(3, depth=1, features=4, head=ClassHead(["background", "liver"]))),
    ):
        (tmp_path / name / "models").mkdir(parents=True)
        network.training_info = {"data": {"train": 7, "train_labelled": 2}}
        torch.save(network.state_dict(), tmp_path / name / "models" / "model.pt")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "model.pt").write_text("none")
    assert main(["models", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "denoiseg_2d (2D, 1 channel: denoised image and objects" in lines[1]
    assert lines[2].strip().startswith("card: ") and Path(lines[2].split("card: ")[1]).is_file()
    assert "2D, 1 channel: denoised image and objects; trained on 7 images, 2 annotated" in lines[-3]
    assert "3D, 1 channel: denoised image and classes liver; trained on 7" in lines[-2]
    assert "c/model.pt (cannot be read: " in lines[-1]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        list(model_lines(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    assert list(model_lines(tmp_path / "empty"))[-1].endswith("empty: none")
