"""Hippocampus in MR from a few annotated volumes, through the 3D bundle: train with the plan for classes, score on `dev_test`.

The first N cases of `dev_train` are annotated and all that is trained on; they also choose the checkpoint. One process and one
thread. `cpu_seconds` is what the training took, start and validation included; it is the steps that are fixed, not the time, so
that a busy machine gives the same network. The anchors on the same work are `nnunet_budget.py` (its planner's nnU-Net and CPU
seconds) and the alpha 0 of `--set alpha=0.5`. The last line printed is one JSON object.

    python benchmarks/hippocampus.py --data ../shared/data --labels 5 --steps 360 --seeds 0 1 2
    python benchmarks/hippocampus.py --data ../shared/data --labels 5 --steps 360 --set orientations=turns --name turns
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

NOT_ANNOTATED = 255
SCRIBBLED = 0.05
CLASSES = ["background", "anterior", "posterior"]
STEPS_PER_EPOCH = 20
TUNING = slice(100, 130)
"""Cases of `dev_train` that no training sees, for choices."""


def prepare(data: Path, root: Path, part: str, names: list[str]) -> Path:
    """Copy cases into a folder of images and labels."""
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
        for name in names:
            shutil.copy(data / part / kind / f"{name}.nii.gz", root / kind / f"{name}.nii.gz")
    return root


def scribble(label: np.ndarray, seed: int) -> np.ndarray:
    """Lines of voxels along the first axis, drawn at random, that are 5 % of the volume; all else is not annotated."""
    drawn = np.random.default_rng(seed).random(label.shape[1:]) < SCRIBBLED
    return np.where(drawn[None], label, NOT_ANNOTATED)


def annotate(root: Path, annotation: str) -> Path:
    """Leave a part of the annotation; return what `dataset_dir` has to be."""
    entries = []
    for i, path in enumerate(sorted((root / "labels").iterdir())):
        stored = nibabel.load(path)
        label, entry = np.rint(np.asarray(stored.dataobj)).astype(np.uint8), {"image": f"images/{path.name}"}
        if annotation == "scribbles":
            label = scribble(label, i)
        elif annotation == "one_class":
            label = np.where(label == 1 + i % 2, label, 0)
            entry["annotated"] = [CLASSES[1 + i % 2]]
        image = nibabel.Nifti1Image(label.astype(np.uint8), stored.affine, stored.header)
        image.set_data_dtype(np.uint8)
        nibabel.save(image, path)
        entries.append(entry | {"label": f"labels/{path.name}"})
    (root / "data.json").write_text(json.dumps({"training": entries}))
    return root / "data.json"


def one_run(run: Path, train: Path, test: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Train and evaluate; scores of the set, of the worst case, and CPU seconds."""
    place = {"output_dir": run, "ckpt_dir": run / "models", "validation_fraction": 0}
    run_bundle("train", run / "log.txt", "denoiseg_3d", threads=1, dataset_dir=train, **place, **settings)
    model = {"model_file": run / "models" / "model.pt", "dataset_dir": test}
    run_bundle("evaluate", run / "log.txt", "denoiseg_3d", threads=1, output_dir=run / "evaluation", pictures=False, **model)
    scores = json.loads((run / "evaluation" / "metrics.json").read_text())
    with (run / "evaluation" / "per_image.csv").open() as file:
        worst = min(float(row["dice"]) for row in csv.DictReader(file))
    trained = json.loads((run / "settings.json").read_text())
    found = {key: value for key, value in scores.items() if key.startswith("dice")} | {"worst": worst}
    return found | {key: trained[key] for key in ("seconds", "cpu_seconds", "threads")} | {"settings": trained["settings"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with mr_hippocampus/")
    parser.add_argument("--labels", type=int, default=5, help="annotated volumes")
    parser.add_argument("--steps", type=int, default=360, help="steps of the training, in epochs of 20")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parts = "5 %% of the voxels, or one class in every other case and the other class in the rest"
    parser.add_argument("--annotation", choices=["full", "scribbles", "one_class"], default="full", help=parts)
    parser.add_argument("--test", choices=["dev_test", "tuning"], default="dev_test", help="tuning: 30 unused ones of dev_train")
    parser.add_argument("--name", default="plan", help="of the result")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for data and runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()

    data = args.data / "mr_hippocampus"
    split = json.loads((data / "split.json").read_text())
    name = "_".join(
        ["hippocampus", f"n{args.labels}", *[args.annotation] * (args.annotation != "full"), args.name, str(args.steps)]
    )
    shutil.rmtree(args.work / name, ignore_errors=True)
    train = prepare(data, args.work / name / "train", "dev_train", split["dev_train"][: args.labels])
    train = train if args.annotation == "full" else annotate(train, args.annotation)
    tuning = "dev_train", split["dev_train"][TUNING]
    test = prepare(data, args.work / name / "test", *(tuning if args.test == "tuning" else ("dev_test", split["dev_test"])))
    epochs = max(1, args.steps // STEPS_PER_EPOCH)
    settings = {"classes": CLASSES, "max_epochs": epochs, "steps_per_epoch": STEPS_PER_EPOCH, "val_interval": epochs}
    settings |= dict(pair.split("=", 1) for pair in args.set)
    runs = []
    for seed in args.seeds:
        runs.append({"seed": seed, **one_run(args.work / name / f"s{seed}", train, test, {**settings, "seed": seed})})
        used = runs[-1].pop("settings")
        print(f"seed {seed}: dice {runs[-1]['dice']:.4f}, worst {runs[-1]['worst']:.3f}, {runs[-1]['cpu_seconds']:.0f} CPU s")
    result = {
        "labels": args.labels,
        "annotation": args.annotation,
        "steps": epochs * STEPS_PER_EPOCH,
        "test": args.test,
        "runs": runs,
    }
    result |= {key: float(np.mean([run[key] for run in runs])) for key in ("dice", "worst", "cpu_seconds")}
    result["settings"] = {key: value for key, value in used.items() if not key.endswith("_dir")}
    print("recorded in", record(name, result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
