"""Organs in NIfTI volumes from almost no annotation, through the 3D bundle: train, evaluate, infer, report.

`--case ct`: aorta and vertebra T12 in one CT volume of which five axial slices are annotated; scored on all other slices.
`--case mr`: a brain tumour in MR; one volume annotated, the other one not; scored on the other one.
The outputs must have the affine, header geometry and shape of their input. The last line printed is one JSON object.

    python benchmarks/medical.py --data ../shared/data --case ct
    python benchmarks/medical.py --data ../shared/data --case mr
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
from common import RESULTS, record, run_bundle

from monai_denoiseg.report import write_report

NOT_ANNOTATED = 255
CASES = {
    "ct": {"classes": ["background", "aorta", "T12"], "settings": {"patch_size": [32, 64, 64]}},
    "mr": {"classes": ["background", "tumour"], "settings": {"patch_size": [16, 96, 96], "normalisation": "image"}},
}


def save_label(values: np.ndarray, source: nibabel.Nifti1Image, path: Path) -> None:
    image = nibabel.Nifti1Image(values.astype(np.uint8), source.affine, source.header)
    image.set_data_dtype(np.uint8)
    nibabel.save(image, path)


def prepare_ct(data: Path, root: Path, n_slices: int) -> list[int]:
    """Annotate `n_slices` axial slices, evenly spread over those that show T12; all others are the test."""
    source, label = (nibabel.load(data / "medical_ct_aorta" / f"{name}.nii.gz") for name in ("ct", "seg_aorta1_T12_2"))
    values = np.asarray(label.dataobj)
    shown = np.flatnonzero((values == 2).any((0, 1)))
    chosen = np.unique(np.linspace(shown[0], shown[-1], n_slices + 2)[1:-1].round().astype(int))
    annotated = np.isin(np.arange(values.shape[2]), chosen)
    for part, keep in (("train", annotated), ("test", ~annotated)):
        for folder in ("images", "labels"):
            (root / part / folder).mkdir(parents=True)
        shutil.copy(source.get_filename(), root / part / "images" / "ct.nii.gz")
        save_label(np.where(keep, values, NOT_ANNOTATED), source, root / part / "labels" / "ct.nii.gz")
    return [int(index) for index in chosen]


def prepare_mr(data: Path, root: Path) -> list[str]:
    """Annotate brain1; brain2 trains the denoising and is the test."""
    for part, labelled, images in (("train", "brain1", ("brain1", "brain2")), ("test", "brain2", ("brain2",))):
        for folder in ("images", "labels"):
            (root / part / folder).mkdir(parents=True)
        for name in images:
            shutil.copy(data / "medical_mr_brain" / f"{name}_image.nii.gz", root / part / "images" / f"{name}.nii.gz")
        label = data / "medical_mr_brain" / f"{labelled}_label.nii.gz"
        shutil.copy(label, root / part / "labels" / f"{labelled}.nii.gz")
    return ["brain1"]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with medical_ct_aorta/ and medical_mr_brain/")
    parser.add_argument("--case", choices=list(CASES), required=True)
    parser.add_argument("--slices", type=int, default=5, help="annotated slices of the CT volume")
    parser.add_argument("--max_epochs", type=int, default=10)
    parser.add_argument("--steps_per_epoch", type=int, default=50)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for data and runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()

    name = f"medical_{args.case}_a{args.alpha:g}_s{args.seed}"
    run = args.work / name
    shutil.rmtree(run, ignore_errors=True)
    annotated = prepare_ct(args.data, run / "data", args.slices) if args.case == "ct" else prepare_mr(args.data, run / "data")
    case = CASES[args.case]
    settings = {**case["settings"], "classes": case["classes"], "alpha": args.alpha, "seed": args.seed}
    settings |= {"max_epochs": args.max_epochs, "steps_per_epoch": args.steps_per_epoch, "val_interval": 5}
    settings |= dict(pair.split("=", 1) for pair in args.set)
    place = {"output_dir": run, "ckpt_dir": run / "models"}
    run_bundle("train", run / "log.txt", "denoiseg_3d", dataset_dir=run / "data" / "train", **place, **settings)
    model = {"model_file": run / "models" / "model.pt", "dataset_dir": run / "data" / "test"}
    run_bundle("evaluate", run / "log.txt", "denoiseg_3d", output_dir=run / "evaluation", **model)
    run_bundle("inference", run / "log.txt", "denoiseg_3d", output_dir=run / "predictions", **model)

    (source,) = (run / "data" / "test" / "images").iterdir()
    outputs = sorted((run / "predictions").glob("*.nii.gz"))
    scores = json.loads((run / "evaluation" / "metrics.json").read_text())
    trained = json.loads((run / "settings.json").read_text())
    result = {key: value for key, value in scores.items() if key.startswith("dice")}
    result |= {"case": args.case, "annotated": annotated, "classes": case["classes"], "outputs": [path.name for path in outputs]}
    result["same_geometry"] = same_geometry(outputs, source)
    result |= {f"train_{key}": trained[key] for key in ("seconds", "cpu_seconds", "threads")}
    result["settings"] = {key: value for key, value in trained["settings"].items() if not key.endswith("_dir")}
    print("report in", write_report(run))
    print("recorded in", record(name, result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
