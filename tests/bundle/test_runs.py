"""A training's folder: one training at a time, never over a finished one, never over what came with the package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.bundle.runs import RunFolder


def take(folder: Path, **options: Any) -> RunFolder:
    return RunFolder(folder / "run", folder / "run" / "models", **options)


def leave_training(folder: Path, epoch: int = 4, finished: bool = True) -> None:
    models = folder / "run" / "models"
    models.mkdir(parents=True)
    state = {name: {} for name in ("network", "optimizer", "rng")} | {"epoch": epoch, "iteration": 9, "max_epochs": 4}
    torch.save(state, models / "last.pt")
    (folder / "run" / "settings.json").write_text(json.dumps({"finished": finished}))


def test_a_free_folder_is_made_and_left_free(tmp_path: Path) -> None:
    for _ in range(2):
        run = take(tmp_path / "new")
        assert (tmp_path / "new" / "run" / "models").is_dir()
        run.release()
        assert list(tmp_path.iterdir()) == [], "a training that came to nothing leaves nothing"


@pytest.mark.parametrize(("finished", "word"), [(True, "finished"), (False, "stopped")])
def test_an_earlier_training_is_never_trained_over(tmp_path: Path, finished: bool, word: str) -> None:
    leave_training(tmp_path, finished=finished)
    with pytest.raises(FileExistsError, match=rf"a {word} training lies in .*--resume true.*--existing rename.*--output_dir"):
        take(tmp_path)
    take(tmp_path, existing="rename").release()
    take(tmp_path, bundle_root=tmp_path).release()  # servers train again and again


def test_a_network_alone_is_an_earlier_training_too(tmp_path: Path) -> None:
    (tmp_path / "run" / "models").mkdir(parents=True)
    (tmp_path / "run" / "models" / "model.pt").touch()
    with pytest.raises(FileExistsError, match="a stopped training"):
        take(tmp_path)


def test_resume_of_a_finished_run(tmp_path: Path) -> None:
    leave_training(tmp_path)
    for length in (None, 4):
        with pytest.raises(ValueError, match=r"is finished \(4 of 4 epochs\): extend it with a larger --max_epochs"):
            take(tmp_path, resume=True, max_epochs=length)
    take(tmp_path, resume=True, max_epochs=6).release()


def test_a_run_stopped_in_its_last_calibration_can_go_on(tmp_path: Path) -> None:
    leave_training(tmp_path, finished=False)
    take(tmp_path, resume=True, max_epochs=4).release()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    leave_training(tmp_path)
    (tmp_path / "run" / "models" / "last.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"last\.pt is damaged or no checkpoint .*--existing rename"):
        take(tmp_path, resume=True)


def test_a_foreign_file_is_no_checkpoint(tmp_path: Path) -> None:
    leave_training(tmp_path)
    torch.save({"network": {}}, tmp_path / "run" / "models" / "last.pt")
    with pytest.raises(ValueError, match=r"no checkpoint of a training \(epoch, iteration, max_epochs, optimizer, rng"):
        take(tmp_path, resume=True)


def test_what_came_with_the_package_is_not_trained_over(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="came with the package and is not overwritten"):
        RunFolder(tmp_path, bundle_folder("denoiseg_2d") / "models", existing="rename")


def test_two_trainings_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from monai_denoiseg.bundle.runs import RunFolder\n"
        f"run = RunFolder({str(tmp_path / 'run')!r}, {str(tmp_path / 'run' / 'models')!r})\n"
        "print('taken', flush=True); sys.stdin.read()"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "taken\n"
        with pytest.raises(RuntimeError, match=rf"another training \(pid {other.pid}"):
            take(tmp_path)
        other.communicate("")
    take(tmp_path).release()


def test_an_error_leaves_the_folder_free(tmp_path: Path) -> None:
    leave_training(tmp_path)
    with pytest.raises(FileExistsError):
        take(tmp_path)
    taken = take(tmp_path, existing="rename")
    del taken  # a run that ended in an error: nobody called release
    take(tmp_path, existing="rename").release()


def test_finish_is_noted_beside_the_rest(tmp_path: Path) -> None:
    leave_training(tmp_path, finished=False)
    run = take(tmp_path, resume=True, max_epochs=4)
    assert not run.finished()
    run.finish()
    assert run.finished()
    run.release()


def test_rename_keeps_all_that_the_earlier_run_left(tmp_path: Path) -> None:
    leave_training(tmp_path)
    (tmp_path / "run" / "panels").mkdir()
    (tmp_path / "run" / "panels" / "epoch_0001.png").touch()
    take(tmp_path, existing="rename").release()
    assert json.loads((tmp_path / "run" / "settings.1.json").read_text()) == {"finished": True}
    assert (tmp_path / "run" / "panels.1" / "epoch_0001.png").is_file()
    assert [path.name for path in (tmp_path / "run" / "models").iterdir()] == ["last.1.pt"], "no old network for the new run"
