"""Aorta and vertebra T12 in one CT volume from a few annotated slices, through the 3D bundle: train, evaluate, infer.

The axial slices are spread over the whole volume, as in the anchor `forest_ct.py`; all other slices are the test. The label is
the output of another model, and the volume is the one that is trained on: this measures how little annotation completes a scan,
not how well the network knows another patient. `cpu_seconds` is what the training took, start and validation included. The
outputs must have the affine, header geometry and shape of their input. The last line printed is one JSON object.

    python benchmarks/ct.py --data ../shared/data --slices 8 --steps 300 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from common import RESULTS, record, run_bundle

NOT_ANNOTATED = 255
CLASSES = ["background", "aorta", "T12"]
STEPS_PER_EPOCH = 20


def save_label(values: np.ndarray, source: nibabel.Nifti1Image, path: Path) -> None:
    image = nibabel.Nifti1Image(values.astype(np.uint8), source.affine, source.header)
    image.set_data_dtype(np.uint8)
    nibabel.save(image, path)


def prepare(data: Path, root: Path, n_slices: int) -> list[int]:
    """Annotate `n_slices` axial slices for the training; all others are the test."""
    source, label = (nibabel.load(data / "medical_ct_aorta" / f"{name}.nii.gz") for name in ("ct", "seg_aorta1_T12_2"))
    values = np.rint(np.asarray(label.dataobj)).astype(np.uint8)
    depth = values.shape[2]
    chosen = np.unique(np.linspace(0, depth - 1, n_slices + 2)[1:-1].round().astype(int))
    annotated = np.isin(np.arange(depth), chosen)
    for part, keep in (("train", annotated), ("test", ~annotated)):
        for folder in ("images", "labels"):
            (root / part / folder).mkdir(parents=True)
        shutil.copy(source.get_filename(), root / part / "images" / "ct.nii.gz")
        save_label(np.where(keep, values, NOT_ANNOTATED), source, root / part / "labels" / "ct.nii.gz")
    return [int(index) for index in chosen]


def same_geometry(outputs: list[Path], source: Path) -> bool:
    """Whether shape, affine and the header's geometry are those of the input, to the bit."""
    reference = nibabel.load(source)
    fields = ["pixdim", "xyzt_units", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z"]
    fields += ["quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"]
    return all(
        image.shape[:3] == reference.shape
        and np.array_equal(image.affine, reference.affine)
        and all(np.array_equal(image.header[name], reference.header[name]) for name in fields)
        for image in map(nibabel.load, outputs)
    )


def one_run(run: Path, data: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Train, evaluate and infer; scores, names and geometry of the outputs, CPU seconds."""
    place = {"output_dir": run, "ckpt_dir": run / "models", "validation_fraction": 0}
    run_bundle("train", run / "log.txt", "denoiseg_3d", threads=1, dataset_dir=data / "train", **place, **settings)
    model = {"model_file": run / "models" / "model.pt", "dataset_dir": data / "test"}
    run_bundle("evaluate", run / "log.txt", "denoiseg_3d", threads=1, output_dir=run / "evaluation", pictures=False, **model)
    run_bundle("inference", run / "log.txt", "denoiseg_3d", threads=1, output_dir=run / "predictions", **model)
    outputs = sorted((run / "predictions").glob("*.nii.gz"))
    scores = json.loads((run / "evaluation" / "metrics.json").read_text())
    trained = json.loads((run / "settings.json").read_text())
    found = {key: value for key, value in scores.items() if key.startswith("dice")}
    found |= {"outputs": [path.name for path in outputs]}
    found["same_geometry"] = same_geometry(outputs, data / "test" / "images" / "ct.nii.gz")
    return found | {key: trained[key] for key in ("seconds", "cpu_seconds", "threads", "settings")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with medical_ct_aorta/")
    parser.add_argument("--slices", type=int, default=8, help="annotated slices")
    parser.add_argument("--steps", type=int, default=300, help="steps of the training, in epochs of 20")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--name", default="plan", help="of the result")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for data and runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()

    name = f"ct_{args.slices}_slices_{args.name}_{args.steps}"
    root = args.work / name
    shutil.rmtree(root, ignore_errors=True)
    annotated = prepare(args.data, root / "data", args.slices)
    per_epoch = min(STEPS_PER_EPOCH, args.steps)
    epochs = args.steps // per_epoch
    settings = {"classes": CLASSES, "max_epochs": epochs, "steps_per_epoch": per_epoch, "val_interval": epochs}
    settings |= dict(pair.split("=", 1) for pair in args.set)
    runs = []
    for seed in args.seeds:
        runs.append({"seed": seed, **one_run(root / f"s{seed}", root / "data", {**settings, "seed": seed})})
        used, last = runs[-1].pop("settings"), runs[-1]
        print(f"seed {seed}: aorta {last['dice_aorta']:.3f}, T12 {last['dice_T12']:.3f}, {last['cpu_seconds']:.0f} CPU s")
    result = {"annotated": annotated, "steps": epochs * per_epoch, "test": "all other slices", "runs": runs}
    result |= {key: float(np.mean([run[key] for run in runs])) for key in ("dice", "dice_aorta", "dice_T12", "cpu_seconds")}
    result["settings"] = {key: value for key, value in used.items() if not key.endswith("_dir")}
    print("recorded in", record(name, result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
