"""A real MONAI Label server with the app: what its addresses answer."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.label.acquisition import prediction_entropy
from monai_denoiseg.label.predict import load_for
from monai_denoiseg.label.results import read_labels

from .conftest import TINY, WAY_OUT, Server

pytest.importorskip("monailabel", reason=WAY_OUT)
pytestmark = pytest.mark.label


def bundles_own(server: Server, bundle: str, image: str, folder: Path, kind: str = "instances") -> np.ndarray:
    """What ``inference.json`` writes for an image, run by the command line's function."""
    settings: dict[str, Any] = {"model_file": str(server.app / "model" / bundle / "models" / "model.pt"), "device": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_bundle("infer", bundle, dataset_dir=str(server.study.folder / image), output_dir=str(folder), **settings)
    return read_labels(next(folder.glob(f"{image.split('.')[0]}_{kind}.*")))


def infer(server: Server, model: str, image: str, folder: Path, suffix: str, **params: Any) -> np.ndarray:
    status, content = server.call("POST", f"/infer/{model}?image={image}&output=image", params={"device": "cpu", **params})
    assert status == 200, content
    (folder / f"answer{suffix}").write_bytes(content)
    return read_labels(folder / f"answer{suffix}")


def test_info_lists_models_with_their_labels(server: Server) -> None:
    info = server.get("/info/")
    models = info["models"]
    assert {"denoiseg_2d", "denoiseg_2d_denoised", "denoiseg_3d", "denoiseg_3d_denoised", "self2seg_2d"} <= models.keys()
    assert models["denoiseg_2d"]["labels"] == {"object": 1}
    assert (models["denoiseg_2d"]["dimension"], models["denoiseg_3d"]["dimension"]) == (2, 3)
    assert models["denoiseg_2d"]["type"] == "segmentation"
    assert info["trainers"].keys() == {"denoiseg_2d", "denoiseg_3d"}
    assert info["strategies"].keys() == {"uncertainty", "blind_spot", "random"}
    assert info["datastore"]["completed"] == 2


@pytest.mark.parametrize(
    ("bundle", "image", "suffix"), [("denoiseg_2d", "plane3.tif", ".tif"), ("denoiseg_3d", "volume.nii.gz", ".nii.gz")]
)
def test_label_map_is_the_bundles_own(server: Server, tmp_path: Path, bundle: str, image: str, suffix: str) -> None:
    answer = infer(server, bundle, image.removesuffix(suffix), tmp_path, suffix)
    expected = bundles_own(server, bundle, image, tmp_path)
    assert expected.max() > 0
    assert answer.dtype == expected.dtype
    np.testing.assert_array_equal(answer, expected)


def test_denoised_image_is_the_bundles_own(server: Server, tmp_path: Path) -> None:
    answer = infer(server, "denoiseg_2d_denoised", "plane3", tmp_path, ".tif")
    np.testing.assert_array_equal(answer, bundles_own(server, "denoiseg_2d", "plane3.tif", tmp_path, "denoised"))
    assert answer.dtype == np.float32


def test_options_of_a_request_count(server: Server, tmp_path: Path) -> None:
    few = infer(server, "denoiseg_2d", "plane3", tmp_path, ".tif", min_size=200)
    all_ = infer(server, "denoiseg_2d", "plane3", tmp_path, ".tif", min_size=0)
    assert len(np.unique(few)) < len(np.unique(all_))


def test_result_for_slicer(server: Server) -> None:
    import itk

    path = server.app / "answer.nrrd"
    status, content = server.call(
        "POST", "/infer/denoiseg_2d?image=plane3&output=image", params={"result_extension": ".nrrd", "device": "cpu"}
    )
    assert status == 200
    path.write_bytes(content)
    assert itk.imread(str(path)).shape == (1, 48, 40)
    status, content = server.call("POST", "/infer/denoiseg_2d?image=plane3&output=json", params={"device": "cpu"})
    names = json.loads(content)["label_names"]
    assert list(names.values()) == list(range(1, len(names) + 1))
    assert "object 1" in names


def test_outlines_for_qupath(server: Server) -> None:
    body = {"location": [0, 0], "size": [0, 0], "min_poly_area": 1, "params": {"max_workers": 1}}
    status, content = server.call("POST", "/infer/wsi/denoiseg_2d?image=plane3&output=asap", body)
    assert status == 200
    assert content.count(b'<Annotation Name="object"') > 0


def test_self2seg_needs_no_training(server: Server, tmp_path: Path) -> None:
    answer = infer(server, "self2seg_2d", "plane4", tmp_path, ".tif", experts="constant", lam=0.01)
    assert answer.shape == (48, 40)
    assert answer.max() > 0


def uncertainties(server: Server) -> dict[str, float]:
    bundle = server.app / "model" / "denoiseg_2d"
    paths = {name: server.study.folder / f"{name}.tif" for name in server.study.waiting}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: prediction_entropy(load_for(bundle, path).probabilities()) for name, path in paths.items()}


def test_most_uncertain_image_is_next(server: Server) -> None:
    scores = uncertainties(server)
    order = sorted(scores, key=lambda name: -scores[name])
    for expected in order[:2]:  # the second time another annotator asks
        status, content = server.call("POST", "/activelearning/uncertainty", {"model": "denoiseg_2d"})
        answer = json.loads(content)
        assert (status, answer["id"]) == (200, expected)
        assert answer["score"] == pytest.approx(scores[expected], rel=1e-3)
        assert answer["path"].endswith(f"{expected}.tif")


def test_the_door_of_a_real_server(server: Server, tmp_path: Path) -> None:
    """What MONAI Label alone lets happen: any file written, read and deleted, by anybody and from any web page."""
    marker = server.study.folder.parent / "marker.tif"
    marker.write_bytes((server.study.folder / "plane0.tif").read_bytes())
    before, content = server.get("/datastore/"), marker.read_bytes()
    script = tmp_path / "x.py"
    script.write_text("evil = 1")
    for method, path, file in (
        ("PUT", "/datastore/image?image=../marker", server.study.folder / "plane1.tif"),
        ("PUT", f"/datastore/image?image={marker.with_suffix('')}", server.study.folder / "plane1.tif"),
        ("PUT", "/datastore/image?image=x", script),
        ("PUT", "/datastore/label?image=plane1&tag=../../../x", server.study.folder / "plane1.tif"),
    ):
        code, answer = server.form(method, path, "{}", file, "file" if "image?" in path else "label")
        assert code in (400, 404), answer
    for method, path in (
        ("DELETE", "/datastore/image?id=../marker"),
        ("DELETE", "/datastore/label?id=plane1&tag=..%2F..%2Fx"),
        ("GET", f"/session/{'..%2F' * 3}etc"),
        ("POST", f"/infer/denoiseg_2d?image={marker}&output=image"),
        ("POST", "/reload"),
    ):
        assert server.call(method, path)[0] == 404
    assert server.call("GET", "/info/", headers={"Origin": "http://evil.example"})[0] == 403
    assert server.call("GET", "/info/", headers={"Authorization": "Bearer wrong"})[0] == 401
    assert marker.read_bytes() == content
    assert server.get("/datastore/") == before


def test_nothing_is_done_through_a_link_that_leaves_the_study(server: Server) -> None:
    """It is the owner's, and read; an image or a label written or deleted through it would be somebody else's."""
    other, link = server.study.folder.parent / "elsewhere.tif", server.study.folder / "linked.tif"
    other.write_bytes((server.study.folder / "plane3.tif").read_bytes())
    link.symlink_to(other)
    for _ in range(100):
        if "linked" in server.get("/datastore/?output=all")["objects"]:
            break
        time.sleep(0.1)
    content = other.read_bytes()
    assert server.call("GET", "/datastore/image?image=linked") == (200, content)
    for method, path in (("PUT", "/datastore/image?image=linked"), ("DELETE", "/datastore/image?id=linked")):
        code, answer = server.form(method, path, "{}", server.study.folder / "plane1.tif", "file")
        assert (code, "is a link that leaves the study" in json.loads(answer)["detail"]) == (404, True)
    assert other.read_bytes() == content
    link.unlink()


def test_a_batch_without_options_runs_without_a_gpu(server: Server) -> None:
    code, content = server.call(
        "POST", "/batch/infer/denoiseg_2d?run_sync=true&images=labeled", {"label_tag": "batch", "tta": False}
    )
    answer = json.loads(content)
    assert (code, sorted(answer)) == (200, server.study.annotated)
    assert all(found["label"] in server.study.annotated for found in answer.values())


def test_a_label_nobody_can_read_is_told_at_once(server: Server, tmp_path: Path) -> None:
    (tmp_path / "l.tif").write_text("hello")
    code, content = server.form("PUT", "/datastore/label?image=plane7", "{}", tmp_path / "l.tif")
    assert (code, "plane7.tif" in json.loads(content)["warning"]) == (200, True)
    assert server.call("DELETE", "/datastore/label?id=plane7&tag=final")[0] == 200


@pytest.mark.parametrize("strategy", ["blind_spot", "random"])
def test_other_strategies_offer_an_image_without_label(server: Server, strategy: str) -> None:
    status, content = server.call("POST", f"/activelearning/{strategy}", {"model": "denoiseg_2d"})
    assert status == 200
    assert json.loads(content)["id"] in server.study.waiting


def test_scoring_measures_all_waiting_images(server: Server) -> None:
    status, content = server.call("POST", "/scoring/denoiseg_2d?run_sync=true", {})
    answer = json.loads(content)
    assert (status, answer["images"]) == (200, 6)
    assert answer["uncertainty"] == pytest.approx(np.mean(list(uncertainties(server).values())), rel=1e-3)


BAD = [
    ("/infer/denoiseg_2d?image=nowhere&output=image", {"device": "cpu"}, 404, "no image 'nowhere'"),
    ("/infer/nonsense?image=plane3&output=image", {}, 404, "nonsense"),
    ("/infer/denoiseg_2d?image=plane3&output=image", {"tta": "perhaps"}, 400, "`tta` must be true or false"),
    ("/infer/denoiseg_2d?image=plane3&output=image", {"threshold": 7}, 400, "`threshold` must be in [0, 1]"),
    ("/infer/denoiseg_2d?image=volume&output=image", {"device": "cpu"}, 400, "spatial"),
    ("/infer/self2seg_scribbles_2d?image=plane3&output=image", {}, 400, "scribbles are needed"),
]


@pytest.mark.parametrize(("path", "params", "status", "message"), BAD)
def test_bad_inference_is_told_and_the_server_lives_on(
    server: Server, path: str, params: dict[str, Any], status: int, message: str
) -> None:
    code, content = server.call("POST", path, params=params)
    assert code == status, content
    assert message in json.loads(content)["detail"]
    assert server.get("/info/")["name"] == "DenoiSeg"


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/train/nonsense", {}, 404, "no model 'nonsense'"),
        ("/train/denoiseg_2d?run_sync=true", {"max_epochs": "many"}, 400, "`max_epochs` must be a number"),
        ("/train/denoiseg_2d", {"max_epochs": -1}, 400, "`max_epochs` must be an integer"),  # not "SUBMITTED"
        ("/train/denoiseg_2d", {"max_epochs": 1, "gpus": 5}, 400, "`gpus` must be"),
        ("/train/denoiseg_2d", {"max_epochs": 1, "bundle_path": "/tmp"}, 400, "`bundle_path` is set by the server"),
        ("/train/denoiseg_2d", {"max_epochs": 1, "device": 1}, 400, "`device` must be text"),
        ("/infer/wsi/denoiseg_2d?image=plane3&output=asap", {"params": {"location": 5}}, 400, "`location` must be two numbers"),
        ("/train/denoiseg_3d?run_sync=true", {"max_epochs": 1}, 400, "no image of the study is annotated"),
        ("/activelearning/nonsense", {}, 404, "nonsense"),
        ("/activelearning/uncertainty", {"model": "nonsense"}, 400, "`model` must be one of"),
    ],
)
def test_other_bad_requests(server: Server, path: str, body: dict[str, Any], status: int, message: str) -> None:
    code, content = server.call("POST", path, body)
    assert code == status, content
    assert message in json.loads(content)["detail"]


@pytest.mark.parametrize("params", ["{no json", "[1]", '"text"', "3", "null"])
def test_parameters_that_are_no_json_object(server: Server, params: str) -> None:
    """MONAI Label reads them before the app is asked."""
    code, content = server.form("POST", "/infer/denoiseg_2d?image=plane3&output=image", params)
    assert code == 400, content
    assert "must be a JSON object" in json.loads(content)["detail"]
    assert server.get("/info/")["name"] == "DenoiSeg"


def test_labels_and_infos_nobody_can_take(server: Server) -> None:
    label = server.study.folder / "labels" / "final" / "plane0.tif"
    before = server.get("/datastore/")
    for path, params, file, status, message in (
        ("/datastore/label?image=nowhere", "{}", label, 404, "Image nowhere not found"),
        ("/datastore/label?image=plane3", "{no json", label, 400, "must be a JSON object"),
        ("/datastore/updatelabelinfo?label=nowhere&tag=final", "{}", None, 404, "not found"),
    ):
        code, content = server.form("PUT", path, params, file)
        assert code == status, content
        assert message in json.loads(content)["detail"]
    code, content = server.form("POST", "/infer/denoiseg_2d?output=image", "{}")
    assert code == 400, content
    assert "Neither Image nor File" in json.loads(content)["detail"]
    assert server.get("/datastore/") == before


def test_training_uses_all_images_and_is_loaded(server: Server, tmp_path: Path) -> None:
    bundle = server.app / "model" / "denoiseg_2d"
    model = bundle / "models" / "model.pt"
    before = hashlib.sha256(model.read_bytes()).hexdigest()
    status, content = server.call("POST", "/train/denoiseg_2d", {**TINY, "pretrained": True})
    assert status == 200, content
    task = server.wait("DONE", "ERROR")
    log = server.log.read_text()
    assert task["status"] == "DONE", log[-3000:]
    assert "study: 8 images, 2 annotated; training on 8 (2 annotated), validation on 2 (2 annotated)" in log
    [record] = bundle.glob("training/*/settings.json")
    assert json.loads(record.read_text())["data"]["train"] == 8
    assert hashlib.sha256(model.read_bytes()).hexdigest() != before
    assert hashlib.sha256((model.parent / "model.previous.pt").read_bytes()).hexdigest() == before
    stats = server.get("/info/")["train_stats"]["denoiseg_2d"]
    assert (stats["epoch"], stats["total_epochs"]) == (2, 2)
    assert "total_time" in stats
    np.testing.assert_array_equal(
        infer(server, "denoiseg_2d", "plane3", tmp_path, ".tif"), bundles_own(server, "denoiseg_2d", "plane3.tif", tmp_path)
    )


def test_training_can_be_stopped(server: Server, tmp_path: Path) -> None:
    stats = server.app / "model" / "denoiseg_2d" / "train_stats.json"
    stats.unlink(missing_ok=True)
    status, _ = server.call("POST", "/train/denoiseg_2d", {**TINY, "max_epochs": 100000})
    assert status == 200
    for _ in range(240):
        if stats.is_file():
            break
        time.sleep(0.5)
    progress = server.get("/info/")["train_stats"]["denoiseg_2d"]
    assert 1 <= progress["epoch"] < progress["total_epochs"] == 100000
    assert server.call("DELETE", "/train/")[0] == 200
    assert server.wait("STOPPED")["status"] == "STOPPED"
    assert infer(server, "denoiseg_2d", "plane3", tmp_path, ".tif").shape == (48, 40)
