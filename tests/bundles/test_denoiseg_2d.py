"""The 2D bundle as a user runs it: python -m monai.bundle run, in another folder, on files of three formats."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from monai.bundle import ConfigWorkflow, ckpt_export, verify_net_in_out

from monai_denoiseg.cli import run_bundle
from monai_denoiseg.engines import DenoiSegInferer, first_cause
from monai_denoiseg.networks import load_weights, network_for_file

from .conftest import AFFINE, BUNDLE, TINY, bundle_command, results, run_program, write_tiff

FILES = {
    f"{kind}_file": str(BUNDLE / "configs" / f"{name}.json") for kind, name in (("meta", "metadata"), ("config", "inference"))
}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_leaves_what_the_next_steps_need(trained: Path, dataset: Path) -> None:
    assert sorted(path.name for path in (trained / "models").iterdir()) == ["last.pt", "model.pt"]
    train, validation = read_csv(trained / "train_log.csv"), read_csv(trained / "validation_log.csv")
    assert [row["epoch"] for row in train] == [row["epoch"] for row in validation] == ["1", "2"]
    assert all(np.isfinite(float(value)) for row in train for value in row.values())
    assert [float(row["learning_rate"]) for row in train] == pytest.approx([1e-3, 0.51e-3])  # half the cosine
    record = json.loads((trained / "settings.json").read_text())
    assert record["settings"]["dataset_dir"] == str(dataset)
    assert record["settings"]["max_epochs"] == TINY["max_epochs"]
    assert sum(record["data"][key] for key in ("train", "validation")) == 8
    assert sum(record["data"][key] for key in ("train_labelled", "validation_labelled")) == 4
    assert {path.name for path in trained.iterdir()} >= {"tensorboard", "panels"}
    state = torch.load(trained / "models" / "model.pt")
    assert 50 < float(state["mean"]) < 65535, "the statistics of the raw images travel in the file"


def test_evaluate(trained: Path, dataset: Path, tmp_path: Path) -> None:
    options = {"dataset_dir": dataset, "output_dir": tmp_path / "evaluation", "model_file": trained / "models" / "model.pt"}
    run_bundle("evaluate", **{key: str(value) for key, value in options.items()}, amp="off")
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert metrics["n_images"] == 8
    assert 0 <= metrics["ap"] <= 1
    rows = read_csv(tmp_path / "evaluation" / "per_image.csv")
    assert [row["image"] for row in rows] == [
        *("n0.nii.gz", "n1.nii.gz", "p0.png", "p1.png", "t0.tif", "t1.tif", "t2.tif", "t3.tif")
    ]
    assert [bool(row["ap"]) for row in rows] == [True, False] * 4
    assert np.mean([float(row["ap"]) for row in rows if row["ap"]]) == pytest.approx(metrics["ap"], abs=1e-5)
    assert len(list((tmp_path / "evaluation" / "panels").iterdir())) == 3


def test_infer_a_folder(trained: Path, dataset: Path, tmp_path: Path) -> None:
    options = {"dataset_dir": dataset, "output_dir": "made/by/it", "model_file": trained / "models" / "model.pt"}
    done = run_program(bundle_command("inference", **options, save_probabilities=True, amp="off", tile_size=16), tmp_path)
    assert done.code == 0, done.out + done.err
    folder = tmp_path / "made" / "by" / "it"
    kinds = ("denoised", "instances", "probabilities")
    endings = {"t": "tif", "p": "tif", "n": "nii.gz"}
    names = [f"{stem}{i}_{kind}.{endings[stem]}" for stem in "tpn" for i in range(4 if stem == "t" else 2) for kind in kinds]
    assert sorted(path.name for path in results(folder)) == sorted(names)

    with tifffile.TiffFile(folder / "t1_denoised.tif") as file, tifffile.TiffFile(folder / "t1_instances.tif") as instances:
        assert (file.series[0].shape, file.series[0].dtype) == ((37, 44), np.float32)
        assert (instances.series[0].shape, instances.series[0].dtype) == ((37, 44), np.uint16)
        for page in (file.pages[0], instances.pages[0]):
            assert page.tags["XResolution"].value[0] / page.tags["XResolution"].value[1] == pytest.approx(4)
        assert file.imagej_metadata["unit"] in ("um", "µm", "micron")
    for kind, dtype in (("denoised", np.float32), ("instances", np.uint16)):
        volume = nibabel.load(folder / f"n1_{kind}.nii.gz")
        np.testing.assert_allclose(volume.affine, AFFINE)
        assert (volume.shape, volume.get_data_dtype()) == ((44, 37), dtype), "X, Y as stored"
    probabilities = tifffile.imread(folder / "p1_probabilities.tif")
    assert probabilities.shape == (3, 37, 44)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-4)

    network = load_weights(network_for_file(options["model_file"]), options["model_file"]).eval()
    image = tifffile.imread(dataset / "images" / "t1.tif").astype(np.float32)
    wanted = DenoiSegInferer(tta=True, refine=True)(torch.from_numpy(image)[None, None], network)[0]
    denoised = tifffile.imread(folder / "t1_denoised.tif")
    np.testing.assert_allclose(denoised, wanted[3], rtol=1e-3, atol=1e-2)
    assert 0.3 < denoised.mean() / image.mean() < 3, "raw intensities"


def test_infer_one_file_of_a_strange_size_and_one_bad(trained: Path, tmp_path: Path) -> None:
    model = {"model_file": str(trained / "models" / "model.pt"), "amp": "off"}
    (tmp_path / "images").mkdir()
    write_tiff(tmp_path / "images" / "a.tif", np.arange(5, dtype=np.uint8)[None].repeat(3, 0))
    run_bundle("infer", dataset_dir=str(tmp_path / "images" / "a.tif"), output_dir=str(tmp_path / "one"), **model)
    assert tifffile.imread(tmp_path / "one" / "a_instances.tif").shape == (3, 5)
    (tmp_path / "images" / "b.tif").write_bytes(b"no TIFF at all")
    with pytest.raises(RuntimeError) as caught:
        run_bundle("infer", dataset_dir=str(tmp_path), output_dir=str(tmp_path / "two"), **model)
    assert re.search(r"1 of 2 files failed.*b\.tif", str(first_cause(caught.value)), re.DOTALL)
    assert sorted(path.name for path in results(tmp_path / "two")) == ["a_denoised.tif", "a_instances.tif"]


@pytest.mark.parametrize(("config", "kind"), [("train", "train"), ("inference", "infer"), ("evaluate", "infer")])
def test_properties_of_the_zoo(config: str, kind: str, trained: Path, dataset: Path) -> None:
    place = {"dataset_dir": str(dataset)} | ({} if config == "train" else {"model_file": str(trained / "models" / "model.pt")})
    files = {"config_file": str(BUNDLE / "configs" / f"{config}.json"), "logging_file": False}
    workflow = ConfigWorkflow(**files, workflow_type=kind, **place)
    workflow.initialize()
    assert workflow.check_properties() == []


def test_verify_net_in_out() -> None:
    verify_net_in_out("network_def", **FILES, device="cpu")
    with pytest.raises(RuntimeError) as caught:
        verify_net_in_out("network_def", **FILES, device="cpu", in_channels=2)  # the file says 1
    assert "is a network for images of 1 channel(s), but `in_channels` is 2" in str(first_cause(caught.value))


def test_export_to_torchscript(trained: Path, tmp_path: Path) -> None:
    model = trained / "models" / "model.pt"
    files = {"filepath": str(tmp_path / "model.ts"), "ckpt_file": str(model), "model_file": str(model)}
    ckpt_export("network_def", **FILES, **files)
    exported = torch.jit.load(tmp_path / "model.ts").eval()
    network = load_weights(network_for_file(model), model).eval()
    image = 100 * torch.rand(1, 1, 21, 34)
    with torch.no_grad():
        torch.testing.assert_close(exported(image), network(image), rtol=1e-4, atol=1e-3)
    assert torch.equal(exported.threshold, network.threshold)


def test_the_same_network_as_eager_after_export_needs_no_file_beside_it(trained: Path) -> None:
    state = torch.load(trained / "models" / "model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert {"mean", "std", "threshold", "description", "image_mode"} <= set(state)
