"""Both front doors, ``monai-denoiseg`` and ``python -m monai.bundle run``.

Wrong settings are said before any image is read, and paths of any name work.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from monai.bundle import ConfigWorkflow

from monai_denoiseg.bundle.run import config_files, run_bundle
from monai_denoiseg.cli import main
from monai_denoiseg.engines import first_cause

from .conftest import TINY, bundle_command, nuclei, run_program, words

NAMES = (
    "2024",
    "true",
    "[1]",
    "None",
    "1e5",
    "plate#1",
    "$HOME",
    "@dataset_dir",
    "%configs",
    "50%_FBS",
    "exp@37C",
    "a b (1) [x]",
    "it's",
)
QUICK = {"tta": False, "refine": False, "amp": "off", "device": "cpu"}


@pytest.fixture
def image() -> np.ndarray:
    return nuclei(0, (32, 32))[0].clip(0, 65535).astype(np.uint16)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folder(name: str, image: np.ndarray, file: str = "images/a.tif") -> str:
    path = Path(name, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image)
    return name


# ---- wrong settings, through the programs themselves; the mass of cases is in tests/bundle/settings

WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("train", "denoiseg_2d", {"max_epochs": 1.5}, "`max_epochs` must be an integer >= 1, got 1.5"),
    ("train", "denoiseg_3d", {"patch_size": "abc"}, "`patch_size` must be an integer >= 1, or 3 of them"),
    ("train", "denoiseg_2d", {"ignore_value": "nan"}, "`ignore_value` must be an integer, or null, got 'nan'"),
    ("infer", "denoiseg_2d", {"labels_dir": "truth"}, "unknown key 'labels_dir': it belongs to evaluate"),
    ("evaluate", "denoiseg_2d", {"iou_thresholds": 0.5}, "`iou_thresholds` must be a list"),
    ("infer", "self2seg", {"experts": 5}, "`experts` must be a list of experts"),
]


def run_monai(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """What ``python -m monai.bundle`` runs, in this process."""
    monkeypatch.setattr(sys, "argv", ["", *arguments])
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)


@pytest.mark.parametrize(("task", "bundle", "options", "message"), WRONG, ids=lambda one: str(one)[:40])
def test_a_wrong_setting(
    task: str,
    bundle: str,
    options: dict[str, Any],
    message: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The folder of images is empty: had anything been read, that would be said."""
    (here / "data").mkdir()
    options = {"dataset_dir": "data", "output_dir": "out", **options}
    assert main([task, "--bundle", bundle, *words(**options)]) == 1
    assert message in capsys.readouterr().err
    with pytest.raises(RuntimeError) as caught:
        run_monai(monkeypatch, *bundle_command({"infer": "inference"}.get(task, task), bundle, **options)[2:])
    assert message in str(first_cause(caught.value))
    assert [path.name for path in here.iterdir()] == ["data"]


@pytest.mark.parametrize("door", ["monai-denoiseg", "monai.bundle"])
def test_the_programs_themselves(door: str, image: np.ndarray, here: Path) -> None:
    folder("2024", image, "a.tif")
    options = {"dataset_dir": "2024", "output_dir": "plate#1", "device": "cpu"}
    files = str([str(path) for path in config_files("infer", "denoiseg_2d", "median")])
    if door == "monai.bundle":
        command = ["-m", "monai.bundle", "run", "--config_file", files]
    else:
        command = ["-m", "monai_denoiseg.cli", "infer", "--method", "median"]
    done = run_program([*command, *words(**options)], here, cold=True)
    assert done.code == 0, done.err
    assert Path("plate#1", "a_denoised.tif").is_file()
    done = run_program([*command, *words(**options, filter_size="abc")], here)
    assert done.code == 1
    lines = done.err.strip().splitlines()
    assert "`filter_size` must be an integer >= 1, or 2 of them" in lines[-1]
    assert "Traceback" not in done.out + done.err
    assert len(lines) == 1 or door == "monai.bundle", done.err  # MONAI's own warnings stand before it


def test_from_python_the_error_is_the_cause_itself(here: Path) -> None:
    for task, options, message in [("train", {"alpha": 2}, "`alpha`"), ("infer", {"thresold": 1}, "'threshold'")]:
        with pytest.raises(ValueError, match=message):
            run_bundle(task, **options)
    with pytest.raises(FileNotFoundError, match="`dataset_dir`: gone does not exist"):
        run_bundle("infer", dataset_dir="gone")


# ---- paths


@pytest.mark.parametrize("name", NAMES)
def test_folders_of_any_name(name: str, image: np.ndarray, here: Path) -> None:
    """One task with a network for each name, on the command line and from Python."""
    folder(name, image, "cell #1 @2 %3.tif")
    assert main(["infer", "--dataset_dir", name, "--output_dir", f"{name}/out", *words(**QUICK)]) == 0
    assert Path(name, "out", "cell #1 @2 %3_instances.tif").is_file()
    options = {"dataset_dir": name, "output_dir": name + "2", "method": "median", "device": "cpu"}
    run_bundle("infer", **options)
    assert Path(name + "2", "cell #1 @2 %3_denoised.tif").is_file()


@pytest.mark.parametrize("name", ["2024", "$HOME", "@dataset_dir#0"])
def test_every_task_with_such_names(name: str, image: np.ndarray, here: Path) -> None:
    for i in range(3):
        folder(f"{name}/data", image + i, f"images/{i}.tif")
        folder(f"{name}/data", nuclei(0, (32, 32))[1].astype(np.uint16), f"labels/{i}.tif")
    place = ["--dataset_dir", f"{name}/data"]
    assert main(["train", *place, "--output_dir", name, "--ckpt_dir", f"{name}/net", *words(**TINY | {"max_epochs": 1})]) == 0
    settings = json.loads(Path(name, "settings.json").read_text())["settings"]
    assert (settings["dataset_dir"], settings["output_dir"], settings["ckpt_dir"]) == (f"{name}/data", name, f"{name}/net")
    network = ["--model_file", f"{name}/net/model.pt"]
    assert main(["evaluate", *place, *network, "--output_dir", f"{name}/scores", *words(**QUICK)]) == 0
    assert json.loads(Path(name, "scores", "metrics.json").read_text())["n_images"] == 3
    single = [
        "infer",
        "--bundle",
        "self2seg",
        "--method",
        "chan_vese",
        "--image",
        f"{name}/data/images/0.tif",
        "--progress",
        "false",
    ]
    assert main([*single, "--output_dir", f"{name}/parts"]) == 0
    assert Path(name, "parts", "0_mask.tif").is_file()


def test_nothing_in_a_path_is_run(image: np.ndarray, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "$__import__('pathlib').Path('broken').touch()"
    assert main(["infer", "--dataset_dir", command]) == 1
    assert f"`dataset_dir`: {command} does not exist" in capsys.readouterr().err
    assert main(["train", "--dataset_dir", folder("data", image), "--validation_dir", command]) == 1
    assert f"`validation_dir`: {command} does not exist" in capsys.readouterr().err
    assert not Path("broken").exists()


def test_a_list_of_images(image: np.ndarray, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):
        folder("x", image, f"{name}.tif")
    quick = words(output_dir="out", method="median", device="cpu")
    assert main(["infer", "--dataset_dir", "['x/a.tif', 'x/c.tif']", *quick]) == 0
    assert {path.name for path in Path("out").glob("*.tif")} == {"a_denoised.tif", "c_denoised.tif"}
    assert main(["infer", "--dataset_dir", "['x/a.tif', 'x/d.tif']", *quick]) == 1
    assert "`dataset_dir`: x/d.tif does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["2024", "plate#1", "true", "[1]", "1e5"])
def test_monais_own_command(name: str, image: np.ndarray, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(name, image, "a.tif")
    files = [str(path) for path in config_files("infer", "denoiseg_2d", "median")]
    given = ["--dataset_dir", name, f"--output_dir={name}/out", "--device", "cpu"]
    run_monai(monkeypatch, "run", "--config_file", str(files), *given)
    assert Path(name, "out", "a_denoised.tif").is_file()


# ---- what MONAI adds itself


def test_tracking(image: np.ndarray, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--tracking mlflow`` adds keys and handlers; a handler without MLflow stands in for its own."""
    from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

    folder("x", image, "a.tif")
    handler = {"_target_": "StatsHandler", "name": "tracked", "iteration_log": False}
    configs = DEFAULT_MLFLOW_SETTINGS["configs"] | {"trainer": handler, "validator": handler, "evaluator": handler}
    tracking = DEFAULT_MLFLOW_SETTINGS | {"configs": configs}
    run_bundle("infer", method="median", dataset_dir="x", output_dir="out", device="cpu", tracking=tracking)
    assert Path("out", "a_denoised.tif").is_file()
    assert list(Path("out").glob("config_*.json")), "MONAI keeps the configuration that ran"


def test_a_converted_bundle(image: np.ndarray, here: Path) -> None:
    yaml = pytest.importorskip("yaml")
    folder("x", image, "a.tif")
    Path("b/configs").mkdir(parents=True)
    config: dict[str, Any] = {}
    for path in config_files("infer", "denoiseg_2d", "median"):
        config |= json.loads(path.read_text("utf-8"))
    Path("b/configs/inference.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def start(**options: Any) -> ConfigWorkflow:
        options = {"dataset_dir": "x", "output_dir": "out", "device": "cpu", "logging_file": False, **options}
        workflow = ConfigWorkflow("b/configs/inference.yaml", workflow_type="infer", **options)
        workflow.initialize()
        return workflow

    start().run()
    assert Path("out", "a_denoised.tif").is_file()
    with pytest.raises(RuntimeError) as caught:
        start(filter_sise=5)
    assert "did you mean 'filter_size'?" in str(first_cause(caught.value))


def test_the_words_of_another_program_do_not_count(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "--dataset_dir", "elsewhere"])
    with pytest.raises(FileNotFoundError, match="gone does not exist"):
        run_bundle("infer", dataset_dir="gone")
