"""A pattern, a list of files and a data list in training, inference and evaluation, in 2D and 3D; what was found is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from monai.bundle import ConfigWorkflow

from monai_denoiseg.bundle import BUNDLES, bundle_folder, run_bundle
from monai_denoiseg.cli import main
from monai_denoiseg.engines import first_cause

TINY: dict[str, Any] = {"features": 4, "depth": 1, "batch_size": 2, "amp": "off", "max_epochs": 1, "steps_per_epoch": 1}
PREDICT: dict[str, Any] = {"tta": False, "refine": False, "amp": "off"}
SIZES = {"denoiseg_2d": ((20, 22), [16, 16]), "denoiseg_3d": ((6, 20, 22), [4, 16, 16])}


@pytest.fixture(params=SIZES)
def bundle(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def data(bundle: str, tmp_path: Path) -> Path:
    """Six labelled images of three patients, with the same names in two folders."""
    shape, _ = SIZES[bundle]
    label = np.zeros(shape, np.uint8)
    label[..., 3:9, 3:9], label[..., 12:18, 10:18] = 1, 2
    for i in range(6):
        for kind, array in (("images", np.random.default_rng(i).normal(100 + 50 * label, 5).astype("f4")), ("labels", label)):
            path = tmp_path / "data" / f"site{i % 2}" / kind / f"cell{i // 2}_raw.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, array, metadata={"axes": "ZYX"[-len(shape) :]})
    entries = [
        {"image": f"site{i % 2}/images/cell{i // 2}_raw.tif", "label": f"site{i % 2}/labels/cell{i // 2}_raw.tif", "fold": i // 2}
        | {"group": f"patient {i // 2}"}
        for i in range(6)
    ]
    (tmp_path / "data" / "data.json").write_text(json.dumps({"training": entries, "testing": [entries[0], entries[2]]}))
    return tmp_path / "data"


def train(bundle: str, out: Path, **options: Any) -> dict[str, list[str]]:
    run_bundle("train", bundle, output_dir=out, patch_size=SIZES[bundle][1], **{**TINY, **options})
    return dict(torch.load(out / "models" / "last.pt", weights_only=True)["about"]["split"])


def test_a_data_list_everywhere(bundle: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = train(bundle, tmp_path / "run", dataset_dir=data / "data.json", fold=1)
    assert split["validation"] == [f"validation_dir/site{i}/images/cell1_raw.tif" for i in (0, 1)]
    assert sorted(split["training"]) == sorted(f"site{i}/images/cell{k}_raw.tif" for i in (0, 1) for k in (0, 2))
    assert "data: 6 images, 6 of them labelled" in (said := capsys.readouterr().out)
    assert f"images: 1 channel, {' x '.join(map(str, SIZES[bundle][0]))}, voxel size unknown, axes " in said and "float32" in said
    model = {"model_file": tmp_path / "run" / "models" / "model.pt", **PREDICT}
    run_bundle("infer", bundle, dataset_dir=data / "data.json", output_dir=tmp_path / "out", **model)
    assert len(list((tmp_path / "out").glob("*_instances.tif"))) == 2
    run_bundle("evaluate", bundle, dataset_dir=data / "data.json", output_dir=tmp_path / "ev", pictures=False, **model)
    assert json.loads((tmp_path / "ev" / "metrics.json").read_text())["n_images"] == 2
    run_bundle(
        "evaluate",
        bundle,
        dataset_dir=data / "data.json",
        output_dir=tmp_path / "ev2",
        section="training",
        pictures=False,
        **model,
    )
    assert json.loads((tmp_path / "ev2" / "metrics.json").read_text())["n_images"] == 6
    said = capsys.readouterr().out
    assert "inference: 2 images" in said and "evaluation: 6 images, 6 of them labelled" in said


def test_groups_and_a_resumed_run_with_a_new_image(bundle: str, data: Path, tmp_path: Path) -> None:
    split = train(bundle, tmp_path / "run", dataset_dir=data / "data.json", validation_fraction=0.3)
    (patient,) = {Path(name).name for name in split["validation"]}
    assert len(split["validation"]) == 2, "both images of a patient"
    content = json.loads((data / "data.json").read_text())
    tifffile.imwrite(data / "new.tif", np.ones(SIZES[bundle][0], "f4"), metadata={"axes": "ZYX"[-len(SIZES[bundle][0]) :]})
    content["training"].append({"image": "new.tif", "group": f"patient {patient[4]}"})
    (data / "data.json").write_text(json.dumps(content))
    run_bundle("train", bundle, output_dir=tmp_path / "run", resume=True, max_epochs=2)
    again = torch.load(tmp_path / "run" / "models" / "last.pt", weights_only=True)["about"]["split"]
    assert again["training"] == split["training"]
    assert again["validation"] == [*split["validation"], "new.tif"], "another image of a validation patient"


def test_lists_of_files_and_a_pattern(bundle: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(data / "site0" / "images" / "cell0_raw.tif"), str(data / "site1")]
    split = train(bundle, tmp_path / "run", dataset_dir=files, pattern="*0_raw.tif", validation_fraction=0)
    assert split["training"] == split["labelled"] == ["site0/images/cell0_raw.tif", "site1/images/cell0_raw.tif"]
    model = ["--model_file", str(tmp_path / "run" / "models" / "model.pt"), "--tta", "false", "--bundle", bundle]
    words = ["evaluate", "--dataset_dir", str(data / "site0"), "--output_dir", str(tmp_path / "ev"), "--pattern", "*1_raw.tif"]
    capsys.readouterr()
    assert main([*words, "--pictures", "false", *model]) == 0
    assert json.loads((tmp_path / "ev" / "metrics.json").read_text())["n_images"] == 1
    said = capsys.readouterr().out
    assert "passed over: 2 files: cell0_raw.tif, cell2_raw.tif" in said


def test_through_monais_own_workflow(bundle: str, data: Path, tmp_path: Path) -> None:
    configs = bundle_folder(bundle) / "configs"
    places = {"dataset_dir": str(data / "data.json"), "output_dir": str(tmp_path / "run"), "fold": 2}
    workflow = ConfigWorkflow(
        config_file=str(configs / "train.json"), meta_file=str(configs / "metadata.json"), logging_file=False,
        workflow_type="train", patch_size=SIZES[bundle][1], **TINY, **places,
    )  # fmt: skip
    workflow.initialize()
    workflow.steps_per_epoch = 1
    workflow.initialize()  # with other settings: the folder is its own
    workflow.run()
    workflow.finalize()
    assert (tmp_path / "run" / "models" / "model.pt").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 7}, r"`fold` is 7, but .*data\.json has the folds 0, 1, 2"),
        ({"fold": 0, "validation_dir": "site0"}, "`validation_dir` already says what to validate on"),
        ({"dataset_dir": "site0", "fold": 0}, "has no folds: give them in a data list"),
    ],
)
def test_folds_that_are_none(options: dict[str, Any], message: str, data: Path, tmp_path: Path, bundle: str) -> None:
    places = {key: str(data / value) for key, value in options.items() if key.endswith("_dir")}
    with pytest.raises(RuntimeError) as caught:
        train(bundle, tmp_path / "run", **{"dataset_dir": data / "data.json", **options, **places})
    with pytest.raises(ValueError, match=message):
        raise first_cause(caught.value)


def test_nothing_labelled_beside_a_folder_that_looks_like_labels(
    bundle: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "site0" / "labels").rename(data / "site0" / "ground_truth")
    train(bundle, tmp_path / "run", dataset_dir=data / "site0")
    said = capsys.readouterr().out
    assert "no label was found" in said and "ground_truth; name the subfolder with --labels_dir" in said
    assert train(bundle, tmp_path / "run2", dataset_dir=data / "site0", labels_dir="ground_truth")["labelled"]


def test_a_training_leaves_the_settings_of_a_simulation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sim"
    assert main(["simulate", str(folder), "--n_images", "3", "--n_labelled", "2", "--shape", "32", "32"]) == 0
    before = (folder / "settings.json").read_bytes()
    assert main(["train", "--dataset_dir", str(folder), "--output_dir", str(folder)]) == 1
    said = capsys.readouterr()
    assert "settings.json is not of a training" in said.err and "Traceback" not in said.out + said.err
    assert (folder / "settings.json").read_bytes() == before
    assert main(["train", "--dataset_dir", str(folder), "--output_dir", str(tmp_path / "run"), "--n_labels", "50"]) == 1
    said = capsys.readouterr()
    assert "`n_labels` is 50, but only" in said.err and "training in" not in said.out
    assert set(BUNDLES) >= set(SIZES)
