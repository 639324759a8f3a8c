"""Networks that segment at one voxel size: exported files say so, and onnxruntime resamples as PyTorch does."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from monai_denoiseg.cli import main
from monai_denoiseg.export import OnnxNetwork, export_model, read_card
from monai_denoiseg.export import extras as extras_module
from monai_denoiseg.export.card import spacing_note, wanted_size
from monai_denoiseg.export.torchscript import CARD
from monai_denoiseg.networks import DenoiSegNet

pytest.importorskip("onnxruntime", reason=f"needs the extra: {extras_module.EXTRA}")

SIZES = {2: [1.0, 0.5], 3: [2.0, 1.0, 0.5]}
WORDS = {2: "pixels of 1 x 0.5", 3: "voxels of 2 x 1 x 0.5"}


def write_model(make: Callable[..., DenoiSegNet], folder: Path, dims: int, target: list[float] | None) -> Path:
    torch.save(make(dims, "classes", normalisation="image", target_spacing=target).state_dict(), folder / "model.pt")
    return folder / "model.pt"


@pytest.mark.parametrize("dims", [2, 3])
def test_files_tell_the_voxel_size(
    make: Callable[..., DenoiSegNet], tmp_path: Path, dims: int, caplog: pytest.LogCaptureFixture
) -> None:
    model = write_model(make, tmp_path, dims, SIZES[dims])
    for to, name in (("onnx", "a.onnx"), ("torchscript", "a.ts")):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            export_model(model, to, tmp_path / name)
        assert [record.message for record in caplog.records if WORDS[dims] in record.message], to
    card = read_card((tmp_path / "a.onnx").read_bytes())
    assert json.loads(card["target_spacing"]) == SIZES[dims]
    assert f"Images must have {WORDS[dims]}" in card["target_spacing_note"]
    extra = {CARD: ""}
    torch.jit.load(io.BytesIO((tmp_path / "a.ts").read_bytes()), _extra_files=extra)
    assert json.loads(extra[CARD])["target_spacing"] == SIZES[dims]


def test_others_say_nothing(make: Callable[..., DenoiSegNet], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        export_model(write_model(make, tmp_path, 2, None), "onnx", tmp_path / "a.onnx")
    assert "voxel size" not in caplog.text
    assert "target_spacing" not in read_card((tmp_path / "a.onnx").read_bytes())


def test_the_command_warns(make: Callable[..., DenoiSegNet], tmp_path: Path) -> None:
    model = write_model(make, tmp_path, 2, SIZES[2])
    words = ["export", str(model), "--to", "torchscript", str(tmp_path / "a.ts")]
    command = [sys.executable, "-c", "import sys; from monai_denoiseg.cli import main; sys.exit(main(sys.argv[1:]))", *words]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"segments at one voxel size. Images must have {WORDS[2]}" in said.stderr


@pytest.mark.parametrize("dims", [2, 3])
def test_bundles_of_the_zoo(make: Callable[..., DenoiSegNet], tmp_path: Path, dims: int) -> None:
    out, _ = export_model(write_model(make, tmp_path, dims, SIZES[dims]), "monai-bundle", tmp_path / "liver.zip")
    with zipfile.ZipFile(out) as archive:
        metadata = json.loads(archive.read("liver/configs/metadata.json"))
        page = archive.read("liver/docs/README.md").decode()
    assert metadata["target_spacing"] == SIZES[dims]
    assert WORDS[dims] in metadata["target_spacing_note"]
    assert f"Voxel size: Images must have {WORDS[dims]}" in page
    assert "resamples images by itself" in page


@pytest.mark.slow
def test_packages_of_bioimageio(make: Callable[..., DenoiSegNet], tmp_path: Path) -> None:
    pytest.importorskip("bioimageio.core", reason=f"needs the extra: {extras_module.EXTRA}")
    from bioimageio.spec import load_model_description

    out, _ = export_model(write_model(make, tmp_path, 2, SIZES[2]), "bioimageio", tmp_path / "liver.zip")
    described = load_model_description(out)
    assert WORDS[2] in described.inputs[0].description
    assert WORDS[2] in zipfile.ZipFile(out).read("README.md").decode()


@pytest.mark.parametrize("dims", [2, 3])
def test_infer_with_onnxruntime_resamples(
    make: Callable[..., DenoiSegNet], tmp_path: Path, dims: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probabilities are PyTorch's on the grid of the scan; without resampling they are others."""
    write_model(make, tmp_path, dims, SIZES[dims])
    shape = [24, 18] if dims == 2 else [20, 16, 7]  # X, Y[, Z]; NIfTI
    image = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(image, np.diag([1.5, 2.0, 5.0, 1.0])), tmp_path / "a.nii.gz")
    seen: list[tuple[int, ...]] = []
    run = OnnxNetwork.forward

    def forward(self: OnnxNetwork, inputs: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(inputs.shape[2:]))
        return run(self, inputs, *more)

    monkeypatch.setattr(OnnxNetwork, "forward", forward)
    found = {}
    for name, runtime, spacing in (("torch", "torch", None), ("onnx", "onnx", None), ("own", "onnx", SIZES[dims])):
        words = ["infer", "--bundle", f"denoiseg_{dims}d", "--dataset_dir", str(tmp_path / "a.nii.gz"), "--amp", "off"]
        words += ["--output_dir", str(tmp_path / name), "--model_file", str(tmp_path / "model.pt"), "--tta", "false"]
        words += ["--save_probabilities", "true", "--runtime", runtime, "--device", "cpu"]
        assert main([*words, *([] if spacing is None else ["--spacing", str(spacing)])]) == 0
        kinds = ("probabilities", "denoised", "classes")
        found[name] = {kind: np.asarray(nibabel.load(tmp_path / name / f"a_{kind}.nii.gz").dataobj) for kind in kinds}
    grid = (36, 72) if dims == 2 else (18, 32, 60)  # 18 x 24 pixels of 2 x 1.5; 7 x 16 x 20 voxels of 5 x 2 x 1.5
    assert any(all(n >= wanted for n, wanted in zip(one, grid, strict=True)) for one in seen), seen
    np.testing.assert_allclose(found["onnx"]["probabilities"], found["torch"]["probabilities"], atol=1e-4)
    np.testing.assert_allclose(found["onnx"]["denoised"], found["torch"]["denoised"], atol=0.01)
    assert np.abs(found["own"]["probabilities"] - found["torch"]["probabilities"]).max() > 0.01


@pytest.mark.parametrize("dims", [2, 3])
def test_the_unit_is_told(dims: int) -> None:
    target = [2.0, 1.0, 0.5][-dims:]
    about: dict[str, Any] = {"depth": 1, "features": 4, "classes": ["background", "liver"], "target_spacing": target}
    unknown, known = DenoiSegNet(dims, **about), DenoiSegNet(dims, **about, target_unit="mm")
    assert wanted_size(known) == f"{WORDS[dims]} mm"
    assert "in the unit of the training files" in spacing_note(unknown)
    assert f"{WORDS[dims]} mm ([Z, ]Y, X): the file does not resample" in spacing_note(known)
