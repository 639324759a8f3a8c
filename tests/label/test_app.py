"""The app's classes against the interfaces of MONAI Label they implement, without a server."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.label.answers import status_of, told
from monai_denoiseg.label.api import HELP, INSTALLED
from monai_denoiseg.label.app import DenoiSegApp
from monai_denoiseg.label.infer_tasks import BundleTask
from monai_denoiseg.label.results import read_labels, read_stats
from monai_denoiseg.label.study_tasks import candidates, measures_of, trained_bundle

from .conftest import TINY, WAY_OUT, Study

installed = pytest.mark.skipif(not INSTALLED, reason=WAY_OUT)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def running(app: Path, study: Study, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The app as a server makes it, without its watching of folders and calls to itself."""
    from monailabel.config import settings

    monkeypatch.setattr(settings, "MONAI_LABEL_DATASTORE_AUTO_RELOAD", False)
    monkeypatch.setattr(settings, "MONAI_LABEL_AUTO_UPDATE_SCORING", False)
    monkeypatch.setattr(settings, "MONAI_LABEL_SESSIONS", False)
    return DenoiSegApp(str(app), str(study.folder), {})


def http_error(call: Any) -> tuple[int, str]:
    from fastapi import HTTPException

    with pytest.raises(HTTPException) as caught:
        call()
    return caught.value.status_code, str(caught.value.detail)


@pytest.mark.skipif(INSTALLED, reason="MONAI Label is installed")
def test_without_monai_label_the_way_out_is_said(app: Path) -> None:
    with pytest.raises(ImportError, match="make label-env"):
        DenoiSegApp(str(app), "studies", {})
    assert "make label-env" in HELP


def test_errors_of_a_client_and_of_the_server() -> None:
    wrapped = RuntimeError("failed to run")
    wrapped.__cause__ = ValueError("`alpha` must be in [0, 1]")
    assert status_of(wrapped) == (400, "`alpha` must be in [0, 1]")
    assert status_of(FileNotFoundError("x"))[0] == status_of(LookupError("x"))[0] == 404
    for error in (KeyError("x"), ZeroDivisionError()):
        assert status_of(error)[0] is None
    with pytest.raises(ZeroDivisionError):
        told(lambda: 1 / 0)


def test_which_bundle_measures(app: Path) -> None:
    bundles = {name: app / "model" / name for name in ("denoiseg_2d", "denoiseg_3d")}
    assert trained_bundle(bundles, "denoiseg_3d") == bundles["denoiseg_3d"]
    (bundles["denoiseg_2d"] / "models" / "model.pt").touch()
    assert trained_bundle(bundles) == bundles["denoiseg_2d"]
    with pytest.raises(ValueError, match="`model` must be one of"):
        trained_bundle(bundles, "other")
    with pytest.raises(ValueError, match="`measures` must be one of"):
        measures_of({"measures": ["speed"]})


@installed
def test_every_method_of_the_interfaces_is_there(running: Any) -> None:
    from monailabel.interfaces.tasks.infer_v2 import InferTask
    from monailabel.interfaces.tasks.scoring import ScoringMethod
    from monailabel.interfaces.tasks.strategy import Strategy
    from monailabel.interfaces.tasks.train import TrainTask

    groups = {InferTask: running._infers, TrainTask: running._trainers, Strategy: running._strategies}
    for interface, tasks in {**groups, ScoringMethod: running._scoring_methods}.items():
        assert tasks
        assert all(isinstance(task, interface) for task in tasks.values())  # abstract ones cannot be made
    info = running.info()
    assert info["models"]["denoiseg_2d"]["labels"] == {"object": 1}
    assert running.model_info("denoiseg_2d")["checksum"].startswith("SHA256:")


@installed
def test_untrained_models_are_not_listed(app: Path, running: Any) -> None:
    for path in app.glob("model/*/models/model.pt"):
        path.unlink()
    assert set(running.info()["models"]) == {"self2seg_2d", "self2seg_scribbles_2d", "self2seg_3d", "self2seg_scribbles_3d"}
    status, text = http_error(lambda: running.infer({"model": "denoiseg_2d", "image": "plane3", "device": "cpu"}))
    assert (status, "denoiseg_2d is not trained yet" in text) == (404, True)
    found = running.next_sample({"strategy": "uncertainty"})
    assert "no network is trained yet" in found["note"]


@installed
def test_a_saved_result_is_a_label_of_the_image(running: Any, study: Study) -> None:
    request = {"model": "denoiseg_2d", "image": "plane3", "device": "cpu", "save_label": True, "label_tag": "original"}
    running.infer(request)
    saved = running.datastore().get_label_uri("plane3", "original")
    assert read_labels(saved).shape == (48, 40)
    assert running.datastore().get_label_info("plane3", "original")["params"]["label_names"]["object 1"] == 1


@installed
def test_training_and_reload_in_process(running: Any, app: Path) -> None:
    task: BundleTask = running._infers["denoiseg_2d"]
    before = Path(str(task.get_path())).read_bytes()
    running.train({"model": "denoiseg_2d", **TINY})
    assert Path(str(task.get_path())).read_bytes() != before
    assert running.info()["train_stats"]["denoiseg_2d"] == read_stats(app / "model" / "denoiseg_2d" / "train_stats.json")
    assert http_error(lambda: running.train({"model": "denoiseg_2d", "val_split": 3}))[0] == 400


@installed
def test_strategy_until_nothing_is_left(running: Any, study: Study) -> None:
    store = running.datastore()
    left = set(study.waiting)
    while left:
        found = running.next_sample({"strategy": "uncertainty", "model": "denoiseg_2d"})
        left.remove(found["id"])
        label = study.folder / "labels" / "final" / "plane0.tif"
        store.save_label(found["id"], str(label), "final", {})
    assert running.next_sample({"strategy": "uncertainty"}) == {}


@installed
def test_outlines_in_a_region(running: Any) -> None:
    request = {"model": "denoiseg_2d", "image": "plane3", "device": "cpu", "output": "json", "min_poly_area": 0}
    whole = running.infer_wsi({**request, "location": [0, 0], "size": [0, 0]})["params"]["annotations"][0]["annotation"]
    part = running.infer_wsi({**request, "location": [0, 0], "size": [20, 24]})["params"]["annotations"][0]["annotation"]
    contours = whole["elements"][0]["contours"]
    inside = [c for c in contours if np.mean(c, 0)[0] < 20 and np.mean(c, 0)[1] < 24]
    assert 0 < len(inside) < len(contours)
    assert part["elements"][0]["contours"] == inside
    status, text = http_error(lambda: running.infer_wsi({**request, "model": "denoiseg_3d"}))
    assert (status, "there are denoiseg_2d, self2seg_2d" in text) == (404, True)


@installed
def test_labels_of_qupath_and_slicer_are_trained_on(running: Any, study: Study, tmp_path: Path, caplog: Any) -> None:
    from .test_outlines import Outline, asap, square

    store = running.datastore()
    store.save_label("plane5", str(asap(tmp_path / "q.xml", Outline("cell", square(5, 20)))), "final", {})
    values = np.zeros((48, 40), np.uint8)
    values[4:9, 4:9], values[20:] = 1, 2
    tifffile.imwrite(tmp_path / "s.tif", values)
    info = {"label_info": [{"name": "cell", "idx": 1}, {"name": "not annotated", "idx": 2}]}
    store.save_label("plane6", str(tmp_path / "s.tif"), "final", info)
    with caplog.at_level("INFO"):
        running.train({"model": "denoiseg_2d", **TINY, "val_split": 0})
    assert "study: 8 images, 4 annotated; training on 8 (4 annotated)" in caplog.text


@installed
def test_files_that_are_no_images_do_not_disturb(running: Any, study: Study) -> None:
    (study.folder / "notes.xml").write_text("<a/>")
    running.datastore().refresh()
    assert "notes" in running.datastore().list_images()
    assert set(candidates(running.datastore(), None, {})) == set(study.waiting)
    assert running.bundle_path(None) is None
    assert running.on_save_label("plane0", "plane0") == {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert running.scoring({"method": "denoiseg_2d"})["images"] == 6
