"""The page of results: its tables say what the records say, and on which images."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGE, BENCHMARKS = ROOT / "docs" / "results.md", ROOT / "benchmarks"
RECORDS = BENCHMARKS / "results"

pytestmark = pytest.mark.skipif(not RECORDS.is_dir(), reason="runs in a checkout of the project only")
sys.path.insert(0, str(BENCHMARKS))

from published import published  # noqa: E402


def section(title: str, text: str | None = None) -> str:
    """The text below a heading, down to the next heading of the same level or above."""
    page = PAGE.read_text("utf-8") if text is None else text
    start = re.search(rf"^(#+) {re.escape(title)}$", page, re.MULTILINE)
    assert start, f"results.md: no heading {title!r}"
    end = re.search(rf"^#{{1,{len(start[1])}}} ", page[start.end() :], re.MULTILINE)
    return page[start.end() : start.end() + end.start() if end else None]


def table(text: str) -> list[list[str]]:
    """The cells of the first table, its head first, without emphasis."""
    block = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert block, "no table"
    rows = [[cell.strip().replace("*", "") for cell in line.strip("|\n").split("|")] for line in block[0].splitlines()]
    return [rows[0], *rows[2:]]


def record(name: str) -> Any:
    return json.loads((RECORDS / f"{name}.json").read_text("utf-8"))


def shown(mean: float | None, error: float | None, digits: int) -> str:
    return "–" if mean is None else f"{mean:.{digits}f} ± {error:.{digits}f}"


def mean_and_error(values: Sequence[float]) -> str:
    return shown(float(np.mean(values)), float(np.std(values) / np.sqrt(len(values))), 3)


FEW = "Nuclei with few labels (DSB2018)"


def few_label_rows() -> list[list[str]]:
    return [row for row in table(section(FEW))[1:] if row[2] != "original package, 16 minutes"]


@pytest.mark.parametrize("number", range(7))
def test_few_labels(number: int) -> None:
    noise, labels, training, choices, *cells = few_label_rows()[number]
    protocol = "honest" if training == "joint, no further labels" else "paper"
    (found,) = [
        row
        for row in record("fewshot_dsb2018_grid")["table"]
        if (row["method"], row["protocol"], row["noise"], row["labels"]) == ("denoiseg", protocol, float(noise), int(labels))
    ]
    assert choices == str(found["n"])
    clean = float(noise) == 0  # the PSNR of images without noise has no published one beside it, and is left out
    for score, digits, ours, theirs in zip(("ap", "seg", "psnr"), (3, 3, 2), cells[::2], cells[1::2], strict=True):
        left_out = clean and score == "psnr"
        assert ours == ("–" if left_out else shown(found[score], found[f"{score}_sem"], digits))
        known = published(score, "denoiseg", float(noise), int(labels))
        assert theirs == (f"{known[0]:.{digits}f}" if known else "–")


def test_every_row_of_few_labels_is_tested() -> None:
    assert len(few_label_rows()) == 7


def test_the_original_package() -> None:
    (row,) = [row for row in table(section(FEW))[1:] if row[2] == "original package, 16 minutes"]
    mean = record("fewshot_tensorflow_n20_l10")["mean"]
    assert row[4::2] == [f"{mean['ap']:.3f}", f"{mean['seg']:.3f}", f"{mean['psnr']:.2f}"]


def test_what_the_denoising_brings() -> None:
    rows = table(section("What the denoising brings (DSB2018, dev-test)"))[1:]
    runs = {
        tuple(run["settings"][key] for key in ("method", "noise", "labels", "seed")): run["scores"]["ap"]
        for run in record("fewshot_dsb2018_grid")["runs"]
        if run["settings"]["protocol"] == "paper"
    }
    assert len(rows) == sum(name == "denoiseg_alpha0" for name, *_ in runs)
    for noise, labels, *cells in rows:
        patches, choice = (int(word) for word in [*re.findall(r"\d+", labels), "1"][:2])
        place = (float(noise), patches, choice - 1)
        found = [runs.get((method, *place)) for method in ("denoiseg", "denoiseg_alpha0", "sequential")]
        assert cells == ["–" if ap is None else f"{ap:.3f}" for ap in found], place


def test_the_network_that_is_included() -> None:
    head, *rows = table(section("The network that is included (DSB2018)"))
    ours = [head.index(f"{score}, dev-test") for score in ("AP", "SEG", "PSNR")]
    assert [row[0] for row in rows] == ["0", "10", "20", "40"]
    for row in rows:
        scores = record("nuclei_model")["scores"][f"n{row[0]}"]
        psnr = f"{scores['psnr']:.2f}" if row[0] != "0" else "–"
        assert [row[place] for place in ours] == [f"{scores['ap']:.3f}", f"{scores['seg']:.3f}", psnr]


ROWS = {"area × ": "fields", "": "damaged", "covered: ": "covered"}


def test_intensities_that_differ() -> None:
    text, found = section("Intensities that differ"), record("robust_intensities")
    rows = {row[0]: row[1:] for row in table(text)[1:]}
    for start, part in ROWS.items():
        for name, ap in found["after"][part].items():
            bare = found["after"]["same parts, not covered"][name] if part == "covered" else None
            wanted = [found["before"][part][name], ap, bare]
            assert rows.pop(start + name) == ["–" if value is None else f"{value:.3f}" for value in wanted]
    assert not rows
    told = " ".join(text.split())
    for name, said in found["after"]["warnings"].items():
        assert re.search(r"noise [124]0", name) or f"{said['warned']} of {said['images']}" in told
    noisy = [found["after"]["warnings"][f"dev-test, noise {sigma}"] for sigma in (10, 20, 40)]
    assert f"{sum(said['warned'] for said in noisy)} of {sum(said['images'] for said in noisy)}" in told


@pytest.mark.parametrize(("row", "alpha"), [(1, "0.5"), (2, "0")])
def test_volumes(row: int, alpha: str) -> None:
    text = section("Volumes with two labels (BBBC050)")
    runs = [record(f"fewshot_bbbc050_a{alpha}_s{seed}") for seed in range(3)]
    assert table(text)[row][1:] == [mean_and_error([run[score] for run in runs]) for score in ("ap", "seg")]
    assert ", ".join(f"{run['ap']:.3f}" for run in runs) in " ".join(text.split())


def test_medical_volumes() -> None:
    rows = table(section("Medical volumes"))[1:]
    told = {row[-1].strip("`") for row in rows}
    assert told == {path.stem for kind in ("hippocampus", "ct") for path in RECORDS.glob(f"{kind}_*.json")}
    for _, annotated, *cells, name in rows:
        found = record(name.strip("`"))
        runs, classes = found["runs"], found["settings"]["classes"][1:]
        parts = ", ".join(f"{one} {np.mean([run[f'dice_{one}'] for run in runs]):.3f}" for one in classes)
        worst = f"{min(run['worst'] for run in runs):.3f}" if "labels" in found else "–"
        figures = [found["steps"], f"{found['cpu_seconds']:.0f}", len(runs), f"{found['dice']:.3f}", parts, worst]
        assert cells == [str(figure) for figure in figures], name
        assert annotated.split()[0] == str(found["labels"] if "labels" in found else len(found["annotated"]))
        assert {run["threads"] for run in runs} == {1}


def test_single_images() -> None:
    text = section("One image, no annotation (Self2Seg)")
    for row, image in zip(table(text)[1:], record("self2seg_mosaics")["images"], strict=True):
        ours = image["methods"]["self2seg"]
        found = [f"{ours['dice'][-1]:.3f}", f"{image['noise2fast']['psnr']:.2f}", f"{ours['psnr'][-1]:.2f}"]
        assert row[1:] == [f"{image['methods']['chan_vese']['dice'][-1]:.2f}", *found]
    rows = {(row["noise"], row["method"]): shown(row["fixed"], row["sem"], 3) for row in record("self2seg_dsb2018")["rows"]}
    for noise, ours, other in table(text[text.index("Single crops") :])[1:]:
        assert [ours, other] == [rows[int(noise), method] for method in ("self2seg_linear", "sequential")]


def test_where_published_figures_stand_the_images_are_named() -> None:
    """Ours are measured on other images than the published ones: nobody may take them for the same."""
    page = PAGE.read_text("utf-8")
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    with_published = [title for title in titles if re.search(r"^\|.*published", section(title, page), re.MULTILINE)]
    assert FEW in with_published
    for title in with_published:
        assert "official" in section(title, page), title
    assert "dev-test" in section(FEW, page).split("###")[0]


def test_every_record_exists() -> None:
    names = re.findall(r"`(\w[\w.]*\.json)`", PAGE.read_text("utf-8"))
    assert len(names) > 20
    assert [name for name in names if not (RECORDS / name).is_file()] == []
