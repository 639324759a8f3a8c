"""Train the network the 2D bundle ships: fluorescent nuclei (DSB2018), noise from none to strong, any intensity range.

All images of dev-train with all their labels, each at four noise levels; every eighth image is set apart and chooses checkpoint
and thresholds. Scores are those of whole dev-test images at each noise level, with the bundle's plain evaluate.json. With --ship
the network is copied to the bundle.

    python benchmarks/nuclei_model.py --data ../shared/data/dsb2018 --ship
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from common import RESULTS, record, run_bundle
from dsb2018 import load, write

from monai_denoiseg.bundle.folders import bundle_folder

NOISE = (0.0, 10.0, 20.0, 40.0)
"""Standard deviations in grey levels."""
SETTINGS = {"features": 32, "mask_fraction": 1 / 16, "normalisation": "image", "binary_labels": "keep"}
EVERY = 8
KEPT = ("ap", "seg", "psnr", "psnr_input", "precision", "recall", "n_images")


def prepare(data: Path, work: Path) -> Path:
    """Write ``train/``, ``validation/`` and a ``test_n*/`` for each noise level, once."""
    root = work / "data"
    if (root / "done").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    for level, sigma in enumerate(NOISE):
        for number, (name, noisy, _, masks) in enumerate(load(data / "dev-train", sigma, np.random.default_rng([123, level]))):
            if number % EVERY:
                write(root / "train", f"{name}_n{sigma:g}", images=noisy, labels=masks)
            elif number // EVERY % len(NOISE) == level:  # one noise level of each is enough to choose by
                write(root / "validation", f"{name}_n{sigma:g}", images=noisy, labels=masks)
        for name, noisy, clean, masks in load(data / "dev-test", sigma, np.random.default_rng([321, level])):
            write(root / f"test_n{sigma:g}", name, images=noisy, labels=masks, clean=clean)
    (root / "done").touch()
    return root


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev-train/ and dev-test/")
    parser.add_argument("--max_epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work" / "nuclei_model")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    parser.add_argument("--ship", action="store_true", help="copy the network to bundles/denoiseg_2d/models/model.pt")
    args = parser.parse_args()
    if not (args.data / "dev-train" / "images").is_dir():
        parser.error(f"--data {args.data}: no folder dev-train/images in it")
    root, run = prepare(args.data, args.work), args.work / f"run_s{args.seed}"
    settings = {"seed": args.seed, "max_epochs": args.max_epochs, **SETTINGS}
    settings |= dict(pair.split("=", 1) for pair in args.set)
    place = {"dataset_dir": root / "train", "validation_dir": root / "validation", "output_dir": run, "ckpt_dir": run / "models"}
    shutil.rmtree(run, ignore_errors=True)
    run_bundle("train", run / "log.txt", **place, **settings)
    scores = {}
    for sigma in NOISE:
        folder = run / f"evaluation_n{sigma:g}"
        keys = {"model_file": run / "models" / "model.pt", "binary_labels": "keep", "pictures": False}
        run_bundle("evaluate", run / "log.txt", dataset_dir=root / f"test_n{sigma:g}", output_dir=folder, **keys)
        found = json.loads((folder / "metrics.json").read_text("utf-8"))
        scores[f"n{sigma:g}"] = {key: found[key] for key in KEPT if key in found}
    trained = json.loads((run / "settings.json").read_text("utf-8"))
    kept = {key: value for key, value in trained["settings"].items() if not key.endswith("_dir")}
    times = {key: trained[key] for key in ("seconds", "cpu_seconds", "threads")}
    print("recorded in", record("nuclei_model", {"scores": scores, **times, "settings": kept}, args.results))
    if args.ship:
        shutil.copy2(run / "models" / "model.pt", bundle_folder("denoiseg_2d") / "models" / "model.pt")
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
