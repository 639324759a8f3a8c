"""The few-label results on DSB2018: published numbers, table, figure, record."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")
sys.path.insert(0, str(BENCHMARKS))

import common  # noqa: E402
import compare_fewshot  # noqa: E402
import compare_plot  # noqa: E402
import compare_runs  # noqa: E402
import compare_table  # noqa: E402
import fewshot_dsb2018  # noqa: E402
from compare_runs import Run  # noqa: E402
from published import Published, published  # noqa: E402


def result(method: str, labels: Any, seed: int, ap: float | None, protocol: str = "paper", noise: float = 20.0) -> dict[str, Any]:
    """A result file's content."""
    settings = {"method": method, "noise": noise, "labels": labels, "seed": seed, "protocol": protocol, "data": "/secret/place"}
    settings |= {"epochs": 40, "set": {}}
    train = {"cpu_seconds": 90.0 + 60 * seed, "data": {"train_labelled": 8, "validation_labelled": 2}}
    scores = {"ap": ap, "seg": None if ap is None else ap - 0.1, "psnr": 30.0 + seed}
    return {"settings": settings, "scores": scores, "train": train, "first_stage": None, "evaluation_seconds": 7.0}


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (("ap", "denoiseg", 20, 10), (0.6777, 0.01)),
        (("ap", "denoiseg", 0.0, "all"), (0.7858, 0.002)),
        (("ap", "denoiseg", 0, 2432), (0.7754, 0.004)),
        (("ap", "denoiseg", 10, 76), (0.7116, 0.008)),
        (("ap", "denoiseg_alpha0", 20, 10), (0.5491, None)),
        (("ap", "denoiseg_alpha0", 10, 19), (0.6395, None)),
        (("ap", "sequential", 0, 152), (0.7452, None)),
        (("ap", "sequential", 20, 3800), (0.7815, None)),
        (("seg", "denoiseg", 10, 19), (0.7060, None)),
        (("seg", "denoiseg_alpha0", 0, 10), (0.6529, None)),
        (("seg", "sequential", 20, 38), (0.6903, None)),
        (("psnr", "denoiseg", 10, 10), (37.57, 0.070)),
        (("psnr", "denoiseg", 20, 152), (35.04, None)),
        (("psnr", "noise2void", 20, None), (35.53, 0.027)),
        (("psnr", "noise2void", 10.0, None), (38.01, 0.059)),
    ],
)
def test_published_numbers(wanted: tuple[Any, ...], value: tuple[float, float | None]) -> None:
    assert published(*wanted) == Published(*value)


@pytest.mark.parametrize(
    "wanted",
    [
        ("ap", "denoiseg", 40, 10),
        ("ap", "denoiseg", 20, 11),
        ("ap", "denoiseg", 20, None),
        ("ap", "stardist", 20, 10),
        ("ap", "noise2void", 20, None),
        ("psnr", "denoiseg", 0, 10),
        ("psnr", "noise2void", 20, 10),
        ("ap", "denoiseg", None, 10),
    ],
)
def test_what_was_not_published(wanted: tuple[Any, ...]) -> None:
    assert published(*wanted) is None


def some_results() -> list[dict[str, Any]]:
    """Three seeds of the joint training; of the others not all, and not in the same order."""
    stage = {"folder": "n20_s0_paper_noise2void", "cpu_seconds": 120.0}
    return [
        *(result("denoiseg", 10, seed, ap) for seed, ap in enumerate([0.70, 0.60, 0.80])),
        *(result("denoiseg_alpha0", 10, seed, ap) for seed, ap in ((2, 0.75), (0, 0.60), (1, 0.65))),
        *({**result("sequential", 10, seed, ap), "first_stage": stage} for seed, ap in ((2, 0.90), (7, 0.10), (0, 0.5))),
        result("denoiseg", "all", 0, 0.9),
        result("denoiseg", 10, 0, 0.4, "honest"),
        result("denoiseg_alpha0", 10, 1, 0.3, "honest"),
        result("denoiseg", 38, 0, 0.6, "honest", 10.0),
    ]


def test_differences_are_paired_by_seed() -> None:
    rows = compare_fewshot.table_rows(some_results(), ["denoiseg"])
    place = {(row["protocol"], row["noise"], row["labels"], row["method"]): row for row in rows}
    gains = place["paper", 20, 10, "denoiseg"]["gains"]
    alone, before = np.array([0.1, -0.05, 0.05]), np.array([0.2, -0.1])  # seeds 0, 1, 2; of sequential only 0 and 2
    for other, values, wins in (("denoiseg_alpha0", alone, 2), ("sequential", before, 1)):
        expected = {"mean": values.mean(), "sem": values.std() / np.sqrt(len(values)), "wins": wins, "pairs": len(values)}
        assert gains[other] == pytest.approx(expected)
    assert place["honest", 20, 10, "denoiseg"]["gains"] == {"denoiseg_alpha0": None, "sequential": None}, "no seed in common"
    assert place["paper", 20, 10, "sequential"]["gains"] == {}
    lost = [result("denoiseg", 10, 0, 0.5), result("sequential", 10, 0, None), result("sequential", 10, 1, 0.2)]
    assert compare_fewshot.gain(lost, "sequential") is None


def test_table(tmp_path: Path) -> None:
    text, rows, plot = compare_fewshot.write_results(some_results(), tmp_path, ["denoiseg", "denoiseg_alpha0", "sequential"])
    assert text == (tmp_path / "table.md").read_text("utf-8")
    assert plot == tmp_path / "plot.svg"
    lines = text.splitlines()
    # AP 0.7, 0.6, 0.8: mean 0.7, standard deviation 0.0816 (ddof 0), over the root of 3: 0.047. PSNR 30, 31, 32: 0.816 / 1.732.
    joint = "| 10 | denoiseg | 3 | 0.700 ± 0.047 | 0.678 ± 0.010 | 0.600 ± 0.047 | 0.671 | 31.00 ± 0.47 | 35.38 ± 0.08 "
    joint += "| 2.5 | 8 + 2 |"
    alone = "| 10 | denoiseg_alpha0 | 3 | 0.667 ± 0.036 | 0.549 | 0.567 ± 0.036 | 0.606 | – | – | 2.5 | 8 + 2 |"
    assert {joint, alone} <= {*lines}
    (before,) = (line for line in lines if line.startswith("| 10 | sequential | 3 | 0.500 ± 0.189 | 0.609 |"))
    assert before.endswith("| 4.5 + 2.0 first stage (shared) | 8 + 2 |")
    assert any(line.startswith("| all | denoiseg | 1 | 0.900 ± 0.000 | 0.771 ± 0.006 |") for line in lines)
    assert "| 10 | denoiseg_alpha0 | +0.033 ± 0.036 | 2 of 3 | +0.129 |" in lines
    assert "| 10 | sequential | +0.050 ± 0.106 | 1 of 2 | +0.069 |" in lines
    paper, honest = (text.index(compare_fewshot.TITLES[name]) for name in ("paper", "honest"))
    assert paper < text.index(joint) < honest < text.index("| 10 | denoiseg | 1 | 0.400")
    assert text.count("### Noise 20") == 2
    assert text.count("### Noise 10") == 1

    with (tmp_path / "table.csv").open() as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(rows) == 7
    assert (read[0]["protocol"], read[0]["noise"], read[0]["labels"], read[0]["method"]) == ("paper", "20.0", "10", "denoiseg")
    wanted = {"ap": 0.7, "ap_sem": 0.04714, "published_ap": 0.6777, "train_cpu_minutes": 2.5, "ap_minus_sequential": 0.05}
    wanted |= {"ap_minus_sequential_wins": 1, "ap_minus_sequential_pairs": 2, "published_psnr": 35.38}
    assert {key: float(read[0][key]) for key in wanted} == pytest.approx(wanted)
    assert (read[1]["psnr"], read[1]["ap_minus_sequential"]) == ("", "")
    assert read[2]["published_psnr"] == "35.53", "what sequential denoises with is Noise2Void"


def test_table_of_methods_without_labels(tmp_path: Path) -> None:
    results = [result("noise2void", None, 0, None), {**result("otsu", None, 0, 0.3), "train": None}]
    text = compare_fewshot.write_results(results, tmp_path)[0]
    assert "| none | noise2void | 1 | – | – | – | – | 30.00 ± 0.00 | 35.53 ± 0.03 | 1.5 | 8 + 2 |" in text
    assert "| none | otsu | 1 | 0.300 ± 0.000 | – | 0.200 ± 0.000 | – | 30.00 ± 0.00 | – | – | – |" in text


def test_other_settings_in_one_table_are_told() -> None:
    results = [result("denoiseg", 10, seed, 0.5) for seed in (0, 1)]
    for found, value in zip(results, ("4", "8"), strict=True):
        found["settings"]["set"] = {"features": value}
    (line,) = compare_table.differences(results)
    assert "denoiseg differ in `set`" in line
    assert compare_table.differences([results[0], result("sequential", 10, 0, 0.5)]) == []


def test_figure() -> None:
    rows = compare_fewshot.curves(compare_fewshot.table_rows(some_results()))
    points = {(row["method"], row["noise"]): [] for row in rows}
    for row in rows:
        points[row["method"], row["noise"]].append((row["labelled"], row["ap"].mean))
    assert points["denoiseg, honest", 10] == [(38, 0.6)]
    assert points["denoiseg, published", 10] == [(38, 0.6902)], "within the range of our labels"
    assert len(points["denoiseg, published", 20]) == 10
    assert points["denoiseg_alpha0, published", 20] == [(10, 0.5491)]
    assert points["denoiseg, paper", 20] == [(10, pytest.approx(0.7)), (8, 0.9)], "'all' is what was trained on"
    root = ElementTree.fromstring(compare_plot.figure(rows, ("ap",), across=3))
    text = [node.text for node in root.iter() if node.tag.endswith("text")]
    assert {"AP, noise 10", "AP, noise 20", "denoiseg, paper", "denoiseg, published", "sequential, published"} <= {*text}
    assert not any("SEG" in word for word in text if word)
    assert float(root.attrib["width"]) == 2 * compare_plot.PANEL_W, "two panels beside each other"
    assert compare_plot.look("denoiseg, paper")[0] == compare_plot.look("denoiseg")[0]
    assert len({compare_plot.look(f"denoiseg, {source}") for source in ("paper", "honest", "published")}) == 3


def test_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for found in some_results():
        settings = found["settings"]
        run = Run(*(settings[key] for key in ("method", "noise", "labels", "seed", "protocol")))
        compare_runs.write_result(run, found, tmp_path)
    monkeypatch.setattr(fewshot_dsb2018, "record", lambda name, content: common.record(name, content, tmp_path / "results"))
    assert fewshot_dsb2018.main(["--table-only", "--output", str(tmp_path), "--record", "small"]) == 0
    text = (tmp_path / "results" / "fewshot_dsb2018_small.json").read_text()
    kept = json.loads(text)
    assert (len(kept["runs"]), len(kept["table"])) == (13, 7)
    assert kept["machine"]["versions"]["torch"]
    assert "secret" not in text, "folders of this machine are nobody's business"
    assert kept["table"][0]["ap_minus_denoiseg_alpha0_wins"] == 2
    assert (tmp_path / "plot.svg").is_file()
    assert fewshot_dsb2018.main(["--table-only", "--output", str(tmp_path / "none")]) == 0
    assert "no finished run" in capsys.readouterr().err


def test_commands_that_make_the_runs() -> None:
    def run(method: str, seed: int, noise: float | None, labels: Any, **keys: Any) -> dict[str, Any]:
        made = result(method, labels, seed, 0.5)
        made["settings"] |= {"noise": noise, "set": keys}
        return made

    runs = [run("denoiseg", 1, 20.0, 10), run("denoiseg", 0, 20.0, 10), run("sequential", 0, 20.0, 10, depth="2")]
    runs += [run("sequential", 1, 20.0, 10, depth="2"), run("denoiseg_alpha0", 2, 20.0, 10), run("denoiseg", 0, None, "all")]
    start = "python benchmarks/fewshot_dsb2018.py --data FOLDER --protocol paper"
    assert compare_fewshot.commands(runs) == [
        f"{start} --noise 20 --labels 10 --seeds 0 1 --methods denoiseg sequential --epochs 40 --set sequential:depth=2",
        f"{start} --noise 20 --labels 10 --seeds 2 --methods denoiseg_alpha0 --epochs 40",
        f"{start} --noise none --labels all --seeds 0 --methods denoiseg --epochs 40",
    ]
    options = fewshot_dsb2018.parser()
    made = [
        (args.protocol, noise, labels, seed, method)
        for args in (options.parse_args(line.split()[2:]) for line in compare_fewshot.commands(runs))
        for noise in args.noise
        for labels in args.labels
        for seed in args.seeds
        for method in args.methods
    ]
    keys = ("protocol", "noise", "labels", "seed", "method")
    assert sorted(made, key=str) == sorted((tuple(one["settings"][key] for key in keys) for one in runs), key=str)
