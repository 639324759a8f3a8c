"""Scans of two slice thicknesses in one cohort: resampling to a common voxel size against none, through the 3D bundle.

Hippocampus in MR (voxels of 1 mm). Every second case, of training and test alike, is averaged over three slices to
voxels of 3 x 1 x 1 mm, its label by majority; both kinds are trained on together. `--target auto` is the plan, which
resamples to 1 mm and back; `--target null` shows the network the voxels as they are. Scored on the grids of the test
scans, the thick ones apart; the truth of the volumes is the label on the scan's own grid. One process, one thread. The
last line printed is one JSON object.

    python benchmarks/spacing.py --data ../shared/data --labels 10 --steps 300 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from common import RESULTS, record, run_bundle

CLASSES = ["background", "anterior", "posterior"]
STEPS_PER_EPOCH = 20
THICK = 3


def thicken(file: nibabel.Nifti1Image, label: bool) -> nibabel.Nifti1Image:
    """Average every three slices (X, Y, Z; of a label take the majority); the last ones that are no three are left out."""
    array = np.asarray(file.dataobj)
    array = array[..., : array.shape[2] // THICK * THICK]
    slices = array.reshape(*array.shape[:2], -1, THICK)
    if label:
        shares = np.stack([(slices == value).sum(-1) for value in range(len(CLASSES))])
        thick = shares.argmax(0).astype(array.dtype)
    else:
        thick = slices.mean(-1).astype(np.float32)
    affine = file.affine @ np.diag([1, 1, THICK, 1])
    affine[:3, 3] += file.affine[:3, 2] * (THICK - 1) / 2  # the middle of the first three
    return nibabel.Nifti1Image(thick, affine)


def prepare(data: Path, root: Path, part: str, names: list[str]) -> Path:
    """Cases as images and labels, every second one thick."""
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
        for number, name in enumerate(names):
            source, target = data / part / kind / f"{name}.nii.gz", root / kind / f"{name}.nii.gz"
            if number % 2:
                nibabel.save(thicken(nibabel.load(source), kind == "labels"), target)
            else:
                shutil.copy(source, target)
    return root


def volumes(label: Path) -> np.ndarray:
    """Volume of each class but the background, in mL."""
    file = nibabel.load(label)
    voxel = abs(np.linalg.det(file.affine[:3, :3])) / 1000
    return voxel * np.array([(np.asarray(file.dataobj) == value).sum() for value in range(1, len(CLASSES))])


def geometry(test: Path, predictions: Path, names: list[str]) -> dict[str, Any]:
    """Whether affines of predictions are those of the scans to the bit, and how far volumes are from the truth, in percent."""
    same, found, true = True, [], []
    for name in names:
        image, label = nibabel.load(test / "images" / f"{name}.nii.gz"), predictions / f"{name}_classes.nii.gz"
        same &= np.array_equal(image.affine, nibabel.load(label).affine) and nibabel.load(label).shape == image.shape
        found.append(volumes(label))
        true.append(volumes(test / "labels" / f"{name}.nii.gz"))
    total, truth = np.sum(found, 0), np.sum(true, 0)
    each = np.abs(np.array(found).sum(1) / np.array(true).sum(1) - 1) * 100
    return {
        "affine_bit_equal": bool(same),
        "volume_percent": [round(float(v), 2) for v in (total / truth - 1) * 100],
        "volume_percent_whole": round(float(total.sum() / truth.sum() - 1) * 100, 2),
        "volume_percent_each_case": round(float(each.mean()), 2),
    }


def one_run(run: Path, train: Path, test: Path, thick: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Train, evaluate and infer; Dice of thin and thick scans, and what holds of the outputs of the thick ones."""
    place = {"output_dir": run, "ckpt_dir": run / "models", "validation_fraction": 0}
    run_bundle("train", run / "log.txt", "denoiseg_3d", threads=1, dataset_dir=train, **place, **settings)
    model = {"model_file": run / "models" / "model.pt", "dataset_dir": test}
    run_bundle("evaluate", run / "log.txt", "denoiseg_3d", threads=1, output_dir=run / "evaluation", pictures=False, **model)
    run_bundle("inference", run / "log.txt", "denoiseg_3d", threads=1, output_dir=run / "predictions", **model)
    with (run / "evaluation" / "per_image.csv").open() as file:
        dice = {row["image"].removesuffix(".nii.gz"): float(row["dice"]) for row in csv.DictReader(file)}
    trained = json.loads((run / "settings.json").read_text())
    return {
        "dice_thick": float(np.mean([dice[name] for name in thick])),
        "dice_thin": float(np.mean([value for name, value in dice.items() if name not in thick])),
        **geometry(test, run / "predictions", thick),
        "cpu_seconds": trained["cpu_seconds"],
        "target_spacing": trained["settings"]["target_spacing"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with mr_hippocampus/")
    parser.add_argument("--labels", type=int, default=10, help="annotated volumes, half of them thick")
    parser.add_argument("--steps", type=int, default=300, help="steps of a training, in epochs of 20")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--target", nargs="+", default=["auto", "null"], help="values of target_spacing to compare")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for data and runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()

    data = args.data / "mr_hippocampus"
    split = json.loads((data / "split.json").read_text())
    root = args.work / f"spacing_n{args.labels}_{args.steps}"
    shutil.rmtree(root, ignore_errors=True)
    train = prepare(data, root / "train", "dev_train", split["dev_train"][: args.labels])
    test = prepare(data, root / "test", "dev_test", split["dev_test"])
    epochs = max(1, args.steps // STEPS_PER_EPOCH)
    settings = {"classes": CLASSES, "max_epochs": epochs, "steps_per_epoch": STEPS_PER_EPOCH, "val_interval": epochs}
    settings |= dict(pair.split("=", 1) for pair in args.set)
    runs = []
    for seed in args.seeds:
        for target in args.target:
            given = {**settings, "seed": seed, "target_spacing": target}
            found = one_run(root / f"{target}_s{seed}", train, test, split["dev_test"][1::2], given)
            runs.append({"seed": seed, "target": target, **found})
            print(json.dumps(runs[-1]), flush=True)
    mean = {
        target: {
            key: float(np.mean([run[key] for run in runs if run["target"] == target])) for key in ("dice_thick", "dice_thin")
        }
        for target in args.target
    }
    result: dict[str, Any] = {"labels": args.labels, "steps": epochs * STEPS_PER_EPOCH, "test": "dev_test", "mean": mean}
    if {"auto", "null"} <= mean.keys():
        result["gain_thick"] = mean["auto"]["dice_thick"] - mean["null"]["dice_thick"]
    result |= {"affine_bit_equal": all(run["affine_bit_equal"] for run in runs), "runs": runs}
    print("recorded in", record(f"spacing_n{args.labels}_{args.steps}", result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
