"""How to choose the threshold from a handful of labelled patches: rules, replayed on networks that are there.

The networks are those of joint runs in a folder of `fewshot_dsb2018.py`, each with the labelled validation patches of its noise
level (dev-train; dev-test is never looked at). For each network AP of every patch at every threshold is taken once, without
test-time augmentation, objects as in the bundle. Then, many times: some patches are drawn and choose the threshold, the others
score it. A rule maximises n log AP - pull (T - usual)² with the number n of true objects of the patches drawn. `argmax` is the
rule of the paper: the best AP, of equals the highest threshold.

    python benchmarks/threshold_choice.py --runs benchmarks/work/fewshot
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import RESULTS, record

from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.handlers.threshold_search import GRID, PULL, USUAL
from monai_denoiseg.metrics import average_precision
from monai_denoiseg.networks import load_network
from monai_denoiseg.transforms import ProbabilitiesToInstances

NAME = "threshold_choice"
Rule = Callable[[np.ndarray, int, np.ndarray], int]


def pulled(pull: float, usual: float = USUAL) -> Rule:
    """The rule of the package (index of the threshold) with other numbers."""

    def choose(ap: np.ndarray, n: int, thresholds: np.ndarray) -> int:
        worth = n * np.log(np.maximum(ap, 1e-9)) - pull * (thresholds - usual) ** 2
        return len(worth) - 1 - int(worth[::-1].argmax())

    return choose


def always(level: float) -> Rule:
    """No choice at all."""
    return lambda ap, n, thresholds: int(np.abs(thresholds - level).argmin())


def rules() -> dict[str, Rule]:
    """Those compared."""
    numbers = [(pull, usual) for usual in (0.5, USUAL, 0.7) for pull in (10.0, 30.0, PULL, 120.0)]
    found = {"argmax": pulled(0), "always 0.5": always(0.5), f"always {USUAL:g}": always(USUAL)}
    return found | {f"pull {pull:g} to {usual:g}": pulled(pull, usual) for pull, usual in numbers}


def ap_table(run: Path, patches: Path) -> tuple[np.ndarray, np.ndarray]:
    """AP ``(patches, thresholds)`` of a run's network and the number of true objects of each patch, where there is one."""
    network = load_network(run / "models" / "model.pt")
    infer, instances = DenoiSegInferer(tta=False), ProbabilitiesToInstances(min_size=15, split_neck=0.7)
    rows, objects = [], []
    for path in sorted((patches / "images").glob("*.tif")):
        truth = tifffile.imread(patches / "labels" / path.name).astype(np.int32)
        if not truth.any():
            continue
        image = torch.from_numpy(tifffile.imread(path).astype(np.float32))[None, None]
        probabilities = infer(image, network)[0, :3]
        found = [np.asarray(instances(probabilities, threshold=level))[0] for level in GRID]
        rows.append([average_precision(truth, labels) for labels in found])
        objects.append(len(np.unique(truth[truth > 0])))
    return np.array(rows), np.array(objects)


def replay(tables: list[tuple[np.ndarray, np.ndarray]], drawn: int, times: int, seed: int) -> dict[str, Any]:
    """Mean and 5 % quantile of the AP on the other patches, for each rule; and of the threshold best for these."""
    random, thresholds = np.random.default_rng(seed), np.array(GRID)
    scores: dict[str, list[float]] = {name: [] for name in (*rules(), "best possible")}
    n_objects = []
    for table, objects in tables:
        for _ in range(times):
            order = random.permutation(len(table))
            few, others = order[:drawn], table[order[drawn:]].mean(0)
            n_objects.append(int(objects[few].sum()))
            for name, rule in rules().items():
                scores[name].append(float(others[rule(table[few].mean(0), n_objects[-1], thresholds)]))
            scores["best possible"].append(float(others.max()))
    summary = {name: {"ap": float(np.mean(s)), "ap_5_percent": float(np.quantile(s, 0.05))} for name, s in scores.items()}
    return {"patches": drawn, "objects": float(np.mean(n_objects)), "rules": summary}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="the --output of fewshot_dsb2018.py")
    parser.add_argument("--patches", type=int, nargs="+", default=[1, 2, 5, 20, 100], help="how many choose the threshold")
    parser.add_argument("--times", type=int, default=300, help="draws for each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--networks", default="n*_l10_s*_paper_denoiseg", help="names of the runs, as a pattern (ten labels)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    found = [path for path in sorted((args.runs / "work").glob(args.networks)) if (path / "models" / "model.pt").exists()]
    if not found:
        parser.error(f"--runs {args.runs}: no trained network in work/{args.networks}; run fewshot_dsb2018.py first")
    tables = []
    for run in found:
        noise = re.match(r"n([^_]+)_", run.name)[1]  # type: ignore[index]
        patches = sorted((args.runs / "data").glob(f"dsb2018_n{noise}_v*/validation"))[-1]
        tables.append(ap_table(run, patches))
        print(run.name, "AP at", dict(zip(GRID, tables[-1][0].mean(0).round(3).tolist(), strict=True)), flush=True)
    most = min(len(table) for table, _ in tables) - 1
    results = [replay(tables, drawn, args.times, args.seed) for drawn in args.patches if drawn <= most]
    for result in results:
        print(f"\n{result['patches']} patches ({result['objects']:.0f} objects)")
        for name, score in result["rules"].items():
            print(f"    {name:18} AP {score['ap']:.3f}, 5 % quantile {score['ap_5_percent']:.3f}")
    result = {"networks": [run.name for run in found], "usual": USUAL, "pull": PULL, "draws": args.times, "results": results}
    print("recorded in", record(NAME, result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
