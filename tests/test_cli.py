"""The command line: a thin front, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import monai_denoiseg.cli
from monai_denoiseg.bundle import folders
from monai_denoiseg.cli import main, parse_overrides, run_bundle


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1", -1),
        ("1e-3", 1e-3),
        ("[16, 16]", [16, 16]),
        ("true", True),
        ("False", False),
        ("none", None),
        ("null", None),
        ("off", "off"),
        ("my images/a,b", "my images/a,b"),
        ("'5'", "5"),
        ("$@alpha", "$@alpha"),
        ("", ""),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert parse_overrides(["--key", text]) == {"key": value}
    assert parse_overrides([f"--key={text}"]) == {"key": value}
    assert type(parse_overrides(["--key", text])["key"]) is type(value)


@pytest.mark.parametrize(
    ("words", "message"), [(["alpha", "1"], "expected --key value, got 'alpha'"), (["--alpha"], "--alpha needs")]
)
def test_words_that_are_no_settings(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_overrides(words)


@pytest.mark.parametrize("task", ["train", "infer", "evaluate"])
def test_tasks_and_settings_reach_the_bundle(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(monai_denoiseg.cli, "run_bundle", lambda *args, **kwargs: calls.append((args, kwargs)))
    assert main([task, "--dataset_dir", "a b", "--seed", "3", "--bundle_root=here"]) == 0
    assert calls == [((task, "denoiseg_2d", None), {"dataset_dir": "a b", "seed": 3, "bundle_root": "here"})]


def test_an_error_is_one_line_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--max_epoch", "5", "--output_dir", str(tmp_path)]) == 1
    assert (
        capsys.readouterr()
        .err.strip()
        .splitlines()[-1]
        .startswith("ValueError: unknown key 'max_epoch'; did you mean 'max_epochs'?")
    )
    assert main(["infer", "--dataset_dir", str(tmp_path / "gone"), "--output_dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"FileNotFoundError: {tmp_path / 'gone'} does not exist"


def test_simulate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", str(tmp_path / "cells"), "--n_images", "3", "--n_labelled", "1", "--shape", "16", "20", "--seed", "4"]
    assert main(words) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "cells")
    assert len(list((tmp_path / "cells" / "images").iterdir())) == 3
    assert json.loads((tmp_path / "cells" / "settings.json").read_text())["shape"] == [16, 20]
    assert main([*words[:-1], "5"]) == 1
    assert capsys.readouterr().err.strip().startswith("FileExistsError")


def test_report_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "gone")]) == 1
    assert "gone" in capsys.readouterr().err


def test_demo_hands_its_settings_on(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("monai_denoiseg.demo.run_demo", lambda *args: calls.append(args))
    assert main(["demo", "--output", "here", "--max_epochs", "1"]) == 0
    assert calls == [("here", 0, {"max_epochs": 1})]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["segment"],
        ["simulate"],
        ["simulate", "a", "--n_image_s", "3"],
        ["train", "--bundle", "x"],
        ["train", "--bundle", "self2seg"],
        ["evaluate", "--bundle", "self2seg"],
    ],
)
def test_wrong_use(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: monai-denoiseg" in capsys.readouterr().err


def test_unknown_task_and_bundle() -> None:
    with pytest.raises(ValueError, match="`task` must be one of"):
        run_bundle("inference")
    with pytest.raises(ValueError, match="`bundle` must be one of"):
        run_bundle("train", "denoiseg_4d")


def test_a_wheel_holds_the_bundle_within_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "monai_denoiseg"
    monkeypatch.setattr(folders, "__file__", str(package / "bundle" / "folders.py"))
    assert folders.bundle_folder("denoiseg_2d") == package / "bundles" / "denoiseg_2d"


def test_a_method_reaches_the_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple] = []
    monkeypatch.setattr(monai_denoiseg.cli, "run_bundle", lambda *words, **options: calls.append((words, options)))
    assert main(["train", "--method", "sequential", "--max_epochs", "3"]) == 0
    assert main(["infer", "--method", "median", "--bundle", "denoiseg_3d"]) == 0
    assert main(["infer", "--bundle", "self2seg", "--method", "noise2fast", "--image", "a.tif", "--lambda", "0.1"]) == 0
    assert calls == [
        (("train", "denoiseg_2d", "sequential"), {"max_epochs": 3}),
        (("infer", "denoiseg_3d", "median"), {}),
        (("infer", "self2seg", "noise2fast"), {"image": "a.tif", "lambda": 0.1}),
    ]
