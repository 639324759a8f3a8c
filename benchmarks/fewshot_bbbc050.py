"""Few-label segmentation of mouse-embryo nuclei in confocal stacks (BBBC050), through the 3D bundle: real noise, no clean image.

All 16 training volumes serve the denoising, two of them carry labels: one early volume (few large nuclei) and one late one (many
small nuclei) of two embryos drawn by the seed. Two volumes of two other embryos choose checkpoint and threshold. Scores on the
six test volumes. The last line printed is one JSON object.

    python benchmarks/fewshot_bbbc050.py --data ../shared/data/nuclei3d_bbbc050 --alpha 0.5 --seed 0
    python benchmarks/fewshot_bbbc050.py --data ../shared/data/nuclei3d_bbbc050 --alpha 0.5 --seed 0 --every_slice 5
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import tifffile
from common import RESULTS, record, run_bundle

from monai_denoiseg.transforms import KeepSlices

SPACING = [1.75, 0.8, 0.8]
"""Voxel size (ZYX) in micrometres; the files do not tell."""

EARLY, LATE = "t301", "t501"


def choose(data: Path, seed: int) -> tuple[list[str], list[str]]:
    """Names of the labelled training volumes and of the labelled validation volumes."""
    embryos = sorted({path.stem.split("_")[0] for path in (data / "dev-train" / "images").glob("*.tif")})
    drawn = [embryos[i] for i in np.random.default_rng(seed).permutation(len(embryos))]
    first, second, third, fourth = drawn[:4]
    return [f"{first}_{EARLY}", f"{second}_{LATE}"], [f"{third}_{EARLY}", f"{fourth}_{LATE}"]


def prepare(data: Path, root: Path, seed: int, every: int) -> tuple[list[str], list[str]]:
    """Write the folders of one choice of labels in the bundle's layout."""
    shutil.rmtree(root, ignore_errors=True)
    labelled, validation = choose(data, seed)
    for part, source, names in (
        ("train", "dev-train", None),
        ("validation", "dev-train", validation),
        ("test", "dev-test", None),
    ):
        for folder in ("images", "labels"):
            (root / part / folder).mkdir(parents=True)
        for path in sorted((data / source / "images").glob("*.tif")):
            if names is not None and path.stem not in names:
                continue
            shutil.copy(path, root / part / "images" / path.name)
            if part != "train" or path.stem in labelled:
                label = tifffile.imread(data / source / "masks" / path.name)
                if part == "train" and every > 1:
                    label = KeepSlices(every=every)(label[None].astype(np.int32))[0].astype(np.int32)
                tifffile.imwrite(root / part / "labels" / path.name, label)
    return labelled, validation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev-train/ and dev-test/")
    parser.add_argument("--seed", type=int, default=0, help="chooses the labelled volumes; weights and crops follow it")
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--every_slice", type=int, default=1, help="annotate every n-th slice of the labelled volumes only")
    parser.add_argument("--max_epochs", type=int, default=8, help="of 100 steps")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--name", default="", help="suffix of the result file")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for data and runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    if not (args.data / "dev-train" / "images").is_dir():
        parser.error(f"--data {args.data}: no folder dev-train/images in it")

    slices = f"_every{args.every_slice}" if args.every_slice > 1 else ""
    name = f"fewshot_bbbc050_a{args.alpha:g}_s{args.seed}{slices}{args.name}"
    run = args.work / name
    shutil.rmtree(run, ignore_errors=True)
    labelled, validation = prepare(args.data, run / "data", args.seed, args.every_slice)
    settings = {"seed": args.seed, "alpha": args.alpha, "spacing": SPACING, "max_epochs": args.max_epochs}
    settings |= {"val_interval": max(1, args.max_epochs // 4)}
    settings |= dict(pair.split("=", 1) for pair in args.set)
    place = {"output_dir": run, "ckpt_dir": run / "models", "validation_dir": run / "data" / "validation"}
    run_bundle("train", run / "log.txt", "denoiseg_3d", dataset_dir=run / "data" / "train", **place, **settings)
    model = {"model_file": run / "models" / "model.pt", "output_dir": run / "evaluation", "spacing": SPACING}
    run_bundle("evaluate", run / "log.txt", "denoiseg_3d", dataset_dir=run / "data" / "test", **model)

    trained = json.loads((run / "settings.json").read_text())
    scores = json.loads((run / "evaluation" / "metrics.json").read_text())
    result = {key: scores[key] for key in ("ap", "seg", "precision", "recall", "threshold", "n_images")}
    result |= {f"train_{key}": trained[key] for key in ("seconds", "cpu_seconds", "threads")}
    result |= {"alpha": args.alpha, "seed": args.seed, "every_slice": args.every_slice}
    result |= {"labelled": labelled, "validation": validation}
    result["settings"] = {key: value for key, value in trained["settings"].items() if not key.endswith("_dir")}
    print("recorded in", record(name, result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
