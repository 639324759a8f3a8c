"""Another network through ``network_def#backbone``, as MONAI's users call bundles: training, evaluation, inference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from monai_denoiseg.data import write_simulated
from monai_denoiseg.networks import load_network

from .conftest import bundle_command, run_program

BACKBONES = {
    "SegResNet": {"init_filters": 8, "norm": "batch", "blocks_down": [1, 2], "blocks_up": [1]},
    "DynUNet": {
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 8, 8],
        "norm_name": "batch",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("dims", [2, 3])
def test_three_programs_one_after_the_other(name: str, dims: int, tmp_path: Path) -> None:
    shape, patch = ((48, 40), [32, 32]) if dims == 2 else ((16, 24, 24), [16, 16, 16])
    data = write_simulated(tmp_path / "data", n_images=4, n_labelled=4, shape=shape)
    overlay = {"network_def#backbone": {"_target_": name, **BACKBONES[name]}}
    (tmp_path / "backbone.yaml").write_text(yaml.safe_dump(overlay))
    bundle, place = f"denoiseg_{dims}d", {"dataset_dir": data, "device": "cpu"}
    tiny = {"patch_size": patch, "batch_size": 2, "steps_per_epoch": 2, "max_epochs": 1, "val_interval": 1, "zoom": 1}
    train = bundle_command("train", bundle, output_dir="run", **place, **tiny)
    train[4] = str([train[4], "backbone.yaml"])
    commands = [train]
    for task in ("evaluate", "inference"):
        commands.append(bundle_command(task, bundle, run_dir="run", output_dir=task, tta=False, tile_size=16, **place))
    for command in commands:
        done = run_program(command, tmp_path, timeout=300)
        assert done.code == 0, done.err
    assert type(load_network(tmp_path / "run" / "models" / "model.pt").unet.module).__name__ == name
    assert json.loads((tmp_path / "evaluate" / "metrics.json").read_text())["n_images"] == 4
    assert len(list((tmp_path / "inference").glob("*_instances.tif"))) == 4
