"""The comparison of methods: plan, data, resume, table, figure; and one comparison from end to end."""

from __future__ import annotations

import csv
import json
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from monai_denoiseg.data import write_simulated

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")
sys.path.insert(0, str(BENCHMARKS))

import common  # noqa: E402
import compare  # noqa: E402
import compare_plot  # noqa: E402
import compare_runs  # noqa: E402
import compare_table  # noqa: E402
from compare_runs import Protocol, Run  # noqa: E402

BUNDLE = "denoiseg_2d"


def result(method: str, labels: int | str | None, seed: int, ap: float | None, **more: Any) -> dict[str, Any]:
    """A result file's content."""
    settings = {"method": method, "noise": 20.0, "labels": labels, "seed": seed, "epochs": 2, **more.pop("settings", {})}
    train = {"cpu_seconds": 90.0, "data": {"train_labelled": labels if isinstance(labels, int) else 76}}
    scores = {"ap": ap, "seg": None if ap is None else ap - 0.1, **more.pop("scores", {})}
    return {"settings": settings, "scores": scores, "train": train, "first_stage": None, "evaluation_seconds": 7.0, **more}


def test_runs_without_labels_or_training_are_done_once() -> None:
    runs = compare_runs.plan_runs(["denoiseg", "noise2void", "otsu"], [None, 20.0], [10, "all"], [0, 1], BUNDLE)
    names = [run.name for run in runs if run.noise is None]
    assert names == [
        "raw_l10_s0_denoiseg",
        "raw_l10_s1_denoiseg",
        "raw_lall_s0_denoiseg",
        "raw_lall_s1_denoiseg",
        "raw_s0_noise2void",
        "raw_s1_noise2void",
        "raw_otsu",
    ]
    assert len(runs) == 14
    assert runs[-1].name == "n20_otsu"


def test_unknown_methods_and_keys_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--methods.*'denoisegg'"):
        compare_runs.plan_runs(["denoisegg"], [None], [1], [0], BUNDLE)
    with pytest.raises(ValueError, match=r"`featurs`.*features"):
        compare_runs.check_pairs([(None, "featurs", "4")], ["denoiseg"], BUNDLE)
    with pytest.raises(ValueError, match="use --epochs"):
        compare_runs.check_pairs([(None, "max_epochs", "4")], ["denoiseg"], BUNDLE)
    with pytest.raises(ValueError, match="not among --methods"):
        compare_runs.check_pairs([("otsu", "tta", "false")], ["denoiseg"], BUNDLE)
    compare_runs.check_pairs([(None, "features", "4"), ("median", "filter_size", "5")], ["denoiseg", "median"], BUNDLE)


def test_options() -> None:
    line = "--data d --labels 3 all --noise none 2.5 --set tta=false --set stardist:n_rays=16 nlm:h=a=b"
    args = compare.parser().parse_args(line.split())
    assert (args.labels, args.noise) == ([3, "all"], [None, 2.5])
    assert args.set == [(None, "tta", "false"), ("stardist", "n_rays", "16"), ("nlm", "h", "a=b")]


@pytest.mark.parametrize("wrong", ["--labels 0", "--noise -1", "--noise much", "--set tta", "--set :tta=1", "--jobs 0"])
def test_wrong_options(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        compare.main(["--data", "d", *wrong.split()])
    assert stopped.value.code == 2
    assert wrong.split()[0] in capsys.readouterr().err


def test_missing_folders_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, message in ((["--data", str(tmp_path / "no")], "does not exist"), ([], "--data FOLDER is missing")):
        with pytest.raises(SystemExit):
            compare.main([*options, "--output", str(tmp_path)])
        assert message in capsys.readouterr().err


def test_first_stages_are_shared() -> None:
    own = (("finetune", "features", "8"), ("sequential", "border_width", "2"), (None, "depth", "2"))
    protocol = Protocol(Path("out"), BUNDLE, 2, own)
    runs = {name: compare_runs.stage_folder(Run(name, 20.0, 10, 0), protocol) for name in ("sequential", "finetune", "denoiseg")}
    shared = compare_runs.stage_folder(Run("stardist_sequential", 20.0, 76, 0), protocol)
    assert runs["denoiseg"] is None
    # The width of the border is no matter of the denoiser; the number of features is.
    assert runs["sequential"] == shared == Path("out/first_stages/n20_s0_noise2void")
    assert runs["finetune"] == Path("out/first_stages/n20_s0_noise2void_features=8")
    assert compare_runs.stage_folder(Run("sequential", 20.0, 10, 1), protocol) != shared


def test_order_and_locks_of_first_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = Protocol(tmp_path, BUNDLE, 2)
    runs = compare_runs.plan_runs(["baseline", "sequential", "finetune"], [None], [1, 2], [0, 1], BUNDLE)
    ordered = compare.in_order(runs, lambda run: compare_runs.stage_folder(run, protocol))
    assert [run.name for run in ordered[:2]] == ["raw_l1_s0_sequential", "raw_l1_s1_sequential"]
    assert [run.method for run in ordered[2:6]] == ["baseline"] * 4
    at_work, most, guard = [0], [0], threading.Lock()

    def pretend(run: Run, protocol: Protocol, folders: Any) -> dict[str, Any]:
        with guard:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.01)
        at_work[0] -= 1
        return result(run.method, 1, 0, 0.5)

    monkeypatch.setattr(compare, "execute", pretend)
    queue = compare.Queue(protocol, {None: None}, 3)  # type: ignore[dict-item]
    threads = [threading.Thread(target=queue.do, args=(run,)) for run in ordered if run.seed == 0 and run.method == "sequential"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert most[0] == 1, "two runs trained the same first stage at once"
    assert queue.ready == {compare_runs.stage_folder(ordered[0], protocol)}
    assert len(compare_runs.read_results(tmp_path)) == 2


def test_resume_and_clash_of_settings(tmp_path: Path) -> None:
    run, protocol = Run("denoiseg", 20.0, 10, 0), Protocol(tmp_path, BUNDLE, 2, data="/d")
    assert not compare_runs.is_done(run, protocol)
    compare_runs.write_result(run, {"settings": protocol.settings(run)}, tmp_path)
    assert compare_runs.is_done(run, protocol)
    assert compare_runs.is_done(run, Protocol(tmp_path, BUNDLE, 2, data="/d", threads=3))
    other = Protocol(tmp_path, BUNDLE, 3, (("denoiseg", "depth", "1"), ("otsu", "tta", "false")), data="/d")
    with pytest.raises(ValueError, match=r"`epochs` 2, now 3; `set` \{\}, now \{'depth': '1'\}\. Pass --overwrite"):
        compare_runs.is_done(run, other)
    assert not compare_runs.is_done(run, other, overwrite=True)


def test_epochs_are_no_matter_without_training(tmp_path: Path) -> None:
    run = Run("otsu", None, None, None)
    compare_runs.write_result(run, {"settings": Protocol(tmp_path, BUNDLE, 2).settings(run)}, tmp_path)
    assert compare_runs.is_done(run, Protocol(tmp_path, BUNDLE, 3))


@pytest.mark.parametrize("values", [[0.5], [0.1, 0.4, None, 0.7], [0.2, float("nan")]])
def test_standard_error(values: Sequence[float | None]) -> None:
    known = np.array([value for value in values if value is not None and np.isfinite(value)])
    found = compare_table.score(values)
    assert found is not None
    np.testing.assert_allclose(found, (known.mean(), known.std() / np.sqrt(len(known)), len(known)), atol=1e-15)
    assert compare_table.score([None, float("nan")]) is None


def some_results() -> list[dict[str, Any]]:
    stage = {"folder": "n20_s0_noise2void", "cpu_seconds": 120.0}
    return [
        *(result("denoiseg", labels, seed, 0.5 + 0.1 * seed) for labels in (76, 10) for seed in (0, 1)),
        *(result("sequential", labels, 0, 0.4, first_stage=stage) for labels in (10, 76)),
        result("noise2void", None, 0, None, scores={"psnr": 30.0}),
        {**result("otsu", None, 0, 0.3), "train": None},
    ]


def test_table(tmp_path: Path) -> None:
    text = compare_table.write_tables(some_results(), tmp_path, ["sequential", "denoiseg"])
    assert text == (tmp_path / "table.md").read_text("utf-8")
    ap = text[text.index("## AP") : text.index("## SEG")]
    lines = [line for line in ap.splitlines() if line.startswith("|")]
    assert lines[0] == "| Noise | Labels | sequential | denoiseg | otsu |"
    assert lines[2] == "| 20 | none | – | – | 0.300 ± 0.000 |"
    assert lines[3] == "| 20 | 10 | 0.400 ± 0.000 | 0.550 ± 0.035 | – |"
    assert "| 20 | none | 30.00 ± 0.00 |" in text
    assert "| 20 | 10 | 1.5 | 1.5 | – |" in text  # minutes of training
    assert "| all | 2.0 |" in text, "a shared first stage counts once"
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["labels"], row["method"]) for row in rows][-2:] == [("76", "sequential"), ("76", "denoiseg")]
    assert (rows[-1]["ap"], rows[-1]["ap_sem"], rows[-1]["n"], rows[-1]["labelled"]) == ("0.55", "0.03536", "2", "76.0")
    assert rows[0]["train_cpu_minutes"] == "" or rows[1]["train_cpu_minutes"] == ""


def test_table_tells_what_differs() -> None:
    results = [result("denoiseg", 1, 0, 0.5), result("baseline", 1, 0, 0.5, settings={"epochs": 5})]
    assert compare_table.differences(results) == ["the runs differ in `epochs`: 2, 5"]
    assert "Mind: the runs differ in `epochs`" in compare_table.to_markdown(compare_table.summarise(results), results)
    assert compare_table.summarise([]) == []


def test_plot() -> None:
    rows = compare_table.summarise(some_results())
    root = ElementTree.fromstring(compare_plot.figure(rows))
    text = [node.text for node in root.iter() if node.tag.endswith("text")]
    assert {"AP, noise 20", "SEG, noise 20", "10", "76", "denoiseg", "otsu"} <= set(text)
    assert "noise2void" not in text, "it has neither AP nor SEG"
    assert sum(node.tag.endswith("polygon") for node in root.iter()) == 4
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    for node in root.iter():
        if node.tag.endswith("circle"):
            assert 0 < float(node.attrib["cx"]) < width
            assert 0 < float(node.attrib["cy"]) < height
    assert compare_plot.figure([]) == ""


def test_axis_is_logarithmic() -> None:
    rows = compare_table.summarise([result("denoiseg", labels, 0, 0.5) for labels in (1, 10, 100)])
    scale = compare_plot._Scale(rows, "ap")
    assert scale.x(10) - scale.x(1) == pytest.approx(scale.x(100) - scale.x(10), abs=0.11)
    one = compare_plot._Scale(rows[:1], "ap")
    assert compare_plot.LEFT < one.x(1) < compare_plot.PANEL_W
    assert one.y(0.55) < one.y(0.5) < one.y(0.45)


def test_command_of_a_bundle_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class Done:
        returncode = 0

    monkeypatch.setattr(common.subprocess, "run", lambda command, **rest: seen.update(command=command, **rest) or Done())
    common.run_bundle("train", tmp_path / "log.txt", overlays=["noise2void"], threads=3, alpha=1)
    files = seen["command"][seen["command"].index("--config_file") + 1]
    assert re.fullmatch(r"\['.*/configs/train\.json', '.*/configs/train/noise2void\.json'\]", files)
    assert seen["env"]["OMP_NUM_THREADS"] == "3"
    assert seen["command"][-2:] == ["--alpha", "1"]
    common.run_bundle("train", tmp_path / "log.txt", overlays=[str(tmp_path / "own")])
    assert seen["command"][-1].endswith(f"'{tmp_path / 'own'}.json']")
    for config in ("evaluate", "inference"):
        common.run_bundle(config, tmp_path / "log.txt", "denoiseg_3d", ["median"])
        assert re.fullmatch(rf"\['.*/configs/{config}\.json', '.*3d/configs/predict/median\.json'\]", seen["command"][-1])


def test_commands_of_the_page_are_right() -> None:
    text = (ROOT / "docs" / "compare.md").read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"^python benchmarks/compare\.py (.*)$", text, re.MULTILINE)
    assert len(commands) > 3
    for command in commands:
        args = compare.parser().parse_args(shlex.split(command))
        assert compare.check(args) is None or args.dsb
        compare_runs.plan_runs(args.methods, args.noise, args.labels, args.seeds, args.bundle)
        compare_runs.check_pairs(args.set, args.methods, args.bundle)


def test_from_end_to_end(
    benchmark: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark("compare")
    data = write_simulated(tmp_path / "data", n_images=8, n_labelled=6, shape=(32, 40))
    tiny = ["depth=1", "features=4", "steps_per_epoch=1", "batch_size=2", "patch_size=[16, 16]", "tta=false", "min_size=3"]
    command = ["--data", str(data), "--output", str(tmp_path / "out"), "--labels", "2", "--epochs", "1", "--set", *tiny]
    # The second method fails: it must not keep the others from being done.
    broken = ["--methods", "sequential", "denoiseg", "--set", "denoiseg:patch_size=[0, 16]"]
    assert compare.main([*command, *broken]) == 1
    shown = capsys.readouterr()
    assert re.search(r"failed: raw_l2_s0_denoiseg: .*patch_size.*log: .*log\.txt", shown.err, re.DOTALL)
    assert [path.stem for path in (tmp_path / "out" / "runs").iterdir()] == ["raw_l2_s0_sequential"]

    assert compare.main([*command, "--methods", "sequential", "denoiseg"]) == 0
    assert "2 runs, 1 of them done before" in capsys.readouterr().out
    done = json.loads((tmp_path / "out" / "runs" / "raw_l2_s0_denoiseg.json").read_text())
    assert done["train"]["data"]["train_labelled"] == 2
    assert {"psnr", "psnr_input", "ap", "seg"} <= done["scores"].keys()
    assert {"table.md", "table.csv", "plot.svg"} <= {path.name for path in (tmp_path / "out").iterdir()}

    monkeypatch.setattr(compare, "record", lambda name, content: common.record(name, content, tmp_path / "results"))
    assert compare.main(["--table-only", "--output", str(tmp_path / "out"), "--record", "tiny"]) == 0
    kept = (tmp_path / "results" / "compare_tiny.json").read_text()
    assert len(json.loads(kept)["runs"]) == len(json.loads(kept)["table"]) == 2
    assert str(data) not in kept, "folders of this machine are nobody's business"
    assert "raw_s0_noise2void" in capsys.readouterr().out, "the first stage has a table of its own"
    with pytest.raises(SystemExit):
        compare.main([*command[:-1], "--epochs", "2", "--methods", "denoiseg"])
    assert "`epochs` 1, now 2" in capsys.readouterr().err
