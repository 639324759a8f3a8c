"""A damaged network counts as none: the other bundles and a restart of the server do not suffer from it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_denoiseg.label.api import INSTALLED
from monai_denoiseg.label.app import DenoiSegApp
from monai_denoiseg.label.bundles import bundle_channels, damaged_model, defaults, label_names, model_file, model_problem
from monai_denoiseg.label.study_tasks import trained_bundle
from monai_denoiseg.networks import DenoiSegNet

from .conftest import TINY, WAY_OUT, Study

installed = pytest.mark.skipif(not INSTALLED, reason=WAY_OUT)
pytestmark = pytest.mark.filterwarnings("ignore")


def damage(app: Path, kind: str, bundle: str = "denoiseg_2d") -> Path:
    path = model_file(app / "model" / bundle)
    if kind == "text":
        path.write_text("hello")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-500])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "other":
        torch.save({"weight": torch.ones(3)}, path)
    elif kind == "other axes":
        other = "denoiseg_3d" if bundle == "denoiseg_2d" else "denoiseg_2d"
        shutil.copy(model_file(app / "model" / other), path)
    return path


KINDS = ["text", "truncated", "empty", "other", "other axes"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_network_counts_as_none(app: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    path = damage(app, kind)
    bundle = app / "model" / "denoiseg_2d"
    assert str(path) in model_problem(bundle)
    assert damaged_model(bundle) == model_problem(bundle)
    assert caplog.text.count("denoiseg_2d counts as not trained") == 1
    assert label_names(bundle) == {"object": 1}
    assert bundle_channels(bundle) == 1
    assert trained_bundle({"denoiseg_2d": bundle}) is None
    assert trained_bundle({"denoiseg_2d": bundle, "denoiseg_3d": app / "model" / "denoiseg_3d"}) == app / "model" / "denoiseg_3d"


def test_a_network_in_the_wrong_bundle_is_told_where_it_belongs(app: Path) -> None:
    damage(app, "other axes", "denoiseg_3d")
    text = model_problem(app / "model" / "denoiseg_3d")
    assert "images of 2 axes, but this bundle is for 3: it belongs into the bundle denoiseg_2d" in text


def test_a_network_that_is_put_back_counts_again(app: Path, networks: list[Path]) -> None:
    path = damage(app, "text")
    assert model_problem(app / "model" / "denoiseg_2d")
    shutil.copy(networks[0], path)
    assert model_problem(app / "model" / "denoiseg_2d") == ""


def test_channels_of_the_network(app: Path) -> None:
    torch.save(DenoiSegNet(2, depth=1, features=4, in_channels=3).state_dict(), model_file(app / "model" / "denoiseg_2d"))
    bundle = app / "model" / "denoiseg_2d"
    assert (bundle_channels(bundle), bundle_channels(bundle, pretrained=False)) == (3, 1)


def test_settings_that_are_no_json_are_named(app: Path) -> None:
    (app / "model" / "denoiseg_2d" / "configs" / "train.json").write_text("{")
    with pytest.raises(ValueError, match=r"train\.json is no JSON"):
        defaults(app / "model" / "denoiseg_2d", "train")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts the app as a server does."""
    from monailabel.config import settings

    for name in ("MONAI_LABEL_DATASTORE_AUTO_RELOAD", "MONAI_LABEL_AUTO_UPDATE_SCORING", "MONAI_LABEL_SESSIONS"):
        monkeypatch.setattr(settings, name, False)
    return lambda app, study: DenoiSegApp(str(app), str(study.folder), {})


@installed
@pytest.mark.parametrize("kind", ["text", "other axes"])
def test_the_server_starts_and_the_rest_works(app: Path, study: Study, start: Any, kind: str) -> None:
    from fastapi import HTTPException

    path = damage(app, kind)
    running = start(app, study)
    info = running.info()
    assert str(path) in info["problems"]["denoiseg_2d"]
    assert "denoiseg_2d" not in info["models"]
    assert "denoiseg_3d" in info["models"]
    with pytest.raises(HTTPException) as caught:
        running.infer({"model": "denoiseg_2d", "image": "plane3", "device": "cpu"})
    assert (caught.value.status_code, str(path) in str(caught.value.detail)) == (404, True)
    found = running.next_sample({"strategy": "uncertainty"})
    assert (found["id"] in study.waiting, found["note"]) == (True, "no network that reads it is trained yet: chosen at random")
    assert running.next_sample({"strategy": "uncertainty", "model": "denoiseg_3d"}) == {}
    assert "note" in running.scoring({"method": "denoiseg_2d"})
    options = {"experts": "constant", "lam": 0.01, "time_budget": 1}
    assert running.infer({"model": "self2seg_2d", "image": "plane3", **options})["file"]


@installed
def test_training_replaces_a_damaged_network_and_keeps_it(app: Path, study: Study, start: Any) -> None:
    path = damage(app, "text")
    start(app, study).train({"model": "denoiseg_2d", **TINY, "max_epochs": 1})
    assert model_problem(app / "model" / "denoiseg_2d") == ""
    assert path.with_name("model.1.pt").read_text() == "hello"


@installed
def test_damaged_files_stop_neither_strategies_nor_training(app: Path, study: Study, start: Any, caplog: Any) -> None:
    """And no thread stays behind from training to training."""
    for name in ("a.nii.gz", "b.tif", "c.png"):
        (study.folder / name).write_bytes(b"")
    (study.folder / "labels" / "final" / "plane1.tif").write_bytes(b"hello")
    running = start(app, study)
    for strategy in ("random", "uncertainty", "blind_spot"):
        assert running.next_sample({"strategy": strategy})["id"] in study.waiting
    for model in app.glob("model/*/models/model.pt"):
        model.unlink()
    assert running.next_sample({"strategy": "random"})["id"] in study.waiting
    caplog.set_level("INFO")
    running.train({"model": "denoiseg_2d", **TINY, "max_epochs": 1})
    assert "study: 8 images, 1 annotated" in caplog.text
    assert all(name in caplog.text for name in ("a.nii.gz", "b.tif", "c.png", "label plane1.tif"))
    threads = threading.active_count()
    running.train({"model": "denoiseg_2d", **TINY, "max_epochs": 1})
    assert threading.active_count() <= threads
    assert not [thread for thread in threading.enumerate() if "EventLogger" in type(thread).__name__]


@installed
def test_an_image_no_bundle_can_take_is_never_offered(app: Path, study: Study, start: Any) -> None:
    """Its header is right and its pixels are missing, so that only reading it tells."""
    for name in study.waiting:
        path = study.folder / f"{name}.tif"
        path.write_bytes(path.read_bytes()[:-2000])
    running = start(app, study)
    for strategy in ("random", "uncertainty"):
        assert running.next_sample({"strategy": strategy}) == {}
