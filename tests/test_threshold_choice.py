"""The replay of rules for the threshold: its rule is the package's, its figures are those of a case made by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.handlers import ThresholdSearch
from monai_denoiseg.handlers.threshold_search import PULL, USUAL
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import ProbabilitiesToInstances

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import threshold_choice

        yield threshold_choice
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("seed", range(2))
def test_the_rule_is_the_package_s(script: ModuleType, seed: int) -> None:
    random, thresholds = np.random.default_rng(seed), [0.1, 0.25, 0.4, 0.55, 0.7, 0.85]
    search = ThresholdSearch(DenoiSegNet(2, depth=1, features=4), ProbabilitiesToInstances(rule="paper", min_size=0), thresholds)
    n = 12  # objects of one pixel
    truth = torch.zeros(1, 2, 2 * n, dtype=torch.int32)
    truth[0, 0, ::2] = torch.arange(1, n + 1)
    foreground = torch.zeros(2, 2 * n)
    foreground[0, ::2], foreground[0, 1::2] = torch.from_numpy(random.random((2, n))).float() * torch.tensor([[1.0], [0.3]])
    ap = []
    for level in thresholds:
        labels = (foreground[0] > level).int()
        pieces = int((labels[1:] > labels[:-1]).sum() + labels[0])
        lone = [i for i in range(0, 2 * n, 2) if labels[i] and not labels[max(i - 1, 0) : i].any() and not labels[i + 1]]
        ap.append(len(lone) / (n + pieces - len(lone)))
    search.add(torch.stack([1 - foreground, foreground, 0 * foreground]), truth)
    found = search.choose()
    assert thresholds[script.pulled(PULL)(np.array(ap), n, np.array(thresholds))] == found["threshold"]
    assert found["ap"] == pytest.approx(ap[thresholds.index(found["threshold"])])


def test_replay_by_hand(script: ModuleType) -> None:
    """Two patches: whichever is drawn, the best threshold for it is the worst for the other."""
    table = np.zeros((2, len(script.GRID)))
    table[0, script.GRID.index(0.1)] = table[1, script.GRID.index(0.95)] = 0.9
    table[:, script.GRID.index(0.6)] = 0.8
    done = script.replay([(table, np.array([3, 3]))], drawn=1, times=50, seed=0)
    assert (done["patches"], done["objects"]) == (1, 3)
    assert done["rules"]["argmax"] == {"ap": 0.0, "ap_5_percent": 0.0}
    assert done["rules"]["pull 60 to 0.6"]["ap"] == done["rules"]["always 0.6"]["ap"] == pytest.approx(0.8)
    assert done["rules"]["always 0.5"]["ap"] == 0
    assert done["rules"]["best possible"]["ap"] == pytest.approx(0.9)


def test_the_guide_has_the_figures_of_the_record() -> None:
    kept = json.loads((BENCHMARKS / "results" / "threshold_choice.json").read_text())
    assert (kept["usual"], kept["pull"]) == (USUAL, PULL)
    lines = (BENCHMARKS.parent / "docs" / "recipe.md").read_text().splitlines()
    for result in kept["results"]:
        two = [result["rules"][name] for name in ("argmax", "pull 60 to 0.6", "always 0.6")]
        cells = [f"{score['ap']:.3f} / {score['ap_5_percent']:.3f}" for score in two]
        cells = [str(result["patches"]), f"{result['objects']:.0f}", *cells, f"{result['rules']['best possible']['ap']:.3f}"]
        assert f"| {' | '.join(cells)} |" in lines


def test_runs_on_a_folder_of_runs(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "work" / "n20_l10_s0_paper_denoiseg"
    (run / "models").mkdir(parents=True)
    torch.save(DenoiSegNet(2, depth=1, features=4).state_dict(), run / "models" / "model.pt")
    patches = tmp_path / "data" / "dsb2018_n20_v4" / "validation"
    for folder in ("images", "labels"):
        (patches / folder).mkdir(parents=True)
    truth = np.zeros((32, 32), np.uint16)
    truth[4:12, 4:12], truth[20:28, 20:28] = 1, 2
    for i, label in enumerate([truth, truth.T, 0 * truth, truth]):
        tifffile.imwrite(patches / "labels" / f"{i}.tif", label)
        tifffile.imwrite(patches / "images" / f"{i}.tif", (label * 100).astype(np.float32))
    command = ["threshold_choice.py", "--results", str(tmp_path), "--runs", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*command, "--patches", "1", "2", "3", "--times", "50"])
    script.main()
    kept = json.loads((tmp_path / "threshold_choice.json").read_text())
    assert kept["networks"] == [run.name]
    assert [result["patches"] for result in kept["results"]] == [1, 2], "three patches have objects, one has to be left"
    assert [result["objects"] for result in kept["results"]] == [2, 4]
    monkeypatch.setattr(sys, "argv", [*command, "--networks", "m*"])
    with pytest.raises(SystemExit):
        script.main()
    assert "no trained network in work/m*" in capsys.readouterr().err
