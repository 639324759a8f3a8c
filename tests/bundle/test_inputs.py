"""A workflow can be built and looked at before images are named; its run says that they are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import create_workflow

from monai_denoiseg.bundle import bundle_folder, need_images, run_bundle
from monai_denoiseg.bundle.inputs import evaluation_data, inference_data
from monai_denoiseg.engines import first_cause


@pytest.mark.parametrize(
    ("bundle", "config"), [("denoiseg_2d", "inference"), ("denoiseg_2d", "evaluate"), ("self2seg", "inference")]
)
def test_properties_without_images(bundle: str, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(bundle_folder(bundle) / "configs" / f"{config}.json")
    workflow = create_workflow(config_file=file, workflow_type="infer", device="cpu", output_dir=str(tmp_path / "out"))
    assert workflow.check_properties() == []
    with pytest.raises(RuntimeError) as caught:
        workflow.run()
    with pytest.raises(FileNotFoundError, match=r"no images?.* pass --"):
        raise first_cause(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["infer", "evaluate"])
def test_a_run_without_images(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError) as caught:
        run_bundle(task, "denoiseg_2d")
    with pytest.raises(FileNotFoundError, match=r"no images are named: pass --dataset_dir \(denoiseg_run.simulated"):
        raise first_cause(caught.value)


@pytest.mark.parametrize("listed", [inference_data, evaluation_data])
def test_a_folder_that_was_named_must_be_there(listed: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not_there"):
        listed(tmp_path / "not_there")
    assert listed(tmp_path / "simulated") == []
    need_images([{"image": "a.tif"}], "folder")
