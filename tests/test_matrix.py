"""Six networks, images and volumes: trained in MONAI's trainer and in ours, predicted in tiles, scored, saved, read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer

from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer, DenoiSegTrainer
from monai_denoiseg.export.onnx_file import onnx_bytes
from monai_denoiseg.export.torchscript import torchscript_bytes
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.metrics import psnr
from monai_denoiseg.networks import DenoiSegNet, load_network
from monai_denoiseg.transforms import BlindSpot

NETWORKS: dict[str, dict[str, Any] | None] = {
    "CAREUNet": None,
    "UNet": {"channels": [4, 8, 16], "strides": [2, 2], "norm": "batch"},
    "BasicUNet": {"features": [4, 4, 4, 4, 8, 4], "norm": "batch"},
    "SegResNet": {"init_filters": 8, "norm": "batch", "blocks_down": [1, 2], "blocks_up": [1]},
    "DynUNet": {
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 8, 8],
        "norm_name": "batch",
    },
    "SwinUNETR": {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]},
}
EXACT = tuple(name for name in NETWORKS if name != "SwinUNETR")
"""Those with batch norm: their tiles give what the whole image gives."""

PAIRS = [(name, dims) for name in NETWORKS for dims in (2, 3)]
SLOW = [("SwinUNETR", 2), ("SwinUNETR", 3), ("BasicUNet", 3), ("SegResNet", 3)]
REFUSED = ("SwinUNETR",)
"""Those whose graph depends on the size of the image: a traced one would be wrong for other sizes."""
CPU = torch.device("cpu")


def check_exports(name: str, network: DenoiSegNet) -> None:
    """ONNX and TorchScript give what the network gives, or the network is refused with the reason."""
    for export in (onnx_bytes, torchscript_bytes):
        if name in REFUSED:
            with pytest.raises(ValueError, match="cannot be exported"):
                export(network)
        else:
            assert export(network)[1].worst["probabilities"] < 1e-4


def made(name: str, dims: int) -> DenoiSegNet:
    torch.manual_seed(0)
    options = NETWORKS[name]
    if name == "SwinUNETR":
        pytest.importorskip("einops", reason="SwinUNETR of MONAI needs einops")
    net = (
        DenoiSegNet(dims, depth=1, features=4)
        if options is None
        else DenoiSegNet(
            dims,
            backbone={"_target_": name, **options},
            **({"multiple": 32, "receptive_radius": -1} if name == "SwinUNETR" else {}),
        )
    )
    net.set_statistics(torch.tensor([25.0]), torch.tensor([14.0]))
    return net


@pytest.mark.parametrize(
    ("name", "dims"), [pair if pair not in SLOW else pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS]
)
def test_a_network(name: str, dims: int, tmp_path: Path) -> None:
    edge = 64 if name == "SwinUNETR" else 32 if dims == 2 else 16
    net = made(name, dims)
    label = torch.zeros(2, 1, *[edge] * dims, dtype=torch.int64)
    label[..., edge // 4 : edge // 2, edge // 4 : edge // 2] = 1
    batch = {"image": torch.rand(2, 1, *[edge] * dims) * 20 + 30 * label, "label": label}
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    common: dict[str, Any] = {"network": net, "optimizer": optimizer, "loss_function": DenoiSegLoss()}
    common |= {"train_data_loader": [batch] * 2, "prepare_batch": BlindSpotBatch(BlindSpot())}
    theirs = SupervisedTrainer(device=CPU, max_epochs=1, decollate=False, **common)
    theirs.run()
    ours = DenoiSegTrainer(device="cpu", max_epochs=1, amp="off", **common)
    ours.run()
    assert torch.isfinite(torch.tensor([float(theirs.state.output["loss"].detach()), ours.state.metrics["loss"]])).all()
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))

    torch.save(net.state_dict(), tmp_path / "model.pt")
    again = load_network(tmp_path / "model.pt")
    assert type(again.unet if NETWORKS[name] is None else again.unet.module).__name__ == name
    size = (77, 60) if dims == 2 else (20, 70, 40) if name == "SwinUNETR" else (20, 36, 27)
    image = torch.rand(1, 1, *size) * 50
    whole = DenoiSegInferer()(image, again)
    assert torch.equal(whole, DenoiSegInferer()(image, net.eval()))
    tiled = DenoiSegInferer(edge)(image, again)
    assert (name in EXACT) == (not again.sees_whole)
    if name in EXACT:
        assert float((tiled - whole).abs().max()) < 1e-4
    assert tiled.shape == whole.shape == (1, 4, *image.shape[2:])

    one = {key: value[:1] for key, value in batch.items()}
    mine = DenoiSegEvaluator("cpu", [one], again, DenoiSegInferer(), BlindSpotBatch(BlindSpot()), DenoiSegLoss(), amp="off")
    mine.run()
    monais = SupervisedEvaluator(CPU, [one], again, inferer=DenoiSegInferer())
    monais.run()
    prediction = monais.state.output[0]["pred"]
    assert torch.allclose(prediction, mine.state.output[0]["pred"], atol=1e-5)
    assert mine.state.metrics["loss"] > 0 and psnr(prediction[3:], one["image"][0]) > 0

    check_exports(name, again)
