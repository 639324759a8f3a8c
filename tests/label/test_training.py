"""Training on a study: what is used, what is published, when it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.label.bundles import model_file
from monai_denoiseg.label.predict import predict_file
from monai_denoiseg.label.results import read_stats
from monai_denoiseg.label.study import split_study, study_items
from monai_denoiseg.label.training import Progress, publish_model, same_network, train_on_study, training_settings
from monai_denoiseg.networks import DenoiSegNet

from .conftest import AFFINE, TINY, FakeDatastore, Study, write_volume
from .test_study import datastore

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL: dict[str, Any] = {**TINY, "patch_size": [16, 16], "amp": "off"}


def train(app: Path, study: Study, folder: Path, **options: Any) -> tuple[Path, dict[str, Any]]:
    bundle = app / "model" / "denoiseg_2d"
    training, validation = split_study(study_items(datastore(study), folder / "labels"))
    return bundle, train_on_study(bundle, training, validation, folder, **{**SMALL, **options})


def test_all_images_are_trained_on_and_the_network_is_published(app: Path, study: Study, tmp_path: Path) -> None:
    before = model_file(app / "model" / "denoiseg_2d").read_bytes()
    bundle, found = train(app, study, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert record["data"] == {"train": 8, "train_labelled": 2, "validation": 2, "validation_labelled": 2}
    assert found["epoch"] == 2
    assert model_file(bundle).read_bytes() == (tmp_path / "run" / "model.pt").read_bytes() != before
    assert (bundle / "models" / "model.previous.pt").read_bytes() == before
    stats = read_stats(bundle / "train_stats.json")
    assert (stats["epoch"], stats["total_epochs"]) == (2, 2)
    assert "total_time" in stats


def test_it_goes_on_from_the_network(app: Path, study: Study, tmp_path: Path) -> None:
    start = torch.load(model_file(app / "model" / "denoiseg_2d"))
    bundle, _ = train(app, study, tmp_path / "on", learning_rate=1e-12)
    after = torch.load(model_file(bundle))
    torch.testing.assert_close(after["unet.head.weight"], start["unet.head.weight"], atol=1e-6, rtol=0)
    fresh, _ = train(app, study, tmp_path / "fresh", pretrained=False, learning_rate=1e-12, depth=1, features=4)
    assert not torch.allclose(torch.load(model_file(fresh))["unet.head.weight"], start["unet.head.weight"], atol=1e-3)


def test_an_image_without_label_teaches(app: Path, study: Study, tmp_path: Path) -> None:
    """The same training with other pixels in the images nobody annotated ends with other weights."""
    bundle, _ = train(app, study, tmp_path / "a", pretrained=False, depth=1, features=4, seed=1)
    first = torch.load(model_file(bundle))["unet.head.weight"]
    for name in study.waiting:
        (study.folder / f"{name}.tif").write_bytes((study.folder / "plane0.tif").read_bytes())
    train(app, study, tmp_path / "b", pretrained=False, depth=1, features=4, seed=1)
    assert not torch.equal(torch.load(model_file(bundle))["unet.head.weight"], first)


def test_time_is_over(app: Path, study: Study, tmp_path: Path) -> None:
    bundle, found = train(app, study, tmp_path / "run", max_epochs=1000, max_seconds=0.001)
    assert found["epoch"] == 1
    assert read_stats(bundle / "train_stats.json")["total_epochs"] == 1000


def test_time_is_over_within_an_epoch(tmp_path: Path) -> None:
    trainer, validated = Engine(lambda engine, batch: None), []
    evaluator: Any = Evaluator("cpu", [0], iteration_update=lambda engine, batch: validated.append(engine.state.epoch))
    progress = Progress(tmp_path / "stats.json", max_seconds=1000)
    progress.attach(trainer, evaluator)

    @trainer.on(
        Events.ITERATION_COMPLETED(once=14),
    )
    def pass_time(engine: Engine) -> None:
        progress.start -= 1000

    trainer.run(range(10), max_epochs=5)
    assert 14 <= trainer.state.iteration <= 15
    assert validated == [2]
    assert read_stats(progress.path)["epoch"] == 2


@pytest.mark.parametrize("limit", [{"max_epochs": 1000, "max_seconds": 0.001}, {"max_epochs": 1}])
def test_an_end_before_the_first_validation_gives_a_network(
    app: Path, study: Study, tmp_path: Path, limit: dict[str, Any]
) -> None:
    model_file(app / "model" / "denoiseg_2d").unlink()
    bundle, found = train(app, study, tmp_path / "run", depth=1, features=4, val_interval=5, **limit)
    assert found["epoch"] == 1
    assert model_file(bundle).is_file()


def test_progress_is_written_and_published_each_epoch(tmp_path: Path) -> None:
    seen: list[int] = []
    evaluator: Any = Engine(lambda engine, batch: None)
    progress = Progress(tmp_path / "a" / "stats.json", publish=lambda: seen.append(read_stats(progress.path).get("epoch", 0)))
    trainer = Engine(lambda engine, batch: None)
    progress.attach(trainer, evaluator)
    for value in (0.5, float("nan"), 0.25):
        evaluator.state.metrics = {"ap": value}
        progress._validated(evaluator)
    trainer.run([0], max_epochs=3)
    assert seen == [0, 1, 2]
    assert read_stats(progress.path)["best_metric"] == 0.5
    assert "total_time" not in read_stats(progress.path)
    with pytest.raises(ValueError, match="`max_seconds` must be in"):
        Progress(tmp_path / "b", max_seconds=-1)


def test_nothing_newer_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "new.pt").write_text("new")
    assert publish_model(tmp_path / "new.pt", tmp_path / "models" / "model.pt")
    assert not publish_model(tmp_path / "new.pt", tmp_path / "models" / "model.pt")
    assert (tmp_path / "models" / "model.pt").read_text() == "new"


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 2, "features": 6, "variant": "n2v2", "normalisation": "image"},
        {"classes": ["background", "liver"], "depth": 1, "features": 4, "strides": [[2, 1]]},
        {"n_classes": 0, "depth": 1, "features": 4},
    ],
)
def test_settings_of_a_network(options: dict[str, Any], tmp_path: Path) -> None:
    network = DenoiSegNet(2, **options)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    settings = same_network(tmp_path / "model.pt")
    head = settings.pop("head")
    assert head == ("none" if options.get("n_classes") == 0 else "classes")
    again = DenoiSegNet(2, n_classes=0 if head == "none" else None, **settings)
    again.load_state_dict(network.state_dict())


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"max_epochs": 0}, "`max_epochs` must be an integer >= 1, got 0"),
        ({"learning_rate": "fast"}, "`learning_rate` must be a number, got 'fast'"),
        ({"alpha": 2}, r"`alpha` must be in \[0, 1\], got 2"),
    ],
)
def test_bad_settings(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training_settings(request_, bundle_folder("denoiseg_2d"))


def test_volumes(app: Path, tmp_path: Path) -> None:
    """As 3D Slicer has them: NIfTI, a label with named segments, larger patches than the volume."""
    images = {name: write_volume(tmp_path / f"{name}.nii.gz") for name in ("a", "b", "c")}
    values = np.zeros((8, 24, 28), np.uint8)
    values[2:6, 3:9, 4:12], values[2:6, 15:20, 4:12], values[:2] = 1, 2, 3
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values.T), AFFINE), tmp_path / "drawn.nii.gz")
    info = {"label_info": [{"name": "object 1"}, {"name": "object 2"}, {"name": "not annotated"}]}
    store = FakeDatastore(images, {"b": tmp_path / "drawn.nii.gz"}, {"b": info})
    bundle = app / "model" / "denoiseg_3d"
    before = model_file(bundle).read_bytes()
    training, validation = split_study(study_items(store, tmp_path / "labels", spatial_dims=3))
    assert (len(training), len(validation)) == (3, 1)
    train_on_study(bundle, training, validation, tmp_path / "run", **{**TINY, "amp": "off"})
    assert model_file(bundle).read_bytes() != before
    assert predict_file(bundle, images["a"], tmp_path / "out", device="cpu").keys() >= {"denoised"}
