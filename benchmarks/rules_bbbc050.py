"""Which rules make objects of the probabilities of 3D nuclei: smallest object, necks and threshold, on training volumes.

For networks that `fewshot_bbbc050.py` trained: those volumes of dev-train that had no label in their training are predicted
(dev-test is never looked at), without test-time augmentation, and AP is taken for each combination. The two volumes that chose
checkpoint and threshold are among them. The last line printed is one JSON object.

    python benchmarks/rules_bbbc050.py --data ../shared/data/nuclei3d_bbbc050 --names fewshot_bbbc050_a0.5_s0
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import RESULTS, record
from fewshot_bbbc050 import SPACING, choose

from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.metrics import average_precision
from monai_denoiseg.networks import load_network
from monai_denoiseg.transforms import ProbabilitiesToInstances

NAME = "rules_bbbc050"


def predict(run: Path, data: Path) -> list[tuple[torch.Tensor, np.ndarray]]:
    """Class probabilities ``(3, D, H, W)`` and true objects of the volumes without a label in this training."""
    labelled, _ = choose(data, int(json.loads((run / "settings.json").read_text())["settings"]["seed"]))
    network = load_network(run / "models" / "model.pt")
    infer, found = DenoiSegInferer(tile_size=[64, 128, 128], tta=False), []
    for path in sorted((data / "dev-train" / "images").glob("*.tif")):
        if path.stem not in labelled:
            image = torch.from_numpy(tifffile.imread(path).astype(np.float32))[None, None]
            truth = tifffile.imread(data / "dev-train" / "masks" / path.name).astype(np.int32)
            found.append((infer(image, network)[0, :3], truth))
    return found


def score(volumes: list[tuple[torch.Tensor, np.ndarray]], size: int, neck: float, levels: list[float]) -> list[float]:
    """Mean AP of the volumes at each threshold."""
    rule = ProbabilitiesToInstances(min_size=size, split_neck=neck)
    rows = [
        [average_precision(truth, np.asarray(rule(p, threshold=level, spacing=SPACING))[0]) for level in levels]
        for p, truth in volumes
    ]
    return [round(float(value), 4) for value in np.nanmean(np.array(rows), 0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev-train/")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="the --work of fewshot_bbbc050.py")
    parser.add_argument("--names", nargs="+", required=True, help="names of the runs in --work")
    parser.add_argument("--min_size", type=int, nargs="+", default=[0, 30, 60, 100, 150])
    parser.add_argument("--split_neck", type=float, nargs="+", default=[0, 0.7])
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    for name in args.names:
        if not (args.work / name / "models" / "model.pt").is_file():
            parser.error(f"--names {name}: no models/model.pt in {args.work / name}; run fewshot_bbbc050.py first")

    rows: list[dict[str, Any]] = []
    for name in args.names:
        volumes = predict(args.work / name, args.data)
        for neck, size in itertools.product(args.split_neck, args.min_size):
            ap = score(volumes, size, neck, args.thresholds)
            rows.append({"run": name, "volumes": len(volumes), "split_neck": neck, "min_size": size, "ap": ap})
            print(f"{name}: split_neck {neck:g}, min_size {size:g}: AP", dict(zip(args.thresholds, ap, strict=True)), flush=True)
    result = {"thresholds": args.thresholds, "rows": rows}
    print("recorded in", record(NAME, result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
