"""What a configuration calls first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser, ConfigWorkflow

from monai_denoiseg.bundle import user_settings
from monai_denoiseg.bundle.run import config_files
from monai_denoiseg.engines import explain_errors, first_cause

MONAI = "/venv/lib/monai/bundle/__main__.py"


def parse(task: str = "train", bundle: str = "denoiseg_2d", **overrides: Any) -> ConfigParser:
    config = json.loads(config_files(task, bundle)[0].read_text("utf-8"))
    parser = ConfigParser(config | overrides)
    parser.get_parsed_content("settings")
    return parser


def why(task: str = "train", **overrides: Any) -> str:
    with pytest.raises(RuntimeError) as caught:
        parse(task, **overrides)
    return str(first_cause(caught.value))


def test_plain_settings_only() -> None:
    found = parse(alpha=0.1, patch_size=[8, 8]).get_parsed_content("settings")
    assert {"alpha": 0.1, "patch_size": [8, 8], "seed": 0}.items() <= found.items()
    assert not {"device", "settings", "network_def", "output_dir"} & found.keys()
    assert json.loads(json.dumps(found)) == found


def test_values_are_put_right() -> None:
    parser = parse(tta="false", classes="background,tumour", n_labels="null")
    get = parser.get_parsed_content
    assert (get("tta"), get("classes"), get("n_labels")) == (False, ["background", "tumour"], None)
    assert get("calibrator#inferer").tta is False, "what refers to it sees the same"


def test_errors() -> None:
    assert why(alhpa=0.1) == "unknown key 'alhpa'; did you mean 'alpha'? (name helper keys of your own with a leading underscore)"
    assert why(alpha=1.5) == "`alpha` must be in [0, 1], got 1.5"
    assert why("infer", threshold=float("nan")) == "`threshold` must be in [0, 1], or null, got nan"


def test_only_from_a_configuration() -> None:
    with pytest.raises(RuntimeError, match="can only be called from a bundle configuration"):
        user_settings()


@pytest.mark.parametrize(
    ("typed", "read_as"), [("2024", 2024), ("true", True), ("[1]", [1]), ("plate#1", "plate#1"), ("1e5", 1e5), ("None", None)]
)
def test_paths_typed_after_monais_command(typed: str, read_as: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MONAI reads them as numbers, and leaves out ``None``."""
    monkeypatch.chdir(tmp_path)
    Path(typed).mkdir()
    monkeypatch.setattr(sys, "argv", [MONAI, "run", "--dataset_dir", typed, "--output_dir", f"out {typed}", "--seed", "2024"])
    given = {} if read_as is None else {"dataset_dir": read_as}
    get = parse(**given, output_dir=f"out {typed}", seed=2024).get_parsed_content
    assert (get("dataset_dir"), get("output_dir"), get("seed")) == (typed, f"out {typed}", 2024)
    assert get("settings")["dataset_dir"] == typed
    assert get("ckpt_dir") == f"out {typed}/models"


def test_expressions_typed_after_monais_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """There ``$`` means what it means everywhere in MONAI."""
    monkeypatch.setattr(sys, "argv", [MONAI, "run", "--output_dir", "$'a' + 'b'"])
    assert parse(output_dir="$'a' + 'b'").get_parsed_content("output_dir") == "ab"


def test_initialised_twice(tmp_path: Path) -> None:
    """MONAI's check of a bundle initialises a workflow again."""
    (tmp_path / "plate#1").mkdir()
    file = config_files("infer", "denoiseg_2d")[0]
    path = "$'" + str(tmp_path / "plate#1").replace("#", "\\x23") + "'"
    workflow = ConfigWorkflow(str(file), workflow_type="infer", logging_file=False, dataset_dir=path)
    for _ in range(2):
        workflow.initialize()
        assert workflow.parser.get_parsed_content("dataset_dir") == str(tmp_path / "plate#1")


@pytest.mark.parametrize("ending", ["json", "yaml", "yml"])
def test_a_bundle_of_ones_own(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A converted copy is checked like the original, and finds its own network."""
    yaml = pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b" / "configs").mkdir(parents=True)
    (tmp_path / "b" / "models").mkdir()
    (tmp_path / "b" / "models" / "model.pt").touch()
    config = json.loads(config_files("infer", "denoiseg_3d")[0].read_text("utf-8"))
    text = json.dumps(config) if ending == "json" else yaml.safe_dump(config, sort_keys=False)
    file = tmp_path / "b" / "configs" / f"inference.{ending}"
    file.write_text(text)

    def start(**overrides: Any) -> Any:
        workflow = ConfigWorkflow(str(file), workflow_type="infer", logging_file=False, dataset_dir=str(tmp_path), **overrides)
        workflow.initialize()
        return workflow.parser.get_parsed_content

    assert start()("model_file") == str(tmp_path / "b" / "models" / "model.pt")
    assert start()("output_dir") == "denoiseg_results"
    (tmp_path / "other.pt").touch()
    assert start(model_file=str(tmp_path / "other.pt"))("model_file") == str(tmp_path / "other.pt")
    with pytest.raises(RuntimeError) as caught:
        start(thresold=0.5)
    assert "did you mean 'threshold'?" in str(first_cause(caught.value))
    (tmp_path / "denoiseg_run" / "models").mkdir(parents=True)
    (tmp_path / "denoiseg_run" / "models" / "model.pt").touch()
    with pytest.raises(RuntimeError) as caught:
        start()("model_file")
    assert "`run` or `model_file` must say which network" in str(first_cause(caught.value))


def test_an_uncaught_error_ends_with_its_cause(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    explain_errors()
    hook = sys.excepthook
    explain_errors()
    assert sys.excepthook is hook, "set once"
    outer = RuntimeError("Failed to evaluate")
    outer.__cause__ = ValueError("the reason")
    hook(RuntimeError, outer, None)
    assert capsys.readouterr().err.split() == ["ValueError:", "the", "reason"]
    monkeypatch.setenv("DENOISEG_TRACEBACK", "1")
    hook(RuntimeError, outer, None)
    shown = capsys.readouterr().err
    assert "RuntimeError: Failed to evaluate" in shown and shown.rstrip().endswith("ValueError: the reason")
    hook(ValueError, ValueError("alone"), None)
    assert capsys.readouterr().err.count("alone") == 1
