"""Inference with onnxruntime: the command against PyTorch, whole, tiled, augmented, streamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.cli import main
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.export import OnnxNetwork, with_runtime
from monai_denoiseg.export import extras as extras_module
from monai_denoiseg.networks import DenoiSegNet

onnxruntime = pytest.importorskip("onnxruntime", reason=f"needs the extra: {extras_module.EXTRA}")


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("stream", ["never", "always"])
def test_infer_equals_torch(
    make: Callable[..., DenoiSegNet], tmp_path: Path, dims: int, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(make(dims, normalisation="image").state_dict(), tmp_path / "model.pt")
    shape = [70, 61] if dims == 2 else [9, 40, 33]
    image = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"axes": "ZYX"[-dims:]})
    calls: list[int] = []
    run = OnnxNetwork.forward
    monkeypatch.setattr(OnnxNetwork, "forward", lambda self, *inputs: calls.append(1) or run(self, *inputs))
    found = {}
    for runtime in ("torch", "onnx"):
        words = ["infer", "--bundle", f"denoiseg_{dims}d", "--dataset_dir", str(tmp_path / "a.tif"), "--amp", "off"]
        words += ["--output_dir", str(tmp_path / runtime), "--model_file", str(tmp_path / "model.pt"), "--tile_size", "32"]
        words += ["--save_probabilities", "true", "--stream", stream, "--runtime", runtime, "--device", "cpu"]
        assert main(words) == 0
        kinds = ("probabilities", "denoised", "instances")
        found[runtime] = {kind: tifffile.imread(tmp_path / runtime / f"a_{kind}.tif") for kind in kinds}
    assert len(calls) > 8, "onnxruntime was not used"
    np.testing.assert_allclose(found["onnx"]["probabilities"], found["torch"]["probabilities"], atol=1e-4)
    np.testing.assert_allclose(found["onnx"]["denoised"], found["torch"]["denoised"], atol=0.01)
    assert (found["onnx"]["instances"] != found["torch"]["instances"]).mean() < 0.01


def test_stands_where_the_network_stands(make: Callable[..., DenoiSegNet]) -> None:
    net = make(2, "stars", domain=False)
    own = with_runtime(net, "onnx")
    image = 100 + 20 * torch.randn(1, 1, 50, 41)
    inferer = DenoiSegInferer(tile_size=24, tta=True)
    torch.testing.assert_close(inferer(image, own)[:, :1], inferer(image, net)[:, :1], atol=1e-4, rtol=0)
    assert (own.n_classes, own.head.kind, own.multiple) == (13, "stardist", [2, 2])
    assert with_runtime(net) is net


def test_methods_without_a_network_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.float32))
    words = ["infer", "--method", "median", "--runtime", "onnx", "--dataset_dir", str(tmp_path)]
    assert main([*words, "--output_dir", str(tmp_path / "o")]) == 1
    assert "`runtime` is 'onnx', but this method has no network to compute" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_missing_onnxruntime_is_named(make: Callable[..., DenoiSegNet], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="onnxruntime")

    monkeypatch.setattr(extras_module.importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"onnxruntime is not installed: pip install 'monai_denoiseg\[export\]'"):
        with_runtime(make(2), "onnx")
    with pytest.raises(ValueError, match="`runtime` must be one of 'torch', 'onnx'"):
        with_runtime(make(2), "tensorrt")
