"""Denoising of real microscope noise: noisy frames of 12 kinds (FMD, Zhang et al. 2019), through the 2D bundle.

A kind is a field of view: KIND_raw.tif holds noisy frames, KIND_gt.tif the average of 50 frames, the clean reference. Every
method is scored by the PSNR of each denoised frame against it, `20 log10(max - min of the reference) - 10 log10(mean squared
error)`, mean over the frames, and by `checkerboard`, the energy of pixel-scale patterns (1: none).

What each method may look at:

    raw        nothing
    median     3 x 3, nothing is tuned
    nlm        non-local means; h by grid search on the first frame *with the clean reference*, so that its figure is flattering
    n2v, n2v2  trained on the noisy frames of this kind, never on the clean reference; one network a kind
    structn2v  likewise; its mask covers the neighbours whose noise is correlated by more than --mask_limit, measured on the
               differences between the frames. Left out where there are none.

One JSON file a kind and method is kept in --work; a call with the same settings goes on where the last one stopped.

    python benchmarks/denoising_fmd.py --data ../shared/data/fmd --kinds Confocal_MICE WideField_BPAE_G --steps 4000
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from common import RESULTS, record, run_bundle

from monai_denoiseg import metrics
from monai_denoiseg.networks import denoise_median, denoise_nlm, search_h

OVERLAYS = {"n2v": "noise2void", "n2v2": "n2v2", "structn2v": "structn2v"}
METHODS = ("raw", "median", "nlm", *OVERLAYS)
H_GRID = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0)
REACH = 4
STEPS_PER_EPOCH = 100


def load(data: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Noisy frames (N, H, W) and the clean reference (H, W) of a kind, grey levels."""
    return tifffile.imread(data / f"{kind}_raw.tif"), np.squeeze(tifffile.imread(data / f"{kind}_gt.tif")).astype(np.float64)


def noise_correlation(frames: np.ndarray, reach: int = REACH) -> np.ndarray:
    """Correlation of the noise between pixels up to `reach` apart, (2 reach + 1, 2 reach + 1), from the frames alone.

    What differs between frames of one scene is noise (and movement); no clean reference is needed.
    """
    noise = frames - frames.mean(0, dtype=np.float64)
    noise -= noise.mean((1, 2), keepdims=True)
    middle = noise[:, reach:-reach, reach:-reach]
    height, width = middle.shape[1:]
    steps = range(2 * reach + 1)
    products = [[(middle * noise[:, y : y + height, x : x + width]).mean() for x in steps] for y in steps]
    return np.array(products) / products[reach][reach]


def struct_mask(correlation: np.ndarray, limit: float) -> list[list[int]] | None:
    """Smallest odd mask of the neighbours correlated by more than `limit`; None if there are none."""
    above = np.abs(correlation) > limit
    above |= above[::-1, ::-1]  # the two sides are one number, but for the border of the image
    if above.sum() <= 1:
        return None
    ys, xs = np.nonzero(above)
    middle = len(above) // 2
    reach = (int(abs(ys - middle).max()), int(abs(xs - middle).max()))
    box = above[middle - reach[0] : middle + reach[0] + 1, middle - reach[1] : middle + reach[1] + 1]
    return [[int(value) for value in row] for row in box]


def train_and_predict(method: str, frames: np.ndarray, run: Path, settings: dict[str, Any]) -> np.ndarray:
    """Train on the noisy frames (validated on their own blind spots) and denoise them."""
    shutil.rmtree(run, ignore_errors=True)
    (run / "data" / "images").mkdir(parents=True)
    for number, frame in enumerate(frames):
        tifffile.imwrite(run / "data" / "images" / f"frame{number}.tif", frame)
    place = {"output_dir": run, "ckpt_dir": run / "models", "dataset_dir": run / "data", "validation_dir": run / "data"}
    run_bundle("train", run / "log.txt", overlays=[OVERLAYS[method]], **place, **settings)
    model = {"model_file": run / "models" / "model.pt", "dataset_dir": run / "data", "output_dir": run / "denoised"}
    run_bundle("inference", run / "log.txt", **model)
    return np.stack([tifffile.imread(run / "denoised" / f"frame{number}_denoised.tif") for number in range(len(frames))])


def training_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Keys of train.json: the budget, the seed and the user's own."""
    epochs = math.ceil(args.steps / STEPS_PER_EPOCH)
    budget = {"max_epochs": epochs, "steps_per_epoch": math.ceil(args.steps / epochs), "val_interval": max(1, epochs // 5)}
    return {"seed": args.seed, **budget, **dict(pair.split("=", 1) for pair in args.set)}


def denoise(
    method: str, frames: np.ndarray, clean: np.ndarray, run: Path, settings: dict[str, Any]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Denoised frames (N, H, W), and what was chosen on the way."""
    if method == "raw":
        return frames.astype(np.float64), {}
    if method == "median":
        return np.stack([denoise_median(frame) for frame in frames]), {}
    if method == "nlm":
        found = search_h(frames[0], clean, H_GRID)
        return np.stack([denoise_nlm(frame, found.h) for frame in frames]), {"h": found.h}
    return train_and_predict(method, frames, run, settings), {}


def score(denoised: np.ndarray, clean: np.ndarray) -> dict[str, Any]:
    """PSNR of every frame and their mean; the checkerboard figure of the frames and of the reference where there is one."""
    values = [metrics.psnr(frame, clean) for frame in denoised]
    found: dict[str, Any] = {"psnr": float(np.mean(values)), "psnr_frames": values}
    checkerboard = getattr(metrics, "checkerboard", None)
    if checkerboard is not None:
        found["checkerboard"] = float(np.mean([checkerboard(frame) for frame in denoised]))
        found["checkerboard_clean"] = float(checkerboard(clean))
    return found


def one(kind: str, method: str, args: argparse.Namespace) -> dict[str, Any]:
    """Result of a method on a kind: kept from an earlier call with the same settings, or computed and kept."""
    folder = args.work / "fmd" / kind
    trained = method in OVERLAYS
    kept = folder / (f"{method}_s{args.seed}.json" if trained else f"{method}.json")
    frames, clean = load(args.data, kind)
    settings = training_settings(args) if trained else {}
    if method == "structn2v":
        mask = args.mask or struct_mask(noise_correlation(frames), args.mask_limit)
        if mask is None:
            return {"kind": kind, "method": method, "left_out": "the noise of neighbours is not correlated"}
        settings["struct_mask"] = mask
    if kept.is_file():
        result: dict[str, Any] = json.loads(kept.read_text())
        if result["settings"] == settings:
            return result
        print(f"{kept}: other settings than now, done again")
    begin = time.perf_counter()
    denoised, chosen = denoise(method, frames, clean, folder / kept.stem, settings)
    seconds = time.perf_counter() - begin
    result = {"kind": kind, "method": method, "settings": settings, **chosen, **score(denoised, clean), "seconds": seconds}
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / f"{kept.stem}.tif", denoised.astype(np.float32))
    kept.write_text(json.dumps(result, indent=2) + "\n")
    return result


def table(results: Sequence[dict[str, Any]], key: str = "psnr") -> str:
    """A row a kind, a column a method."""
    kinds, methods = (list(dict.fromkeys(result[name] for result in results)) for name in ("kind", "method"))
    found = {(result["kind"], result["method"]): result.get(key) for result in results}
    cells = {place: "-" if value is None else f"{value:.2f}" for place, value in found.items()}
    width = max(map(len, kinds))
    lines = [" ".join([key.ljust(width), *(method.rjust(9) for method in methods)])]
    return "\n".join(
        lines + [" ".join([kind.ljust(width), *(cells.get((kind, m), "").rjust(9) for m in methods)]) for kind in kinds]
    )


def describe_noise(kind: str, frames: np.ndarray) -> dict[str, Any]:
    """Correlation of the noise with the next pixels along Y and X, printed and returned."""
    correlation = noise_correlation(frames)
    along = {"Y": correlation[REACH + 1 :, REACH], "X": correlation[REACH, REACH + 1 :]}
    print(f"{kind}: correlation of the noise", *(f"{axis} {np.round(values, 2).tolist()}" for axis, values in along.items()))
    return {axis: np.round(values, 3).tolist() for axis, values in along.items()}


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with KIND_raw.tif and KIND_gt.tif")
    parser.add_argument("--kinds", nargs="*", default=[], help="names of kinds, or their beginnings; default: all")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--steps", type=int, default=4000, help="training steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mask_limit", type=float, default=0.2, help="correlation from which structn2v covers a neighbour")
    parser.add_argument("--mask", type=json.loads, help="the mask of structn2v for all kinds, such as '[[1,1,1]]'")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--name", default="", help="suffix of the result file")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for runs and denoised frames")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args(words)
    there = sorted(path.name.removesuffix("_raw.tif") for path in args.data.glob("*_raw.tif"))
    if not there:
        parser.error(f"--data {args.data}: no file *_raw.tif in it")
    missing = [name for name in args.kinds if not any(kind.startswith(name) for kind in there)]
    if missing:
        parser.error(f"--kinds {' '.join(missing)}: no such kind; there are {', '.join(there)}")
    if args.steps < 1:
        parser.error(f"--steps must be positive, got {args.steps}")
    args.kinds = [kind for kind in there if not args.kinds or any(kind.startswith(name) for name in args.kinds)]
    return args


def main(words: Sequence[str] | None = None) -> None:
    args = parse(words)
    noise = {kind: describe_noise(kind, load(args.data, kind)[0]) for kind in args.kinds}
    results = []
    for kind in args.kinds:
        for method in args.methods:
            results.append(one(kind, method, args))
            print(kind, method, results[-1].get("psnr", results[-1].get("left_out")), flush=True)
    print(table(results), end="\n\n")
    if any("checkerboard" in result for result in results):
        print(table(results, "checkerboard"), end="\n\n")
    summary = {"seed": args.seed, "steps": args.steps, "noise_correlation": noise, "runs": results}
    print("recorded in", record(f"denoising_fmd{args.name}", summary, args.results))
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
