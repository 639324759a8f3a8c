"""The folder a server is started with."""

from __future__ import annotations

import errno
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.cli import main
from monai_denoiseg.label import write_app
from monai_denoiseg.label.results import served_bundles


def test_networks_find_their_bundle(networks: list[Path], tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", models=networks)
    for dims, source in zip((2, 3), networks, strict=True):
        assert (app / "model" / f"denoiseg_{dims}d" / "models" / "model.pt").read_bytes() == source.read_bytes()
    assert list(served_bundles(app / "model")) == ["denoiseg_2d", "denoiseg_3d"]
    assert list(served_bundles(app / "model", " denoiseg_3d ,")) == ["denoiseg_3d"]


def test_main_is_the_app(tmp_path: Path) -> None:
    found = runpy.run_path(str(write_app(tmp_path, ["denoiseg_2d"]) / "main.py"))["DenoiSegApp"]
    assert [base.__name__ for base in found.__bases__] in (["MONAILabelApp"], ["_Absent"])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        write_app(tmp_path)


def test_mistakes(networks: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`bundle` must be one of 'denoiseg_2d'"):
        write_app(tmp_path / "a", ["denoiseg_4d"])
    with pytest.raises(ValueError, match="network for 3 axes, but the bundles are denoiseg_2d"):
        write_app(tmp_path / "a", ["denoiseg_2d"], [networks[1]])
    with pytest.raises(FileNotFoundError, match="no trained network"):
        write_app(tmp_path / "a", models=[tmp_path / "none.pt"])
    with pytest.raises(ValueError, match="`bundles` is empty"):
        write_app(tmp_path / "a", [])
    assert not (tmp_path / "a").exists()
    with pytest.raises(ValueError, match="no bundle at all"):
        served_bundles(tmp_path)


def test_command(networks: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = tmp_path / "my_app"
    assert main(["label-app", str(app), "--bundles", "denoiseg_3d", "--models", str(networks[1])]) == 0
    assert capsys.readouterr().out.strip() == str(app)
    assert list(served_bundles(app / "model")) == ["denoiseg_3d"]
    assert (app / "model" / "denoiseg_3d" / "models" / "model.pt").is_file()
    assert main(["label-app", str(app)]) == 1
    assert "not empty" in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = shutil.copytree, []

    def full(*arguments: object, **options: object) -> None:
        real(*arguments, **options)
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OSError, match="o space left on"):
        write_app(tmp_path / "app")
    assert list(tmp_path.iterdir()) == []
    write_app(tmp_path / "app", ["denoiseg_2d"])


def test_a_full_disk_is_one_line_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `shutil` says it: the file that is read first, the one that is written second."""

    def full(source: Any, target: Any, **_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr("shutil.copy2", full)
    with pytest.raises(OSError, match=r"cannot write .*app/model/denoiseg_2d/configs/.*\.json: no space left on the disk"):
        write_app(tmp_path / "app", ["denoiseg_2d"])
    assert list(tmp_path.iterdir()) == []
