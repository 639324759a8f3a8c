"""Few-label segmentation of noisy nuclei (DSB2018) by the paper's protocol, through the 2D bundle.

Patches of 128 x 128 (at most 10 an image), Gaussian noise added once, 85 % training and 15 % validation patches, all training
images for denoising, `--labels` of them with labels; thresholds from the labelled validation patches; scores on whole test
images. The last line printed is one JSON object.

    python benchmarks/fewshot_dsb2018.py --data ../shared/data/dsb2018 --sigma 20 --labels 10 --seed 0
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import tifffile
from common import RESULTS, record, run_bundle

PATCH = 128
PER_IMAGE = 10
VALIDATION_SHARE = 0.15


def load(folder: Path, sigma: float, rng: np.random.Generator) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, noisy and clean image and instances of every image; the noise is one fixed realisation."""
    items = []
    for path in sorted((folder / "images").glob("*.tif")):
        clean = tifffile.imread(path).astype(np.float32)
        noisy = clean + rng.normal(0, sigma, clean.shape).astype(np.float32)
        items.append((path.stem, noisy, clean, tifffile.imread(folder / "masks" / path.name)))
    return items


def write(folder: Path, name: str, **parts: np.ndarray) -> None:
    for part, array in parts.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / part / f"{name}.tif", array)


def prepare(data: Path, work: Path, sigma: float, n_validation: int) -> Path:
    """Write training and validation patches and test images in the bundle's layout, once for each noise level."""
    root = work / f"dsb2018_n{sigma:g}_v{n_validation}"
    if (root / "done").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    noise, cut = np.random.default_rng(123), np.random.default_rng(0)
    patches = []
    for name, noisy, _, masks in load(data / "dev-train", sigma, noise):
        for number in range(PER_IMAGE if min(noisy.shape) >= PATCH else 0):
            y, x = (int(cut.integers(0, n - PATCH + 1)) for n in noisy.shape)
            window = np.s_[y : y + PATCH, x : x + PATCH]
            patches.append((f"{name}_{number}", noisy[window], masks[window]))
    order = np.random.default_rng(42).permutation(len(patches))
    first = round(VALIDATION_SHARE * len(patches))
    for place, index in enumerate(order):
        if place >= first or place < n_validation:
            name, image, label = patches[index]
            write(root / ("train" if place >= first else "validation"), name, images=image, labels=label)
    for name, noisy, clean, masks in load(data / "dev-test", sigma, noise):
        write(root / "test", name, images=noisy, labels=masks, clean=clean)
    (root / "done").touch()
    return root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev-train/ and dev-test/")
    parser.add_argument("--sigma", type=float, default=20, help="noise in grey levels")
    parser.add_argument("--labels", type=int, default=10, help="labelled training patches")
    parser.add_argument(
        "--seed", type=int, default=0, help="chooses the labelled patches; weights, crops and masks follow it too"
    )
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument(
        "--validation", type=int, default=200, help="labelled validation patches used (the paper: all of its 670)"
    )
    parser.add_argument("--max_epochs", type=int, default=40)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--name", default="", help="suffix of the result file")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for patches and runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    if not (args.data / "dev-train" / "images").is_dir():
        parser.error(f"--data {args.data}: no folder dev-train/images in it")

    folder = prepare(args.data, args.work, args.sigma, args.validation)
    name = f"fewshot_dsb2018_n{args.sigma:g}_l{args.labels}_a{args.alpha:g}_s{args.seed}{args.name}"
    run = args.work / name
    shutil.rmtree(run, ignore_errors=True)
    settings = {
        "seed": args.seed,
        "alpha": args.alpha,
        "n_labels": args.labels,
        "max_epochs": args.max_epochs,
        "features": args.features,
        "val_interval": max(1, args.max_epochs // 5),
        "binary_labels": "keep",
        **dict(pair.split("=", 1) for pair in args.set),
    }
    place = {"output_dir": run, "ckpt_dir": run / "models"}
    run_bundle("train", run / "log.txt", dataset_dir=folder / "train", validation_dir=folder / "validation", **place, **settings)
    model = {"model_file": run / "models" / "model.pt", "binary_labels": "keep"}
    run_bundle("evaluate", run / "log.txt", dataset_dir=folder / "test", output_dir=run / "evaluation", **model)

    trained = json.loads((run / "settings.json").read_text())
    scores = json.loads((run / "evaluation" / "metrics.json").read_text())
    result = {key: scores[key] for key in ("ap", "seg", "psnr", "precision", "recall", "psnr_input", "threshold", "n_images")}
    result |= {
        "train_seconds": trained["seconds"],
        "train_cpu_seconds": trained["cpu_seconds"],
        "train_threads": trained["threads"],
        "validation_labels": args.validation,
    }
    result |= {
        "sigma": args.sigma,
        "labels": args.labels,
        "seed": args.seed,
        "alpha": args.alpha,
        # Folders say nothing about the result.
        "settings": {key: value for key, value in trained["settings"].items() if not key.endswith("_dir")},
    }
    print("recorded in", record(name, result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
