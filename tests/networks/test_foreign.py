"""MONAI's networks, and one of the user's own, in the place of the U-Net."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from monai.networks.nets import DynUNet, SegResNet, UNet
from torch import nn

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.engines import BlindSpotBatch, DenoiSegInferer, DenoiSegTrainer
from monai_denoiseg.heads import ClassHead, NoHead, StarHead
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet, load_network
from monai_denoiseg.networks.backbone import build_backbone, same_backbone
from monai_denoiseg.networks.reach import measure_reach
from monai_denoiseg.networks.unet import CAREUNet
from monai_denoiseg.transforms import star_rays

DYN = {"kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8]}
BATCH: dict[str, dict[str, Any]] = {
    "UNet": {"channels": [4, 8, 16], "strides": [2, 2], "norm": "batch"},
    "BasicUNet": {"features": [4, 4, 4, 4, 8, 4], "norm": "batch"},
    "SegResNet": {"init_filters": 8, "norm": "batch", "blocks_down": [1, 2], "blocks_up": [1]},
    "DynUNet": DYN | {"norm_name": "batch"},
}
WHOLE: dict[str, dict[str, Any]] = {
    "SegResNet": {"init_filters": 8, "blocks_down": [1, 2], "blocks_up": [1]},
    "UNet": {"channels": [4, 8, 16], "strides": [2, 2]},
    "SwinUNETR": {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]},
}


def definition(name: str, options: dict[str, Any]) -> dict[str, Any]:
    if name == "SwinUNETR":
        pytest.importorskip("einops", reason="SwinUNETR of MONAI needs einops")
    return {"_target_": name, **options}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("strides", [2, [[1, 2, 2], [2, 2, 2]]])
@pytest.mark.parametrize("variant", ["care", "n2v2"])
def test_what_is_measured_is_what_the_u_net_computes_of_itself(dims: int, strides: Any, variant: str) -> None:
    strides = strides if isinstance(strides, int) else [level[-dims:] for level in strides]
    net = CAREUNet(dims, 1, 4, depth=2, features=2, strides=strides, variant=variant)
    assert measure_reach(net, dims, 1) == (net.multiple(), net.receptive_radius())


def test_reach_of_plain_layers() -> None:
    assert measure_reach(nn.Conv2d(3, 1, (1, 7), padding=(0, 3)), 2, 3) == ([1, 1], [0, 3])
    pooled = nn.Sequential(nn.MaxPool2d(4), nn.Upsample(scale_factor=4))
    assert measure_reach(pooled, 2, 1) == ([4, 4], [4, 4])
    assert measure_reach(nn.Sequential(nn.Conv3d(1, 2, 1), nn.GroupNorm(1, 2)), 3, 1).radius is None
    with pytest.raises(ValueError, match="must keep the size"):
        measure_reach(nn.Conv2d(1, 1, 3), 2, 1)


def steps(net: DenoiSegNet, dims: int, edge: int = 32) -> None:
    """A few steps of our trainer."""
    size = [edge] * dims
    batch = {"image": torch.rand(2, 1, *size) * 50, "label": torch.randint(-1, 3, (2, 1, *size))}
    net.set_statistics(torch.tensor([25.0]), torch.tensor([14.0]))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    DenoiSegTrainer("cpu", 1, [batch] * 2, net, optimizer, DenoiSegLoss(), BlindSpotBatch()).run()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", BATCH)
def test_with_batch_norm_tiles_equal_the_whole_and_the_file_rebuilds_itself(name: str, dims: int, tmp_path: Path) -> None:
    net = DenoiSegNet(dims, backbone=definition(name, BATCH[name]))
    steps(net, dims)
    assert not net.sees_whole
    torch.save(net.state_dict(), tmp_path / "model.pt")
    again = load_network(tmp_path / "model.pt")
    assert (again.multiple, again.receptive_radius) == (net.multiple, net.receptive_radius)
    image = torch.rand(1, 1, *((150, 91) if dims == 2 else (33, 38, 45))) * 50
    whole = DenoiSegInferer()(image, again)
    assert torch.equal(whole, DenoiSegInferer()(image, net.eval()))
    tile = 32 if dims == 2 else [16, 40, 24]
    assert float((DenoiSegInferer(tile)(image, again) - whole).abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("name", "dims"),
    [(name, dims) for name in WHOLE for dims in (2, 3) if (name, dims) != ("SwinUNETR", 3)]
    + [pytest.param("SwinUNETR", 3, marks=pytest.mark.slow)],
)
def test_where_it_sees_the_whole_image_tiles_are_blended_and_their_difference_is_told(
    name: str, dims: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edge = 64 if name == "SwinUNETR" else 32
    net = DenoiSegNet(dims, backbone=definition(name, WHOLE[name]), multiple=edge // 2, receptive_radius=-1)
    steps(net, dims, edge)
    assert net.sees_whole
    torch.save(net.state_dict(), tmp_path / "model.pt")
    again = load_network(tmp_path / "model.pt")
    image = torch.rand(1, 1, *((100, 67) if dims == 2 else (34, 40, 33))) * 50
    whole = DenoiSegInferer()(image, again)
    with caplog.at_level("INFO"):
        tiled = DenoiSegInferer(edge if dims == 2 else 32)(image, again)
    assert "depends on the whole image: its tiles differ by up to" in caplog.text
    assert tiled.shape == whole.shape
    assert float((tiled[:, :3].sum(1) - 1).abs().max()) < 1e-4, "probabilities stay such"
    assert float((tiled - whole)[:, :3].abs().mean()) < 0.1


@pytest.mark.parametrize("head", [ClassHead(["background", "a", "b"]), StarHead(star_rays(8, 2)), NoHead()])
def test_heads_and_odd_sizes(head: Any) -> None:
    net = DenoiSegNet(2, 2, head=head, backbone={"_target_": "SegResNet", **BATCH["SegResNet"]}).eval()
    assert net(torch.rand(1, 2, 21, 35)).shape == (1, head.channels + 2, 21, 35)
    assert net.unet.definition["out_channels"] == head.channels + 2, "what is left out is filled in"


class Mine(nn.Module):
    def __init__(self, out_channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, out_channels, 5, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def test_a_network_given_as_an_object(tmp_path: Path) -> None:
    net = DenoiSegNet(2, backbone=Mine()).eval()
    assert (net.multiple, net.receptive_radius) == ([1, 1], [2, 2])
    torch.save(net.state_dict(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model.pt cannot be used: the backbone \S*Mine was given as an object"):
        load_network(tmp_path / "model.pt")
    again = load_network(tmp_path / "model.pt", backbone=Mine())
    image = torch.rand(1, 1, 20, 20)
    assert torch.equal(again(image), net(image))


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"_target_": "SegResNet", "out_channels": 3}, "gives 3 channels, the network needs 4: build it with out_channels=4"),
        ({"_target_": "SegResNt"}, "there is no backbone monai.networks.nets.SegResNt"),
        ({"_target_": "os.system", "command": "touch owned"}, r"os\.system is no torch\.nn\.Module"),
        ({"_target_": "SegResNet", "no_such": 1}, "cannot be built: .*no_such"),
        ({"_target_": "SegResNet", "norm": nn.BatchNorm2d}, "something JSON can hold"),
        (SegResNet(3, 8, 1, 4), "does not take an image"),
        (DynUNet(2, 1, 4, deep_supervision=True, **DYN), "deep_supervision=False"),
    ],
)
def test_what_does_not_suit(backbone: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DenoiSegNet(2, backbone=backbone)
    assert not Path("owned").exists()


def test_forms_of_a_definition() -> None:
    wanted = build_backbone(
        {"_target_": "monai.networks.nets.unet.UNet", **BATCH["UNet"]}, spatial_dims=2, in_channels=1, out_channels=4
    )
    for given in (
        partial(UNet, **BATCH["UNet"]),
        {"_target_": "monai.networks.nets.unet.UNet", "_mode_": "callable", **BATCH["UNet"]},
    ):
        assert build_backbone(given, spatial_dims=2, in_channels=1, out_channels=4).definition == wanted.definition
    assert same_backbone(wanted.definition, build_backbone(wanted.module).definition)
    with pytest.raises(TypeError, match="must be a network, or a definition"):
        build_backbone(3)
    with pytest.raises(ValueError, match="given together"):
        DenoiSegNet(2, backbone=Mine(), multiple=2)


def test_a_file_holds_another_backbone(tmp_path: Path) -> None:
    net = DenoiSegNet(2, backbone={"_target_": "UNet", **BATCH["UNet"]})
    with pytest.raises(ValueError, match=r"the file holds another network: .*backbone="):
        DenoiSegNet(2, backbone={"_target_": "SegResNet", **BATCH["SegResNet"]}).load_state_dict(net.state_dict())
    with pytest.raises(ValueError, match="the file holds another network"):
        DenoiSegNet(2).load_state_dict(net.state_dict())


@pytest.mark.parametrize(("dims", "name"), [(2, "SegResNet"), (2, "DynUNet"), (3, "SegResNet"), (3, "DynUNet")])
def test_through_the_bundles(dims: int, name: str, tmp_path: Path) -> None:
    """``network_def#backbone`` with a ``_target_``, as MONAI users write it: training, evaluation and inference."""
    shape, patch = ((48, 40), [32, 32]) if dims == 2 else ((16, 24, 24), [16, 16, 16])
    for sub in ("images", "labels"):
        (tmp_path / "cells" / sub).mkdir(parents=True)
    for i in range(4):
        sample = simulate_nuclei(shape, seed=i)
        tifffile.imwrite(tmp_path / "cells" / "images" / f"{i}.tif", sample.image.clip(0, 65535).astype(np.uint16))
        tifffile.imwrite(tmp_path / "cells" / "labels" / f"{i}.tif", sample.label.astype(np.uint16))
    place = {"dataset_dir": str(tmp_path / "cells")}
    tiny = {"patch_size": patch, "batch_size": 2, "steps_per_epoch": 2, "max_epochs": 1, "val_interval": 1, "zoom": 1}
    backbone = {"network_def#backbone": {"_target_": name, **BATCH[name]}}
    run_bundle("train", f"denoiseg_{dims}d", output_dir=str(tmp_path / "run"), **place, **tiny, **backbone)
    net = load_network(tmp_path / "run" / "models" / "model.pt")
    assert type(net.unet.module).__name__ == name
    for task in ("evaluate", "infer"):
        out = {"output_dir": str(tmp_path / task), "run": str(tmp_path / "run"), "tta": False, "tile_size": 16, "refine": False}
        run_bundle(task, f"denoiseg_{dims}d", **place, **out)
    denoised = torch.from_numpy(tifffile.imread(tmp_path / "infer" / "0_denoised.tif"))
    image = torch.from_numpy(tifffile.imread(tmp_path / "cells" / "images" / "0.tif").astype(np.float32))[None, None]
    assert float((DenoiSegInferer()(image, net)[0, 3] - denoised).abs().max()) < 1e-2


def test_images_smaller_than_a_network_takes() -> None:
    """Of an image that is one voxel at the bottom, torch's instance norm refuses the average."""
    torch.manual_seed(0)
    net = DenoiSegNet(2, backbone=definition("SwinUNETR", WHOLE["SwinUNETR"]), multiple=32, receptive_radius=-1).eval()
    for size in ((20, 33), (7, 5), (32, 32)):
        assert net(torch.rand(1, 1, *size)).shape == (1, 4, *size)
