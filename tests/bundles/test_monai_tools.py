"""MONAI's own functions on our bundles: ``load``, ``create_workflow``, ``run`` with ``args_file`` and YAML, ``init_bundle``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow, create_workflow, init_bundle, load, run

from monai_denoiseg.bundle import bundle_folder
from monai_denoiseg.data import write_simulated
from monai_denoiseg.engines import first_cause
from monai_denoiseg.networks import DenoiSegNet, load_network

QUICK = {"tta": False, "refine": False, "device": "cpu", "amp": "off"}
TINY = {"depth": 1, "features": 4, "batch_size": 2, "steps_per_epoch": 2, "max_epochs": 1, "val_interval": 1, "zoom": 1}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(name: str, here: Path, network: torch.nn.Module | None = None) -> Path:
    shutil.copytree(bundle_folder(name), here / name, ignore=shutil.ignore_patterns("output"))
    if network is not None:
        (here / name / "models").mkdir(exist_ok=True)
        torch.save(network.state_dict(), here / name / "models" / "model.pt")
    return here / name


def images(dims: int) -> dict[str, Any]:
    shape = (32, 40) if dims == 2 else (8, 24, 24)
    return {"dataset_dir": str(write_simulated("data", n_images=3, n_labelled=3, shape=shape))}


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("config", ["train", "inference"])
@pytest.mark.parametrize("dims", [2, 3])
def test_load_gives_the_network_of_the_file(dims: int, config: str, here: Path) -> None:
    """Whatever the configuration says: train.json has 16 features, the file others; nothing is written, no image simulated."""
    torch.manual_seed(0)
    wanted = DenoiSegNet(dims, depth=2, features=6, normalisation="image").eval()
    copied(f"denoiseg_{dims}d", here, wanted)
    before = everything(here)
    found = load(f"denoiseg_{dims}d", bundle_dir=str(here), workflow_type=config, device="cpu").eval()
    image = torch.rand(1, 1, *[16] * dims) * 100
    assert torch.equal(found(image), wanted(image)) and found.architecture["features"] == 6
    assert everything(here) == before


def test_load_of_the_shipped_network_and_of_one_with_a_backbone(here: Path) -> None:
    own = copied("denoiseg_2d", here) / "models" / "model.pt"
    found, image = load("denoiseg_2d", bundle_dir=str(here), device="cpu").eval(), torch.rand(1, 1, 32, 32)
    assert torch.equal(found(image), load_network(own).eval()(image))
    backbone = {"_target_": "UNet", "channels": [4, 8], "strides": [2], "norm": "batch"}
    wanted = DenoiSegNet(2, backbone=backbone).eval()
    torch.save(wanted.state_dict(), own)
    assert torch.equal(load("denoiseg_2d", bundle_dir=str(here), device="cpu").eval()(image), wanted(image))


def test_load_beside_a_finished_training(here: Path) -> None:
    """The folder of a training in the working folder is no hindrance, and is left alone."""
    (here / "denoiseg_run" / "models").mkdir(parents=True)
    (here / "denoiseg_run" / "models" / "model.pt").write_bytes(b"another")
    copied("denoiseg_2d", here)
    load("denoiseg_2d", bundle_dir=str(here), device="cpu")
    assert (here / "denoiseg_run" / "models" / "model.pt").read_bytes() == b"another"


def test_load_never_gives_another_network_silently(here: Path) -> None:
    copied("denoiseg_2d", here, DenoiSegNet(2, depth=1, features=6))
    with pytest.raises(Exception) as caught:
        load("denoiseg_2d", bundle_dir=str(here), device="cpu", net_override={"features": 8})
    assert "features=6" in str(first_cause(caught.value))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_workflow_in_python_and_a_file_of_arguments(dims: int, here: Path) -> None:
    configs, data = bundle_folder(f"denoiseg_{dims}d") / "configs", images(dims)
    patch = {"patch_size": [16] * dims if dims == 2 else [8, 16, 16]}
    options = {**data, **TINY, **patch, "output_dir": "run", "device": "cpu"}
    workflow = create_workflow(config_file=str(configs / "train.json"), workflow_type="train", **options)
    workflow.max_epochs = 2
    workflow.add_property("steps", required=False, config_id="steps_per_epoch")
    workflow.steps = 3
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    assert len(Path("run/train_log.csv").read_text().splitlines()) == 3
    assert json.loads(Path("run/settings.json").read_text())["settings"]["steps_per_epoch"] == 3
    Path("mine.yaml").write_text(yaml.safe_dump({"threshold": 0.4, "inferer#tile_size": [16] * dims}))
    given = {"config_file": [str(configs / "inference.json"), "mine.yaml"], "meta_file": str(configs / "metadata.json")}
    given |= {"run_dir": "run", "output_dir": "found", "logging_file": False, **data, **QUICK}
    Path("args.yaml").write_text(yaml.safe_dump(given))
    run(args_file="args.yaml")
    assert len(list(Path("found").glob("*_instances.tif"))) == 3


@pytest.mark.parametrize("dims", [2, 3])
def test_a_training_in_yaml(dims: int, here: Path) -> None:
    folder = copied(f"denoiseg_{dims}d", here) / "configs"
    for file in folder.glob("*.json"):
        if file.name != "metadata.json":
            file.with_suffix(".yaml").write_text(yaml.safe_dump(json.loads(file.read_text()), sort_keys=False))
            file.unlink()
    patch = {"patch_size": [16] * dims if dims == 2 else [8, 16, 16]}
    options = {**images(dims), **TINY, **patch, "output_dir": "run", "device": "cpu", "logging_file": False}
    start = {"config_file": str(folder / "train.yaml"), "workflow_type": "train"}
    with pytest.raises(Exception) as caught:
        ConfigWorkflow(**start, **{**options, "max_epoch": 2}).initialize()
    assert "did you mean 'max_epochs'?" in str(first_cause(caught.value))
    workflow = ConfigWorkflow(**start, **options)
    workflow.initialize()
    workflow.run()
    assert Path("run/models/model.pt").is_file()


def test_a_bundle_made_by_init_bundle(here: Path) -> None:
    """MONAI's skeleton with our network and configuration: it runs, and load gives the network."""
    configs, net = bundle_folder("denoiseg_2d") / "configs", DenoiSegNet(2, depth=1, features=4).eval()
    net.set_statistics(torch.tensor([300.0]), torch.tensor([50.0]))
    texts = {name: (configs / f"{name}.json").read_text() for name in ("metadata", "inference")}
    init_bundle("mine", network=net, metadata_str=texts["metadata"], inference_str=texts["inference"])
    image = torch.rand(1, 1, 16, 16)
    found = load("mine", bundle_dir=str(here), workflow_type="inference", device="cpu").eval()
    assert torch.equal(found(image), net(image))
    workflow = create_workflow(
        config_file="mine/configs/inference.json", workflow_type="infer", output_dir="found", **images(2), **QUICK
    )
    workflow.run()
    assert len(list(Path("found").glob("*_denoised.tif"))) == 3


def test_the_former_place_of_load_network() -> None:
    import monai_denoiseg.engines as engines

    with pytest.warns(FutureWarning, match=r"load_network is now in monai_denoiseg\.networks"):
        assert engines.load_network is load_network
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = engines.nothing
