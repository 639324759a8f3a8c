"""Where a run writes, and which network an inference takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_denoiseg.bundle.folders import (
    bundle_folder,
    came_with_package,
    checkpoint_folder,
    model_file,
    results_folder,
    run_folder,
    trained_in,
)
from monai_denoiseg.networks import load_network


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(path: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return file


def test_without_a_bundle_root_all_goes_to_the_working_folder() -> None:
    assert (run_folder(), checkpoint_folder("denoiseg_run"), results_folder()) == (
        "denoiseg_run",
        str(Path("denoiseg_run/models")),
        "denoiseg_results",
    )


def test_with_one_all_goes_there() -> None:
    assert run_folder("b") == str(Path("b/output"))
    assert checkpoint_folder("anywhere", "b") == str(Path("b/models"))
    assert results_folder("b") == str(Path("b/output/predictions"))


def test_the_shipped_network_is_the_last_choice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    shipped = bundle_folder("denoiseg_2d") / "models" / "model.pt"
    assert model_file("denoiseg_2d") == str(shipped)
    assert f"network: {shipped} (came with the package)" in caplog.text


def test_a_training_lying_about_has_to_be_named() -> None:
    touch("denoiseg_run/models/model.pt")
    with pytest.raises(ValueError, match=r"`run` or `model_file` must say which.*--run denoiseg_run .*--model_file .*model\.pt"):
        model_file("denoiseg_2d")
    with pytest.raises(ValueError, match=r"--run denoiseg_run .*--model_file PATH is another"):
        model_file("denoiseg_3d")
    assert Path(model_file("denoiseg_2d", run_dir="denoiseg_run")) == Path("denoiseg_run/models/model.pt")
    assert Path(model_file("denoiseg_2d", bundle_root="b")) == Path("b/models/model.pt")


def test_no_network_at_all() -> None:
    """None came with the 3D bundle; MONAI's checks of a bundle build the network without its weights, so loading says it."""
    with pytest.raises(FileNotFoundError, match=r"no trained network .*denoiseg_3d.*: train first.*--run or --model_file"):
        load_network(model_file("denoiseg_3d"))


@pytest.mark.parametrize("place", ["r/models/model.pt", "r/model.pt"])
def test_the_network_of_a_run(place: str) -> None:
    assert trained_in("r" if touch(place) else "") == Path(place)


def test_a_run_without_network() -> None:
    touch("r/settings.json")
    with pytest.raises(FileNotFoundError, match=r"`run` r holds no network .*has its training validated yet"):
        trained_in("r")
    with pytest.raises(FileNotFoundError, match="`run` missing does not exist"):
        trained_in("missing")


def test_what_came_with_the_package(tmp_path: Path) -> None:
    shipped = bundle_folder("denoiseg_2d") / "models" / "model.pt"
    assert came_with_package(shipped)
    (tmp_path / "link").symlink_to(shipped.parent)
    assert came_with_package(tmp_path / "link" / "model.pt")
    shutil.copy(shipped, tmp_path / "model.pt")
    assert not came_with_package(tmp_path / "model.pt")
