"""The command line: a thin front, errors in one line."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

import monai_denoiseg.cli
from monai_denoiseg.bundle import folders
from monai_denoiseg.bundle.settings import config_of, settings_of
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
    (given,) = calls
    typed = {"dataset_dir": "a b", "seed": 3, "bundle_root": "here"}
    assert given == ((task, "denoiseg_2d", None), typed | ({"existing": None} if task == "train" else {}))


def test_an_error_is_one_line_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, line in [
        (["train", "--max_epoch", "5"], "ValueError: unknown key 'max_epoch'; did you mean 'max_epochs'?"),
        (["train", "--alpha", "1.5"], "ValueError: `alpha` must be in [0, 1], got 1.5"),
        (["infer", "--dataset_dir", f"{tmp_path}/gone"], f"FileNotFoundError: `dataset_dir`: {tmp_path}/gone does not exist"),
        (["infer", "image.tif"], "ValueError: expected --key value, got 'image.tif'; did you mean --dataset_dir image.tif?"),
        (
            ["infer", "--bundle", "self2seg", "a.tif"],
            "ValueError: expected --key value, got 'a.tif'; did you mean --image a.tif?",
        ),
        (["train", "--config_file", "a.json"], "ValueError: `config_file` is an option of `python -m monai.bundle run`"),
        (["evaluate", "--h", "x"], "ValueError: unknown key 'h'"),
        (["train", "--method", "noise2vod"], "ValueError: `method` must be one of"),
    ]:
        assert main([*words, *(["--output_dir", str(tmp_path / "out")] if "--dataset_dir" not in words else [])]) == 1
        said = capsys.readouterr()
        lines = said.err.strip().splitlines()
        assert len(lines) == 1, said.err
        assert lines[0].startswith(line)
        assert "Traceback" not in said.out
    assert not (tmp_path / "out").exists()


def test_the_traceback_is_shown_if_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["infer", "--dataset_dir", str(tmp_path / "gone"), "--traceback"]) == 1
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert said.rstrip().endswith("gone does not exist")


def test_logged_tracebacks_are_left_out_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MONAI's handlers log the traceback of an error that ends a training, and the command says the error anyway."""

    def fail(*words: Any, **options: Any) -> None:
        try:
            raise ValueError("the reason")
        except ValueError as error:
            logging.getLogger("ignite").exception("Exception: %s", error)
            raise

    monkeypatch.setattr(monai_denoiseg.cli, "run_bundle", fail)
    factory = logging.getLogRecordFactory()
    for switch, shown in (([], False), (["--traceback"], True)):
        caplog.clear()
        assert main(["train", *switch]) == 1
        assert ("Traceback" in caplog.text) is shown
        assert "Exception: the reason" in caplog.text
    assert logging.getLogRecordFactory() is factory


def test_stopped_by_the_user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*words: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(monai_denoiseg.cli, "run_bundle", stop)
    assert main(["infer"]) == 130
    assert capsys.readouterr().err.strip() == "stopped."


@pytest.mark.parametrize(("task", "bundle"), [("train", "denoiseg_2d"), ("infer", "denoiseg_3d"), ("infer", "self2seg")])
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_every_key(task: str, bundle: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([task, "--bundle", bundle, word]) == 0
    said = capsys.readouterr().out
    for name, setting in settings_of(config_of(task, bundle)).items():
        shown = re.search(rf"^  --{name}\s", said, re.MULTILINE) is not None
        assert shown is not setting.methods_only, name
    assert max(len(line) for line in said.splitlines()) <= 120
    assert main([task, "--bundle", bundle, "--method", {"train": "n2v2"}.get(task, "chan_vese"), word]) == 0
    assert ("--smoothness" in capsys.readouterr().out) is (bundle == "denoiseg_3d")


def test_help_shows_the_defaults_of_bundle_and_method(capsys: pytest.CaptureFixture[str]) -> None:
    for words, line in [
        (["--help", "min_size"], "default: 15"),
        (["--bundle", "denoiseg_3d", "--help", "min_size"], "default: 100"),
        (["--method", "noise2void", "--help", "alpha"], "default: 1.0"),
        (["--help", "patch_size"], 'example: --patch_size "[64, 64]"'),
        (["--help", "n_labels"], "null: keep all"),
        (["--help", "--learning-rate"], "value: 'auto', or a number in (0, 1]"),
        (["--learning_rate", "--help"], "value: 'auto', or a number in (0, 1]"),
    ]:
        assert main(["train", *words]) == 0
        assert line in capsys.readouterr().out
    assert main(["train", "--help", "patchsize"]) == 1
    assert "unknown key 'patchsize'; did you mean 'patch_size'?" in capsys.readouterr().err


def test_version_keys_and_methods(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"monai_denoiseg {monai_denoiseg.__version__}"
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"--method noise2void\s+denoising only", said)
    assert "infer --bundle self2seg:" in said
    assert main(["keys", "--task", "train"]) == 0
    said = capsys.readouterr().out
    assert "--alpha" in said
    assert "--threshold_for" not in said
    assert main(["keys", "--bundle", "self2seg", "--markdown"]) == 0
    assert "| `lambda` | `0.02` | a number in [0, inf), or null |" in capsys.readouterr().out


def test_check_looks_without_training(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("monai_denoiseg.bundle.check.check_training", lambda *words: calls.append(words) or "all well")
    assert main(["check", "--dataset_dir", "2024", "--max_epochs", "3", "--bundle", "denoiseg_3d", "--method", "n2v2"]) == 0
    assert calls == [("denoiseg_3d", "n2v2", {"dataset_dir": "2024", "max_epochs": 3})]
    assert capsys.readouterr().out.strip() == "all well"


def test_switches_and_paths_reach_the_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(monai_denoiseg.cli, "run_bundle", lambda *words, **options: calls.append(options))
    assert main(["train", "--resume", "--dataset_dir", "2024", "--seed", "-1", "--output_dir", "$HOME"]) == 0
    assert main(["infer", "--run", "007", "--tta", "false", "--dataset_dir", "['a.tif', 'b.tif']"]) == 0
    assert calls == [
        {"resume": True, "dataset_dir": "2024", "seed": -1, "output_dir": "$HOME", "existing": None},
        {"run": "007", "tta": False, "dataset_dir": ["a.tif", "b.tif"]},
    ]


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
    monkeypatch.setattr("monai_denoiseg.demo.run_demo", lambda *args, small: calls.append(args))
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
        (("train", "denoiseg_2d", "sequential"), {"max_epochs": 3, "existing": None}),
        (("infer", "denoiseg_3d", "median"), {}),
        (("infer", "self2seg", "noise2fast"), {"image": "a.tif", "lambda": 0.1}),
    ]
