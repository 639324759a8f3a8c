"""The recipes compared for few labels: candidates, table by hand-computed numbers, crops, the record, one small run."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.transforms import BorderLabel

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
RECORD = BENCHMARKS / "results" / "recipe_trials.json"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")


@pytest.fixture(scope="module")
def trials() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    threads = torch.get_num_threads()
    try:
        import recipe_trials

        yield recipe_trials
    finally:
        sys.path.remove(str(BENCHMARKS))
        torch.set_num_threads(threads)


@pytest.fixture
def augment(trials: ModuleType) -> ModuleType:
    return sys.modules["recipe_trials_augment"]


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dsb")
    for sub in ("images", "masks"):
        (folder / "dev-train" / sub).mkdir(parents=True)
    for i in range(4):
        sample = simulate_nuclei((130, 134), seed=i)
        tifffile.imwrite(folder / "dev-train" / "images" / f"{i}.tif", sample.clean.clip(0, 255).astype(np.uint8))
        tifffile.imwrite(folder / "dev-train" / "masks" / f"{i}.tif", sample.label.astype(np.uint16))
    return folder


# ---- the candidates


def test_candidates_are_complete(trials: ModuleType) -> None:
    names = """base class_weight_2 gain_4 image_normalisation zoom_plain rescaled rescaled_gain_only rescaled_wide mean_teacher
        mask_fraction_0.03 mask_fraction_0.06 learning_rate_0.002 learning_rate_0.004 depth_4 noise_unit features_32"""
    assert list(trials.CANDIDATES) == names.split()
    kept = [name for name, candidate in trials.CANDIDATES.items() if candidate.kept]
    assert kept == ["rescaled"]
    recipes = [candidate.recipe for candidate in trials.CANDIDATES.values()]
    assert len(set(recipes)) == len(recipes), "two names for one recipe"


def test_the_record_holds_each_candidate_as_it_is_defined(trials: ModuleType) -> None:
    record = json.loads(RECORD.read_text("utf-8"))
    assert {entry["candidate"] for entry in record["runs"]} == set(trials.CANDIDATES)
    for entry in record["runs"]:
        recipe = replace(trials.CANDIDATES[entry["candidate"]].recipe, batch=entry["settings"]["batch"])
        assert entry["settings"] == asdict(recipe) | {"tune": 50}, entry["candidate"]
    assert len({(e["candidate"], e["seed"], e["settings"]["batch"]) for e in record["runs"]}) == len(record["runs"])
    assert record["table"] == trials.table(record["runs"])
    assert {"without", "0.6", "0.75", "0.85"} <= record["neck_splitting"]["seeds"][0].keys()


def with_error(mean: float, sem: float | None, sign: str) -> str:
    return f"{mean:{sign}.3f}" + ("" if sem is None else f" ± {sem:.3f}")


def test_the_page_tells_the_recorded_numbers(trials: ModuleType) -> None:
    text = (ROOT / "docs" / "recipe.md").read_text("utf-8")
    rows = {row["candidate"]: row for row in json.loads(RECORD.read_text("utf-8"))["table"] if row["batch"] == 16}
    told = {
        cells[0].strip("` "): cells[1:]
        for cells in (line.strip("|").split("|") for line in text.splitlines() if line[:3] == "| `")
    }
    assert told.keys() == rows.keys()
    for name, row in rows.items():
        seeds, ap, psnr, difference, wins, kept = (cell.strip() for cell in told[name][1:])
        assert seeds == str(len(row["seeds"]))
        assert ap == with_error(row["ap"], row["ap_sem"], "")
        assert psnr == f"{row['psnr']:.1f}"
        assert kept == ("yes" if row["kept"] else "–" if name == "base" else "no")
        if "against" in row:
            assert difference == with_error(row["difference"], row["difference_sem"], "+").replace("-", "−")
            assert wins == f"{row['wins']} of {row['pairs']}"


def test_commands_of_the_page_are_right(trials: ModuleType, nuclei: Path) -> None:
    text = (ROOT / "docs" / "recipe.md").read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"^python benchmarks/recipe_trials\.py (.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        args = trials.parse([*shlex.split(command), "--data", str(nuclei)])
        assert set(args.candidate) <= set(trials.CANDIDATES)


# ---- the table


def entry(trials: ModuleType, name: str, seed: int, ap: float, **changes: Any) -> dict[str, Any]:
    settings = asdict(replace(trials.CANDIDATES[name].recipe, **changes)) | {"tune": 50}
    scores = {"ap": ap, "ap_best": ap, "seg": ap / 2, "psnr": 30 + seed + 10 * ap, "train_cpu_seconds": 100.0}
    return {"candidate": name, "seed": seed, "settings": settings, **scores}


def test_means_and_paired_differences(trials: ModuleType) -> None:
    runs = [entry(trials, "rescaled", seed, ap) for seed, ap in ((3, 0.9), (1, 0.5), (0, 0.7))]
    runs += [entry(trials, "base", seed, ap) for seed, ap in ((0, 0.4), (1, 0.6), (2, 0.1))]
    base, rescaled = trials.table(runs)
    assert (base["candidate"], base["seeds"], base["kept"], "against" in base) == ("base", [0, 1, 2], False, False)
    assert (rescaled["candidate"], rescaled["seeds"], rescaled["kept"]) == ("rescaled", [0, 1, 3], True)
    assert rescaled["ap"] == pytest.approx(0.7)  # (0.9 + 0.5 + 0.7) / 3
    assert rescaled["ap_sem"] == pytest.approx(0.2 / 3**0.5)  # deviations 0.2, -0.2, 0: (0.04 + 0.04) / 2 is 0.2 squared
    assert rescaled["psnr"] == pytest.approx(30 + 4 / 3 + 7)
    assert rescaled["seg"] == pytest.approx(0.35)
    # Seeds 0 and 1 are common: +0.3 and -0.1.
    assert (rescaled["against"], rescaled["pairs"], rescaled["wins"]) == ("base", 2, 1)
    assert rescaled["difference"] == pytest.approx(0.1)
    assert rescaled["difference_sem"] == pytest.approx(0.2)
    assert rescaled["psnr_difference"] == pytest.approx(1.0)


def test_only_runs_of_the_same_budget_are_paired(trials: ModuleType) -> None:
    runs = [entry(trials, "base", 0, 0.4), entry(trials, "base", 0, 0.6, batch=32)]
    runs += [entry(trials, "image_normalisation", 0, 0.5, batch=32), entry(trials, "class_weight_2", 1, 0.5)]
    small, large, weight, image = trials.table(runs)
    assert (small["batch"], large["batch"], image["batch"]) == (16, 32, 32)
    assert image["difference"] == pytest.approx(-0.1)
    assert (image["pairs"], image["wins"], image["difference_sem"], image["ap_sem"]) == (1, 0, None, None)
    assert (weight["pairs"], weight["difference"]) == (0, None)


def test_what_stands_on_rescaled_is_compared_with_it(trials: ModuleType) -> None:
    changes = {"features": 4, "depth": 2}  # the same for all: the difference is that of the mask
    runs = [entry(trials, name, 0, ap, **changes) for name, ap in (("base", 0.1), ("rescaled", 0.5), ("mask_fraction_0.03", 0.7))]
    runs += [entry(trials, "rescaled", 0, 0.9)]
    row = next(row for row in trials.table(runs) if row["candidate"] == "mask_fraction_0.03")
    assert (row["against"], row["pairs"]) == ("rescaled", 1)
    assert row["difference"] == pytest.approx(0.2)


def test_the_threshold_comes_from_the_other_half(trials: ModuleType) -> None:
    ap = np.array([[0.1, 0.9], [0.8, 0.4], [0.3, 0.5]])  # images 0 and 2 like the second threshold, image 1 the first
    found = sys.modules["recipe_trials_run"].cross_fitted(ap)
    assert found == pytest.approx((0.1 + 0.3 + 0.4) / 3)
    ap[1] = [np.nan, np.nan]
    ap = np.concatenate([ap, [[0.8, 0.4]]])  # an image without a score counts in no mean
    assert sys.modules["recipe_trials_run"].cross_fitted(ap) == pytest.approx((2 * 0.4 + 2 * 0.2) / 4)


# ---- the crops


def patches(augment: ModuleType) -> Any:
    rng = np.random.default_rng(0)
    masks = np.zeros((2, 1, 128, 128), np.int32)
    masks[:, :, 30:60, 20:90], masks[:, :, 60:100, 20:90] = 1, 2
    images = torch.from_numpy(100.0 * (masks > 0) + rng.normal(0, 20, masks.shape)).float()
    labels = torch.stack([torch.as_tensor(BorderLabel()(torch.from_numpy(mask))).int() for mask in masks])
    return augment.Patches(images, torch.from_numpy(masks), labels)


def test_numbers_come_again_only_after_all_others(augment: ModuleType) -> None:
    assert sorted(augment.draw_numbers(5, 10).tolist()) == sorted([*range(5)] * 2)
    assert len(set(augment.draw_numbers(5, 3).tolist())) == 3


def test_a_scaled_crop_keeps_the_noise_of_the_camera(augment: ModuleType) -> None:
    given = patches(augment)
    truth = 100.0 * (given.masks > 0)
    torch.manual_seed(0)
    images, labels = augment.rescaled_crops(given, truth, [0, 1] * 20, 2.0, 1.0)
    assert images.shape == labels.shape == (40, 1, 64, 64)
    inside = _inside(labels)
    assert float(images[inside].mean()) == pytest.approx(100, abs=1)
    assert float(images[inside].std()) == pytest.approx(20, rel=0.03)
    torch.manual_seed(0)
    plain, classes = augment.crops(given, [0, 1] * 20, 2.0)
    inside = _inside(classes)
    assert float(plain[inside].std()) < 18, "interpolation takes noise away where the noisy image is scaled"


def _inside(labels: torch.Tensor) -> torch.Tensor:
    """Foreground at least three pixels from all else."""
    return torch.from_numpy(np.stack([ndimage.binary_erosion(label == 1, iterations=3) for label in labels[:, 0].numpy()]))[
        :, None
    ]


def test_brightness_scales_the_signal_alone(augment: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    given = patches(augment)
    monkeypatch.setattr(augment, "SHARE", 1.0)
    monkeypatch.setattr(augment, "log_uniform", lambda limit: limit)
    torch.manual_seed(0)
    images, labels = augment.rescaled_crops(given, 100.0 * (given.masks > 0), [0] * 20, 1.0, 3.0)
    assert float(images[labels == 1].mean()) == pytest.approx(300, abs=1)
    assert float(images[labels == 1].std()) == pytest.approx(20, rel=0.03)


def test_crops_of_scale_one_are_cut_out(augment: ModuleType) -> None:
    given = patches(augment)
    rising = torch.arange(128 * 128, dtype=torch.float32).reshape(1, 1, 128, 128)
    given = given._replace(images=rising, labels=(rising % 3).int())
    for make in (lambda: augment.crops(given, [0] * 8), lambda: augment.rescaled_crops(given, rising / 2, [0] * 8, 1.0, 1.0)):
        images, labels = make()
        torch.testing.assert_close(labels, (images % 3).int(), rtol=0, atol=0)
        assert all(len(set(image.flatten().tolist())) == 64 * 64 for image in images)


# ---- the runs

TINY = ["--steps", "2", "--batch", "4", "--features", "4", "--depth", "1", "--tune", "2"]


def test_a_small_run(trials: ModuleType, nuclei: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data", str(nuclei), "--results", str(tmp_path), *TINY]
    names = ["base", "gain_4", "zoom_plain", "rescaled", "mean_teacher", "noise_unit", "image_normalisation"]
    trials.main([*words, "--seeds", "0", "--candidate", *names])
    result = json.loads((tmp_path / "recipe_trials.json").read_text("utf-8"))
    assert [entry["candidate"] for entry in result["runs"]] == names
    assert len({entry["psnr"] for entry in result["runs"]}) == len(names), "every candidate trains in its own way"
    for entry in result["runs"]:
        assert 0 <= entry["ap"] <= entry["ap_best"] <= 1
        assert entry["settings"]["features"] == 4
        assert ("averaged" in entry) == (entry["candidate"] == "mean_teacher")
    rows = {row["candidate"]: row for row in result["table"]}
    assert (rows["rescaled"]["against"], rows["mean_teacher"]["against"]) == ("base", "rescaled")
    assert all(row["pairs"] == 1 for name, row in rows.items() if name != "base")
    assert result["machine"]["versions"]["torch"]
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"result": "recipe_trials.json"}


def test_runs_are_added_to_those_there_are(trials: ModuleType, nuclei: Path, tmp_path: Path) -> None:
    words = ["--data", str(nuclei), "--results", str(tmp_path), "--candidate", "base", *TINY]
    trials.main([*words, "--seeds", "0", "1"])
    first = json.loads((tmp_path / "recipe_trials.json").read_text("utf-8"))["runs"]
    trials.main([*words, "--seeds", "1"])
    again = json.loads((tmp_path / "recipe_trials.json").read_text("utf-8"))
    assert [entry["seed"] for entry in again["runs"]] == [0, 1]
    assert again["runs"][0] == first[0]
    assert {key: again["runs"][1][key] for key in ("ap", "psnr")} == {key: first[1][key] for key in ("ap", "psnr")}, (
        "a seed is a run"
    )
    assert [row["seeds"] for row in again["table"]] == [[0, 1]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--candidate", "rescald"], "'rescald'; did you mean 'rescaled'?"),
        (
            ["--candidate", "base", "--normalisation", "imag"],
            "`normalisation` must be one of 'dataset', 'image', got 'imag'; did you mean 'image'?",
        ),
        (["--candidate", "base", "--rescale_zoom", "0.5"], "`rescale_zoom` must be at least 1 (1 is off), got 0.5"),
        (["--candidate", "rescaled", "--zoom", "2"], "leave them at 1 with `rescale_gain` or `rescale_zoom`"),
        (["--candidate", "gain_4", "--normalisation", "image"], "`gain` above 1 needs `normalisation` 'dataset'"),
        (["--candidate", "base", "--denoise_labelled", "ture"], "argument --denoise_labelled"),
        (["--candidate", "base", "--data", "nowhere"], "--data nowhere: no folder dev-train/images in it"),
        (["--candidate", "base", "--tune", "1"], "--tune 1: at least 2 images are needed"),
        (["--candidate", "base", "--tune", "5"], "--tune 5: there are 4 images in dev-train/images"),
        (["--candidate", "base", "--tune", "3"], "10 patches beside the --tune 3 images, 11 needed at least"),
    ],
)
def test_wrong_words(
    words: list[str], message: str, trials: ModuleType, nuclei: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        trials.main(["--data", str(nuclei), "--results", str(tmp_path), *words])  # a later --data holds
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_the_page_tells_the_runs_at_full_length() -> None:
    text = (ROOT / "docs" / "recipe.md").read_text("utf-8")
    for run in json.loads(RECORD.read_text("utf-8"))["full_length"]["runs"]:
        found = " \\| ".join(f"{run['test'][key]:.{digits}f}" for key, digits in (("ap", 3), ("seg", 3), ("psnr", 2)))
        assert re.search(rf"\| {run['seed']} \| {max(row['ap'] for row in run['validation']):.3f} \| [^|]+ \| {found} \|", text)
