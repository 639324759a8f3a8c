"""The files of an evaluation, against an independent computation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine

from monai_denoiseg.handlers import EvaluationWriter
from monai_denoiseg.handlers.evaluation import _best_median_worst, image_name
from monai_denoiseg.metrics import average_precision, precision_recall_f1, psnr, scale_invariant_psnr, seg_score, ssim
from monai_denoiseg.transforms import ProbabilitiesToClasses

from .evaluation_helpers import INSTANCES, case, rows, run, without_residual


@pytest.mark.parametrize("shape", [(10, 20), (4, 10, 20)])
def test_numbers(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cases = [case(0, shape, 3), case(1, shape, 1), case(2, shape, 2, labelled=False), case(3, shape, 2, clean=False)]
    state = run(tmp_path, cases, keep={"model_file": "m.pt"}, iou_thresholds=[0.5, 0.9])
    found = rows(tmp_path)
    assert [row["image"] for row in found] == ["a.ome.tif", "b.ome.tif", "c.ome.tif", "d.ome.tif"]
    aps, segs, psnrs, dices = [], [], [], []
    for row, item in zip(found, cases, strict=True):
        predicted = INSTANCES(item["pred"][:3], 0.5)
        if "instances" in item:
            aps.append(average_precision(item["instances"], predicted))
            segs.append(seg_score(item["instances"], predicted))
            detection = precision_recall_f1(item["instances"], predicted)
            assert float(row["ap"]) == pytest.approx(aps[-1], abs=1e-5)
            assert float(row["seg"]) == pytest.approx(segs[-1], abs=1e-5)
            assert float(row["ap_0.9"]) == pytest.approx(average_precision(item["instances"], predicted, 0.9), abs=1e-5)
            assert float(row["precision"]) == pytest.approx(detection.precision, abs=1e-5)
            assert float(row["recall"]) == pytest.approx(detection.recall, abs=1e-5)
            assert row["n_objects"] == "3"
            found_voxels, true_voxels = predicted.numpy() > 0, item["instances"].numpy() > 0
            dices.append(2 * (found_voxels & true_voxels).sum() / (found_voxels.sum() + true_voxels.sum()))
            assert float(row["dice"]) == pytest.approx(dices[-1], abs=1e-5)
        else:
            assert row["ap"] == row["seg"] == ""
        assert row["n_predicted"] == str(int(predicted.max()))
        if "clean" in item:
            denoised, clean = item["pred"][3:].numpy(), item["clean"].numpy()
            psnrs.append(float(psnr(denoised, clean)))
            assert float(row["psnr"]) == pytest.approx(psnrs[-1], abs=1e-3)
            assert float(row["si_psnr"]) == pytest.approx(float(scale_invariant_psnr(denoised, clean)), abs=1e-3)
            assert float(row["ssim"]) == pytest.approx(float(ssim(denoised, clean)), abs=1e-4)
            assert float(row["psnr_input"]) == pytest.approx(float(psnr(item["image"].numpy(), clean)), abs=1e-3)
        else:
            assert row["psnr"] == ""
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["ap"] == pytest.approx(np.mean(aps), abs=1e-6)
    assert metrics["seg"] == pytest.approx(np.mean(segs), abs=1e-6)
    assert metrics["psnr"] == pytest.approx(np.mean(psnrs), abs=1e-4)
    assert metrics["dice"] == pytest.approx(np.mean(dices), abs=1e-6)
    assert metrics["reduction"] == "image_mean"
    assert "classes" not in metrics
    assert (metrics["n_images"], metrics["model_file"], metrics["threshold"]) == (4, "m.pt", 0.5)
    assert len({round(ap, 3) for ap in aps}) == 3
    assert state.metrics["ap"] == metrics["ap"]


def test_best_median_and_worst(tmp_path: Path) -> None:
    cases = [case(i, (10, 20), n) for i, n in enumerate([2, 0, 3, 1, 2])]
    run(tmp_path, cases)
    assert sorted(path.name for path in (tmp_path / "panels").iterdir()) == [
        "best_c.ome.png",
        "median_e.ome.png",
        "worst_b.ome.png",
    ]
    with np.load(tmp_path / "arrays" / "best_c.ome.npz") as stored:
        assert sorted(stored) == ["clean", "denoised", "input", "instances", "probabilities", "truth"]
        np.testing.assert_array_equal(stored["truth"], cases[2]["instances"][0])
        np.testing.assert_array_equal(stored["input"], cases[2]["image"])
    assert (tmp_path / "arrays" / "worst_b.ome.npz").is_file()


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([0.2], {"best": 0}),
        ([0.2, 0.3], {"best": 1, "median": 0}),
        ([0.2, 0.9, 0.5], {"best": 1, "median": 2, "worst": 0}),
        ([math.nan, 0.9], {"best": 1}),
        ([], {}),
    ],
)
def test_choice_of_pictures(scores: list[float], wanted: dict[str, int]) -> None:
    assert _best_median_worst([{"ap": score} for score in scores]) == wanted


def test_ranked_by_psnr_and_then_by_objects() -> None:
    assert _best_median_worst([{"psnr": 20.0, "n_predicted": 9}, {"psnr": 30.0, "n_predicted": 1}])["best"] == 1
    assert _best_median_worst([{"ap": math.nan, "n_predicted": 9}, {"n_predicted": 1}])["best"] == 0
    assert _best_median_worst([{"dice": 0.2, "psnr": 30.0}, {"dice": 0.4, "psnr": 20.0}])["best"] == 1
    assert _best_median_worst([{"dice": math.nan, "psnr": 30.0}, {"dice": math.nan, "psnr": 40.0}])["best"] == 1
    assert _best_median_worst([{}, {}, {}]) == {"best": 0, "median": 1, "worst": 2}, "nothing to rank by"


def test_frames_of_one_file_are_told_apart() -> None:
    assert [image_name({"image": "a/b.tif", "frame": i}) for i in (0, 12)] == ["b_frame0000.tif", "b_frame0012.tif"]
    assert image_name({"image": "a/b.nii.gz", "frame": None}) == "b.nii.gz"


def test_neither_labels_nor_clean_images(tmp_path: Path) -> None:
    state = run(tmp_path, [case(0, (10, 20), 2, labelled=False, clean=False)])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert without_residual(metrics) == {"n_images": 1, "threshold": 0.5, "reduction": "image_mean"}
    assert [without_residual(row) for row in rows(tmp_path)] == [{"image": "a.ome.tif", "n_predicted": "2"}]
    assert "ap" not in state.metrics


def test_an_image_without_objects_is_null_in_json_not_nan(tmp_path: Path) -> None:
    item = case(0, (10, 20), 0)
    item["instances"] = torch.zeros_like(item["instances"])
    run(tmp_path, [item])
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["ap"] is None
    assert json.loads(text)["n_skipped"] == 1


def test_pictures_of_an_earlier_evaluation_go(tmp_path: Path) -> None:
    run(tmp_path, [case(i, (10, 20), n) for i, n in enumerate([2, 0, 3])])
    (tmp_path / "panels" / "mine.png").write_text("kept")
    run(tmp_path, [case(0, (10, 20), 2)])
    assert sorted(path.name for path in (tmp_path / "panels").iterdir()) == ["best_a.ome.png", "mine.png"]
    assert [path.name for path in (tmp_path / "arrays").iterdir()] == ["best_a.ome.npz"]


def test_without_pictures(tmp_path: Path) -> None:
    run(tmp_path, [case(0, (10, 20), 2)], pictures=False)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["metrics.json", "per_image.csv"]


def test_several_channels_and_unannotated_voxels(tmp_path: Path) -> None:
    item = case(0, (10, 20), 3)
    for key in ("image", "clean"):
        item[key] = item[key].repeat(2, 1, 1)
    item["pred"] = torch.cat([item["pred"], item["pred"][3:]])
    item["instances"][..., 12:] = -1  # the third object is not annotated, and predicting it is no error
    run(tmp_path, [item])
    assert (rows(tmp_path)[0]["ap"], rows(tmp_path)[0]["n_objects"]) == ("1", "2")


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reduction"):
        run(tmp_path, [], reduction="median")
    with pytest.raises(ValueError, match="`head` must be one of 'classes', 'stardist', 'none', got 'star'"):
        run(tmp_path, [], head="star")
    with pytest.raises(ValueError, match="reduction"):
        run(tmp_path, [], reduction="median", classes=ORGANS)


ORGANS = ["background", "liver", "left kidney", "spleen"]


def organ_case(seed: int, shape: tuple[int, ...], labelled: bool = True) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    truth = random.integers(-1, 3, (1, *shape))  # no image has a spleen
    scores = random.random((4, *shape)) + 0.4 * (np.arange(4).reshape(-1, *[1] * len(shape)) == truth)
    image = torch.rand(1, *shape)
    item = {"image": image, "pred": torch.cat([torch.tensor(scores / scores.sum(0)).float(), image])}
    spacing = torch.tensor([4.0, 1.0, 1.0][-len(shape) :]) if seed else torch.full((len(shape),), math.nan)
    return item | {"spacing": spacing} | ({"instances": torch.tensor(truth)} if labelled else {})


def run_organs(folder: Path, cases: list[dict[str, Any]], **options: Any) -> Any:
    items = [{"image": f"some/where/{chr(97 + i)}.nii.gz"} for i in range(len(cases))]
    engine = Engine(lambda engine, batch: [{"image": batch[0]["image"], "pred": batch[0]["pred"]}])
    EvaluationWriter(folder, items, ProbabilitiesToClasses(4), 0.5, classes=ORGANS, **options).attach(engine)
    return engine.run([[case] for case in cases])


@pytest.mark.parametrize("shape", [(10, 12), (4, 6, 7)])
def test_semantic_classes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cases = [organ_case(0, shape), organ_case(1, shape), organ_case(2, shape, labelled=False)]
    state = run_organs(tmp_path, cases)
    table = []
    for item in cases[:2]:
        found, true = item["pred"][:4].numpy().argmax(0), item["instances"][0].numpy()
        found, true = found[true >= 0], true[true >= 0]
        table.append([2 * ((found == k) & (true == k)).sum() / ((found == k).sum() + (true == k).sum()) for k in (1, 2)])
    written = rows(tmp_path)
    assert list(without_residual(written[0])) == ["image", "dice", "dice_liver", "dice_left kidney", "dice_spleen"]
    assert [row["dice"] == "" for row in written] == [False, False, True]
    for row, scores in zip(written, table, strict=False):
        assert [float(row[key]) for key in ("dice", "dice_liver", "dice_left kidney")] == pytest.approx(
            [np.mean([*scores, 0]), *scores], abs=1e-5
        )
        assert float(row["dice_spleen"]) == 0  # predicted, but in no image
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    counts = {key: value for key, value in metrics.items() if key.startswith("false_positive_images_")}
    assert list(counts.values()) == [0, 0, 2]
    named = ["classes", "dice", "dice_left kidney", "dice_liver", "dice_spleen", *counts, "n_images"]
    each = ["liver", "left kidney", "spleen"]
    surfaces = [f"{key}{name}" for key in ("hd95", "surface_dice") for name in ("", *(f"_{one}" for one in each))]
    surfaces += [f"{key}_images_{one}" for key in ("both_empty", "missed") for one in each]
    assert set(without_residual(metrics)) == {*named, *surfaces, "surface_tolerance", "surface_unit"}
    assert (metrics["classes"], metrics["dice_spleen"], metrics["n_images"]) == (ORGANS, 0, 3)
    assert metrics["dice"] == pytest.approx(np.mean(table)) == state.metrics["dice"]
    best = "ab"[int(np.mean(table[1]) > np.mean(table[0]))]
    with np.load(tmp_path / "arrays" / f"best_{best}.nii.npz") as stored:
        wanted = ["classes", "denoised", "input", "probabilities", "truth"]
        assert sorted(stored) == (sorted([*wanted, "spacing"]) if best == "b" else wanted)
        np.testing.assert_array_equal(stored["classes"], cases["ab".index(best)]["pred"][:4].argmax(0))


def test_semantic_classes_without_labels_are_drawn_all_the_same(tmp_path: Path) -> None:
    run_organs(tmp_path, [organ_case(seed, (8, 9), labelled=False) for seed in range(2)])
    assert without_residual(json.loads((tmp_path / "metrics.json").read_text())) == {"classes": ORGANS, "n_images": 2}
    assert len(list((tmp_path / "panels").iterdir())) == 2


def test_the_callable_gets_the_voxel_size(tmp_path: Path) -> None:
    asked: list[Any] = []

    def instances(probabilities: Any, threshold: float, spacing: Any = None) -> Any:
        asked.append((len(probabilities), spacing))
        return INSTANCES(probabilities, threshold)

    item = case(0, (4, 10, 20), 2) | {"spacing": torch.tensor([3.0, 1.0, 1.0])}
    engine = Engine(lambda engine, batch: [{"image": item["image"], "pred": item["pred"]}])
    EvaluationWriter(tmp_path, [{"image": "a.tif"}], instances, 0.5).attach(engine)
    engine.run([[item]])
    assert asked == [(3, item["spacing"])]
    with np.load(tmp_path / "arrays" / "best_a.npz") as stored:
        assert stored["spacing"].tolist() == [3, 1, 1]


@pytest.mark.parametrize("shape", [(10, 20), (4, 10, 20)])
def test_what_was_removed(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cases = [case(0, shape, 3), case(1, shape, 1, labelled=False, clean=False)]
    state = run(tmp_path, cases)
    written, metrics = rows(tmp_path), json.loads((tmp_path / "metrics.json").read_text())
    table: dict[str, list[float]] = {}
    for item in cases:
        removed = (item["image"] - item["pred"][3:]).double().numpy()[0]
        centred = removed - removed.mean()
        values = {"residual_mean": removed.mean(), "residual_std": removed.std()}
        for axis, name in enumerate("zyx"[-len(shape) :]):
            pairs = np.delete(centred, 0, axis) * np.delete(centred, -1, axis)
            values[f"residual_autocorrelation_{name}"] = pairs.mean() / (centred**2).mean()
        for name, value in values.items():
            table.setdefault(name, []).append(value)
    assert [key for key in written[0] if key.startswith("residual")] == list(table)
    for name, values in table.items():
        assert [float(row[name]) for row in written] == pytest.approx(values, rel=1e-4, abs=1e-6)
        assert metrics[name] == pytest.approx(np.mean(values), rel=1e-4, abs=1e-6)
        assert state.metrics[name] == metrics[name]


def test_ranked_by_the_correlation_of_what_was_removed_if_nothing_else_is_known() -> None:
    names = ("residual_autocorrelation_y", "residual_autocorrelation_x")
    table = [dict(zip(names, pair, strict=True)) for pair in [(0.1, -0.5), (0.0, 0.02), (0.2, 0.1), (math.nan, 0.0)]]
    assert _best_median_worst([*table[:3], {}]) == {"best": 1, "median": 2, "worst": 0}
    assert _best_median_worst([{"n_predicted": 3} | table[1], {"n_predicted": 5} | table[0]])["best"] == 1
