"""The command that exports: files, refusals, and the packages of the two model zoos."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from monai_denoiseg.cli import main
from monai_denoiseg.export import FORMATS, export_model
from monai_denoiseg.export import extras as extras_module
from monai_denoiseg.export.bioimageio import FORMATS as WEIGHTS
from monai_denoiseg.networks import DenoiSegNet

CONVERTS = pytest.importorskip("onnxruntime", reason=f"needs the extra: {extras_module.EXTRA}")


@pytest.fixture
def model(make: Callable[..., DenoiSegNet], tmp_path: Path) -> Path:
    torch.save(make(2).state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_torchscript_by_the_command(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "network.ts"
    assert main(["export", str(model), "--to", "torchscript", str(out)]) == 0
    assert "largest difference from PyTorch: 0 in probabilities" in capsys.readouterr().out
    found = torch.jit.load(io.BytesIO(out.read_bytes()))(torch.rand(1, 1, 13, 21))
    assert [tuple(part.shape) for part in found] == [(1, 3, 13, 21), (1, 1, 13, 21)]


def test_a_file_that_is_there_is_kept(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "network.ts"
    out.write_text("mine")
    assert main(["export", str(model), "--to", "torchscript", str(out)]) == 1
    assert "exists: give another name, or pass --replace" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main(["export", str(model), "--to", "torchscript", str(out), "--replace"]) == 0
    assert out.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("to", "out", "options", "message"),
    [
        ("onnx", "a.zip", {}, r"must end in \.onnx for --to onnx"),
        ("torchscript", "a.ts", {"statistics": "input"}, "`statistics` is 'input', but --to torchscript has no use for it"),
        ("onnx", "a.onnx", {"license": "MIT"}, "`license` is 'MIT', but --to onnx has no use for it"),
        ("keras", "a.h5", {}, "`to` must be one of 'onnx', 'torchscript', 'bioimageio', 'monai-bundle'"),
    ],
)
def test_wrong_options(model: Path, tmp_path: Path, to: str, out: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export_model(model, to, tmp_path / out, **options)
    assert not (tmp_path / out).exists()


def test_a_missing_package_is_named(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(extras_module.importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"onnx is not installed: pip install 'monai_denoiseg\[export\]'"):
        export_model(model, "onnx", tmp_path / "a.onnx")


def test_missing_network(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.pt"):
        export_model(tmp_path / "nothing.pt", "onnx", tmp_path / "a.onnx")


def test_bioimageio(model: Path, tmp_path: Path) -> None:
    core = pytest.importorskip("bioimageio.core", reason=f"needs the extra: {extras_module.EXTRA}")
    from bioimageio.spec import load_model_description

    out, said = export_model(model, "bioimageio", tmp_path / "nuclei.zip", name="My nuclei", authors=["Jane Doe"], license="MIT")
    assert said.endswith("all formats passed")
    described = load_model_description(out)
    assert (described.name, described.authors[0].name, str(described.license)) == ("My nuclei", "Jane Doe", "MIT")
    assert {str(entry.doi) for entry in described.cite} >= {"10.1007/978-3-030-66415-2_21", "10.1109/CVPR.2019.00223"}
    assert set(WEIGHTS) == {name for name in WEIGHTS if getattr(described.weights, name) is not None}
    files = set(zipfile.ZipFile(out).namelist())
    assert {"README.md", "cover.png", "test_image.npy", "weights.onnx", "weights.pt", "weights_torchscript.pt"} <= files
    image = np.load(io.BytesIO(zipfile.ZipFile(out).read("test_image.npy")))
    for name in WEIGHTS:  # through the library's own prediction
        tensor = core.Tensor.from_numpy(image[..., :77, :93], dims=["batch", "channel", "y", "x"])
        sample = core.Sample(members={"image": tensor}, stat={}, id="one")
        with core.create_prediction_pipeline(described, weight_format=name) as pipeline:
            found = pipeline.predict_sample_without_blocking(sample).members["probabilities"].data.to_numpy()
        state = torch.load(model, weights_only=True)
        net = DenoiSegNet(2, depth=1, features=4)
        net.load_state_dict(state)
        with torch.no_grad():
            ours = net.eval().activate(net(torch.from_numpy(image[..., :77, :93].copy())))[:, :3]
        np.testing.assert_allclose(found, ours.numpy(), atol=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
def test_monai_bundle(make: Callable[..., DenoiSegNet], tmp_path: Path, dims: int) -> None:
    net = make(dims, "classes", normalisation="image")
    torch.save(net.state_dict(), tmp_path / "model.pt")
    out, said = export_model(tmp_path / "model.pt", "monai-bundle", tmp_path / "liver.zip", name="Liver", authors=["Jane Doe"])
    assert "TorchScript (ckpt_export), properties" in said
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "elsewhere")
    root = tmp_path / "elsewhere" / "liver"
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {
        **{str(number): name for number, name in enumerate(["background", "liver", "spleen"])},
        "3": "denoised",
    }
    assert metadata["version"] in metadata["changelog"]
    np.save(tmp_path / "image.npy", np.random.default_rng(0).normal(100, 20, [21] * dims).astype(np.float32))
    results = {}
    for overlays in ([], ["inference_onnx"]):
        output = tmp_path / f"out{len(overlays)}"
        workflow = ConfigWorkflow(
            config_file=[str(root / "configs" / f"{name}.json") for name in ["inference", *overlays]],
            workflow_type="infer",
            logging_file=False,
            bundle_root=str(root),
            dataset_dir=str(tmp_path / "image.npy"),
            output_dir=str(output),
            save_probabilities=True,
            amp="off",
        )
        workflow.initialize()
        workflow.run()
        workflow.finalize()
        import tifffile

        results[len(overlays)] = tifffile.imread(output / "image_probabilities.tif")
    np.testing.assert_allclose(results[0], results[1], atol=1e-4)
    assert 3 in results[0].shape


def test_every_format_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in FORMATS)
