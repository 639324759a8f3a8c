"""The few-label results on DSB2018: protocols and their folders, options, resume; and both protocols from end to end."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.bundle import training_data
from monai_denoiseg.data import write_simulated

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")
sys.path.insert(0, str(BENCHMARKS))

import compare  # noqa: E402
import compare_fewshot  # noqa: E402
import compare_runs  # noqa: E402
import dsb2018  # noqa: E402
import fewshot_dsb2018  # noqa: E402
from compare_data import Folders  # noqa: E402
from compare_runs import Protocol, Run  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like DSB2018: 2 training images (20 patches, 3 of them for validation) and one test image."""
    root = tmp_path_factory.mktemp("dsb")
    for seed, (part, number) in enumerate({"dev-train": 2, "dev-test": 1}.items()):
        folder = write_simulated(root / part, n_images=number, n_labelled=number, shape=(130, 140), seed=seed)
        (folder / "labels").rename(folder / "masks")
    return root


@pytest.fixture(scope="module")
def folders(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = dsb2018.prepare(data, tmp_path_factory.mktemp("work"), 20, 2)
    return Folders(root / "train", root / "test", root / "validation")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def labelled(items: Sequence[dict[str, Any]]) -> set[str]:
    return {Path(item["label"]).name for item in items if "label" in item}


def test_patches_are_those_of_the_paper(data: Path, folders: Folders) -> None:
    """85 % for training, noise added once, in grey levels, unclipped; each patch is cut from image and label alike."""
    train, validation = names(folders.train / "images"), names(folders.train.parent / "validation" / "images")
    assert (len(train), len(validation)) == (17, 2)
    assert not {*train} & {*validation}
    assert names(folders.train / "labels") == train
    rng = np.random.default_rng(123)
    for path in sorted((data / "dev-train" / "images").iterdir()):
        clean = tifffile.imread(path).astype(np.float32)
        noisy = clean + rng.normal(0, 20, clean.shape).astype(np.float32)
        masks = tifffile.imread(data / "dev-train" / "masks" / path.name)
        mine = [name for name in train if name.startswith(f"{path.stem}_")]
        patch, label = (tifffile.imread(folders.train / part / mine[0]) for part in ("images", "labels"))
        windows = np.lib.stride_tricks.sliding_window_view(noisy, (128, 128))
        ((y, x),) = np.argwhere((windows == patch).all(axis=(2, 3)))
        np.testing.assert_array_equal(masks[y : y + 128, x : x + 128], label)
    test = names(folders.test / "images")[0]
    noise = tifffile.imread(folders.test / "images" / test) - tifffile.imread(folders.test / "clean" / test)
    assert noise.shape == (130, 140)
    assert noise.std() == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("number", [1, 4, "all"])
def test_honest_folder_holds_the_labels_of_the_paper_protocol(folders: Folders, tmp_path: Path, number: Any, seed: int) -> None:
    found = dsb2018.honest(folders, number, seed)
    n_labels = None if number == "all" else number
    paper = training_data(folders.train, tmp_path, validation_dir=folders.validation, n_labels=n_labels, seed=seed)
    assert {*names(found.train / "labels")} == labelled(paper["training"])
    assert len(names(found.train / "labels")) == (17 if number == "all" else number)
    assert names(found.train / "images") == names(folders.train / "images")
    assert found.validation is None
    assert found.test == folders.test
    for name in names(found.train / "labels"):
        assert (found.train / "labels" / name).samefile(folders.train / "labels" / name), "linked, not copied"
    # What a training may look at: the N labels, divided; nothing of the validation patches.
    parts = training_data(found.train, tmp_path, seed=seed)
    assert labelled(parts["training"]) | labelled(parts["validation"]) == {*names(found.train / "labels")}
    seen = {Path(item["image"]).name for part in parts.values() for item in part}
    assert not seen & {*names(folders.train.parent / "validation" / "images")}


def test_seeds_draw_other_labels_and_a_stage_sees_none(folders: Folders) -> None:
    drawn = [names(dsb2018.honest(folders, 4, seed).train / "labels") for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    bare = dsb2018.honest(folders, None, 0).train
    assert names(bare) == ["images"]
    assert bare == dsb2018.unlabelled(dsb2018.honest(folders, 4, 0).train)


def test_honest_folder_of_several_runs_at_once_and_after_a_move(folders: Folders) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: dsb2018.honest(folders, 3, 5).train, range(16)))
    assert len({*found}) == 1
    assert len(names(found[0] / "labels")) == 3
    assert not [name for name in names(found[0].parent) if name.startswith(".")], "no draft is left"
    (found[0] / "images").unlink()
    (found[0] / "images").symlink_to("nowhere")
    again = dsb2018.honest(folders, 3, 5).train
    assert len(names(again / "images")) == 17


def test_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), dsb2018.whole(tmp_path / "place") as draft:
        (draft / "half").touch()
        raise KeyboardInterrupt
    assert names(tmp_path) == []


# ---- the command line


@pytest.fixture
def command(data: Path, tmp_path: Path) -> list[str]:
    line = f"--data {data} --output {tmp_path / 'out'} --validation 2 --epochs 1 --methods denoiseg --labels 2 --seeds 0 1"
    return line.split()


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Run, Folders]]:
    """Runs that were done, in place of the trainings themselves."""
    seen: list[tuple[Run, Folders]] = []

    def pretend(run: Run, protocol: Protocol, folders: Folders) -> dict[str, Any]:
        seen.append((run, folders))
        scores = {"ap": 0.5, "seg": 0.4, "psnr": 30.0}
        settings = protocol.settings(run)
        return {"settings": settings, "scores": scores, "train": None, "first_stage": None, "evaluation_seconds": 1.0}

    monkeypatch.setattr(compare, "execute", pretend)
    return seen


def test_resume_refusal_and_both_protocols(
    command: list[str], done: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fewshot_dsb2018.main(command) == 0
    assert fewshot_dsb2018.main([*command[:-2], "0", "1", "2"]) == 0  # a later session adds a seed
    assert "3 runs, 2 of them done before" in capsys.readouterr().out
    assert fewshot_dsb2018.main([*command, "--protocol", "honest"]) == 0
    files = [f"n20_l2_s{seed}_{name}_denoiseg.json" for seed in range(3) for name in ("honest", "paper")]
    assert names(tmp_path / "out" / "runs") == [name for name in files if name != "n20_l2_s2_honest_denoiseg.json"]
    assert [run.seed for run, _ in done] == [0, 1, 2, 0, 1]
    assert [run.protocol for run, _ in done] == ["paper"] * 3 + ["honest"] * 2
    assert [folders.validation is None for _, folders in done] == [False] * 3 + [True] * 2
    assert [len(names(folders.train / "labels")) for _, folders in done] == [17] * 3 + [2] * 2
    assert f"## {compare_fewshot.TITLES['honest']}" in (tmp_path / "out" / "table.md").read_text("utf-8")

    other = ["--set", "features=4"]
    for further, message in ((other, "`set` {}, now {'features': '4'}"), (["--validation", "3"], "`validation` 2, now 3")):
        with pytest.raises(SystemExit):
            fewshot_dsb2018.main([*command, *further])
        assert message in (shown := capsys.readouterr().err)
        assert "Pass --overwrite" in shown
    assert len(done) == 5
    assert fewshot_dsb2018.main([*command, *other, "--overwrite"]) == 0
    assert len(done) == 7
    assert "Mind: the runs of denoiseg differ in `set`" in (tmp_path / "out" / "table.md").read_text("utf-8")
    # Patches for validation are no matter where none are used.
    assert fewshot_dsb2018.main([*command, "--protocol", "honest", "--validation", "3"]) == 0
    assert len(done) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--labels 0", "'0' is neither 'all' nor a number of labelled images from 1"),
        ("--labels 18", "--labels 18: there are 17 training patches with a label; 'all' takes them all"),
        ("--protocol fair", "invalid choice: 'fair'"),
        ("--noise none", "without added noise it is --noise 0"),
        ("--noise -1", "'-1' is neither"),
        ("--validation 0", "--validation must be 1 or more, got 0"),
        ("--methods denoisegg", "did you mean 'denoiseg'"),
        ("--set n_labels=3", "use --labels"),
        ("--seed 3", "unrecognized arguments: --seed"),
    ],
)
def test_wrong_options(
    command: list[str], done: list[Any], options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        fewshot_dsb2018.main([*command, *options.split()])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not done


@pytest.mark.parametrize("present", [[], ["dev-train"]])
def test_missing_data_is_said(present: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in present:
        write_simulated(tmp_path / part, n_images=1, n_labelled=1, shape=(16, 16))
    with pytest.raises(SystemExit) as stopped:
        fewshot_dsb2018.main(["--data", str(tmp_path), "--output", str(tmp_path / "out")])
    assert stopped.value.code == 2
    wanted = "no TIFF image in dev-test/images" if present else "no folder dev-train/images in it"
    assert wanted in capsys.readouterr().err


def test_defaults() -> None:
    args = fewshot_dsb2018.parser().parse_args([])
    assert (args.methods, args.noise, args.labels) == (["denoiseg", "denoiseg_alpha0", "sequential"], [20], [10])
    assert (args.seeds, args.epochs, args.protocol, args.validation) == ([0, 1, 2], 40, "paper", 200)


def test_commands_of_the_page_are_right() -> None:
    text = (ROOT / "docs" / "compare.md").read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"^python benchmarks/fewshot_dsb2018\.py (.*)$", text, re.MULTILINE)
    assert len(commands) >= 2
    for command in commands:
        args = fewshot_dsb2018.parser().parse_args(shlex.split(command))
        runs = compare_runs.plan_runs(args.methods, args.noise, args.labels, args.seeds, args.bundle, args.protocol)
        assert {run.protocol for run in runs} == {args.protocol}
        compare_runs.check_pairs(args.set, args.methods, args.bundle)


# ---- what a run hands to the bundle


@pytest.mark.parametrize("name", dsb2018.PROTOCOLS)
def test_what_the_bundle_is_told(name: str, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(compare_runs, "run_bundle", lambda *args, **keys: told.update(keys))
    own = dsb2018.honest(folders, 4, 1) if name == "honest" else folders
    protocol = Protocol(tmp_path, "denoiseg_2d", 5, dsb=True)
    run = Run("sequential", 20.0, 4, 1, name)
    compare_runs._train(run, protocol, own, tmp_path / "run")
    assert told["binary_labels"] == "keep"
    assert told["first_stage_dir"].name == f"n20_s1_{name}_noise2void"
    if name == "paper":
        assert (told["n_labels"], told["validation_dir"], told["dataset_dir"]) == (4, folders.validation, folders.train)
        assert "first_stage_model" not in told
    else:
        assert not {"n_labels", "validation_dir"} & told.keys()
        assert told["dataset_dir"] == own.train
        assert told["_images_dir"] == dsb2018.unlabelled(own.train)
    other = compare_runs.stage_folder(Run("sequential", 20.0, 2, 1, name), protocol)
    assert other == told["first_stage_dir"], "all numbers of labels share it"


# ---- the bundle itself


def test_from_end_to_end(
    benchmark: Callable[[str], ModuleType], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark("fewshot_dsb2018")
    line = f"--data {data} --output {tmp_path} --validation 2 --epochs 1 --seeds 1 --noise 20 --set depth=1 features=4"
    command = [*line.split(), "steps_per_epoch=1", "batch_size=2", "tta=false", "min_size=3"]
    assert fewshot_dsb2018.main([*command, "--methods", "denoiseg", "--labels", "2"]) == 0
    command += ["--protocol", "honest", "--methods", "sequential", "--labels"]
    assert fewshot_dsb2018.main([*command, "2"]) == 0
    (stage,) = (tmp_path / "first_stages").iterdir()
    trained = (stage / "model.pt").stat().st_mtime_ns
    assert fewshot_dsb2018.main([*command, "2", "4"]) == 0
    assert "2 runs, 1 of them done before" in capsys.readouterr().out

    results = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "runs").iterdir()}
    assert {*results} == {"n20_l2_s1_paper_denoiseg", "n20_l2_s1_honest_sequential", "n20_l4_s1_honest_sequential"}
    counts = {name: found["train"]["data"] for name, found in results.items()}
    paper = {"train": 17, "train_labelled": 2, "validation": 2, "validation_labelled": 2}
    assert counts["n20_l2_s1_paper_denoiseg"] == paper
    for number in (2, 4):
        count = counts[f"n20_l{number}_s1_honest_sequential"]
        assert count["train_labelled"] + count["validation_labelled"] == number
        assert count["validation_labelled"] > 0
    scores = results["n20_l2_s1_paper_denoiseg"]["scores"]
    assert {"ap", "seg", "psnr"} <= scores.keys()
    assert abs(scores["psnr_input"] - 22) < 8
    # One first stage for both numbers of labels, on the images alone.
    assert [path.name for path in (tmp_path / "first_stages").iterdir()] == [stage.name]
    assert (stage / "model.pt").stat().st_mtime_ns == trained
    told = json.loads((stage / "settings.json").read_text())["data"]
    assert (told["train_labelled"], told["validation_labelled"], told["train"] + told["validation"]) == (0, 0, 17)
    assert "sequential, honest" in (tmp_path / "plot.svg").read_text("utf-8")
