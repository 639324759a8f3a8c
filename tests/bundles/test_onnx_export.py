"""MONAI's own ONNX export of the bundles' network: of one size, logits and denoised image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import onnx_export

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.networks import DenoiSegNet

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra: pip install 'monai_denoiseg[export]'")


def test_onnx_export(tmp_path: Path) -> None:
    """Both exporters once stopped at a branch on a tensor and at nanquantile."""
    torch.manual_seed(0)
    network = DenoiSegNet(2, depth=1, features=4, normalisation="image").eval()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    configs = bundle_folder("denoiseg_2d") / "configs"
    files = {"meta_file": str(configs / "metadata.json"), "config_file": str(configs / "inference.json")}
    model = {"ckpt_file": str(tmp_path / "model.pt"), "model_file": str(tmp_path / "model.pt")}
    onnx_export("network_def", filepath=str(tmp_path / "m.onnx"), input_shape=[1, 1, 32, 48], **files, **model)
    image = 100 + 20 * torch.randn(1, 1, 32, 48)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    with torch.no_grad():
        np.testing.assert_allclose(found, network(image).numpy(), atol=1e-3, rtol=1e-4)
