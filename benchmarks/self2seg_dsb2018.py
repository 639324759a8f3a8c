"""One noisy crop, no training data: Chan-Vese, Noise2Fast then Chan-Vese, and Self2Seg on nuclei (DSB2018).

A crop of 128 x 128 of each image (of its four corners and its centre the one with most foreground), Gaussian noise in grey levels
added once. Every method segments it with every weight of the boundary length (`lambda`); the score is the Dice coefficient of
the foreground. Three figures a method and noise level:

    fixed   one lambda for all images: the best on crops of dev-train, scored on dev-test
    oracle  the best lambda of each image by its own truth, as the paper reports; no user can have it
    rule    chosen for each image without truth, by held-out pixels

Methods: `chan_vese` and `sequential` (Noise2Fast first) begin with Otsu's threshold, the others with Otsu's threshold of the
denoised image. `self2seg` has a constant background and a Noise2Fast network for the nuclei, `self2seg_linear` a constant and a
linear filter, and `chan_vese_box` two constants. From 30 grey levels of noise on the last two average the residuals over 3 x 3
pixels, as the paper does; `chan_vese_box` shows what start and averaging alone do.

A crop's scores are kept in --work; a call with the same settings goes on where the last one stopped.

    python benchmarks/self2seg_dsb2018.py --data ../shared/data/dsb2018 --images 24 --tune 6
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import RESULTS, record

from monai_denoiseg.metrics import psnr
from monai_denoiseg.self2seg import LinearExpert, Self2Seg, denoise_noise2fast

CROP = 128
LAMBDAS = (0.003, 0.007, 0.015, 0.025, 0.04, 0.07, 0.12, 0.2)
METHODS = ("chan_vese", "sequential", "chan_vese_box", "self2seg_linear", "self2seg")
STRONG = 30  # grey levels of noise from which the residuals of the methods that are not published so are averaged over 3 x 3
CHAN_VESE = {"experts": ["constant"] * 2, "max_outer": 30, "energy_tolerance": 0.0}
# The published results, Gruber et al. 2023, table 1 (other images, lambda by oracle).
PUBLISHED = {
    "chan_vese": {10: 0.820, 30: 0.773, 50: 0.582},
    "sequential": {10: 0.799, 30: 0.777, 50: 0.735},
    "self2seg": {10: 0.851, 30: 0.825, 50: 0.786},
}


def crops(folder: Path, count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, clean crop and foreground of `count` images spread over a folder."""
    paths = [path for path in sorted((folder / "images").glob("*.tif")) if min(tifffile.imread(path).shape) >= CROP]
    for index in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int):
        image, masks = (tifffile.imread(folder / sub / paths[index].name) for sub in ("images", "masks"))
        bottom, right = (n - CROP for n in image.shape)
        corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
        windows = [np.s_[y : y + CROP, x : x + CROP] for y, x in corners]
        window = max(windows, key=lambda at: (masks[at] > 0).mean())
        yield paths[index].stem, image[window].astype(np.float32), masks[window] > 0


def dice(found: torch.Tensor, truth: np.ndarray) -> float:
    """Dice coefficient of the foreground; 1 where both are empty."""
    mask = found.numpy() == 1
    total = int(mask.sum() + truth.sum())
    return 1.0 if total == 0 else 2 * int((mask & truth).sum()) / total


def segmenter(method: str, noise: float, args: argparse.Namespace, lam: float | None = 0.1) -> Self2Seg:
    """Self2Seg as the method needs it."""
    options: dict[str, Any] = {
        "lam": lam,
        "lam_path": args.lambdas if lam is None else None,
        "start_threshold": None,
        "seed": args.seed,
    }
    if method in ("chan_vese", "sequential"):
        return Self2Seg(start="threshold", **options, **CHAN_VESE)
    options |= {"start": "denoise", "residual_box": 3 if noise >= STRONG and method != "self2seg" else 1}
    if method == "chan_vese_box":
        return Self2Seg(**options, **CHAN_VESE)
    if method == "self2seg_linear":
        return Self2Seg(["constant", LinearExpert(radius=3, ridge=10.0)], energy_tolerance=0.02, **options)
    given = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in args.set)}
    return Self2Seg(["constant", "noise2fast"], **{"max_outer": 4, "warm_iterations": 50, **options, **given})


def one(
    method: str, noise: float, noisy: np.ndarray, clean: np.ndarray, truth: np.ndarray, args: argparse.Namespace
) -> dict[str, Any]:
    """Scores of a method on a crop, with each weight and with the one the rule chooses."""
    begin = time.perf_counter()
    image = torch.from_numpy(noisy)[None]
    if method == "sequential":
        image = denoise_noise2fast(image, seed=args.seed)
    results = segmenter(method, noise, args).sweep(image, args.lambdas)
    seconds = time.perf_counter() - begin
    chosen = segmenter(method, noise, args, None)(image)
    denoised = [image[0]] * len(results) if method == "sequential" else [result.denoised[0] for result in results]
    return {
        "dice": [dice(result.labels, truth) for result in results],
        "psnr": [psnr(image.numpy(), clean) for image in denoised],
        "steps": [len(result.records) for result in results],
        "rule": dice(chosen.labels, truth),
        "rule_lambda": chosen.lam,
        "seconds": seconds,
    }


def scores(split: str, count: int, noise: float, method: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Scores of a method on the crops of a split, kept from an earlier call or computed and kept."""
    found = []
    settings = {"method": method, "set": args.set if method == "self2seg" else [], "seed": args.seed, "lambdas": args.lambdas}
    for number, (name, clean, truth) in enumerate(crops(args.data / split, count)):
        kept = args.work / "self2seg_dsb2018" / split / f"n{noise:g}" / f"{name}_{method}{args.name}.json"
        if kept.is_file() and json.loads(kept.read_text())["settings"] == settings:
            found.append(json.loads(kept.read_text()))
            continue
        noisy = clean + np.random.default_rng([number, int(noise)]).normal(0, noise, clean.shape).astype(np.float32)
        result = {"image": name, "settings": settings, **one(method, noise, noisy, clean, truth, args)}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(result) + "\n")
        print(f"{split} n{noise:g} {method} {name}: best {max(result['dice']):.3f}, rule {result['rule']:.3f}", flush=True)
        found.append(result)
    return found


def summary(tune: Sequence[dict[str, Any]], test: Sequence[dict[str, Any]], lambdas: Sequence[float]) -> dict[str, Any]:
    """Fixed, oracle and rule: mean Dice over the test crops, with the standard error of the fixed one."""
    best = int(np.mean([result["dice"] for result in tune], 0).argmax())
    table = np.array([result["dice"] for result in test])
    fixed = table[:, best]
    return {
        "lambda": lambdas[best],
        "fixed": float(fixed.mean()),
        "sem": float(fixed.std(ddof=1) / np.sqrt(len(fixed))) if len(fixed) > 1 else 0.0,
        "oracle": float(table.max(1).mean()),
        "rule": float(np.mean([result["rule"] for result in test])),
        "psnr": float(np.mean([result["psnr"][best] for result in test])),
        "seconds": float(np.median([result["seconds"] for result in test])),
        "per_lambda": table.mean(0).round(4).tolist(),
    }


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev-train/ and dev-test/")
    parser.add_argument("--images", type=int, default=24, help="crops of dev-test")
    parser.add_argument("--tune", type=int, default=6, help="crops of dev-train that choose the fixed lambda")
    parser.add_argument("--noise", type=float, nargs="+", default=[10, 30, 50], help="grey levels")
    parser.add_argument(
        "--lambdas", type=float, nargs="+", default=list(LAMBDAS), help="weights of the boundary length, ascending"
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=JSON", help="options of Self2Seg")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="", help="suffix of the kept files and the result")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for the scores of the crops")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args(words)
    for split in ("dev-train", "dev-test"):
        if not (args.data / split / "images").is_dir():
            parser.error(f"--data {args.data}: no folder {split}/images in it")
    if args.images < 1 or args.tune < 1:
        parser.error("--images and --tune must be at least 1")
    return args


def main(words: Sequence[str] | None = None) -> None:
    args = parse(words)
    found = []
    for noise in args.noise:
        for method in args.methods:
            tune, test = (
                scores(split, count, noise, method, args)
                for split, count in (("dev-train", args.tune), ("dev-test", args.images))
            )
            row = {"noise": noise, "method": method, **summary(tune, test, args.lambdas)}
            row["published_oracle"] = PUBLISHED.get(method, {}).get(int(noise))
            found.append(row)
    print(f"{'noise':>5} {'method':<15} {'lambda':>7} {'fixed':>6} {'SEM':>5} {'oracle':>6} {'rule':>6} {'PSNR':>6} {'s':>6}")
    for row in found:
        numbers = f"{row['lambda']:7g} {row['fixed']:6.3f} {row['sem']:5.3f} {row['oracle']:6.3f} {row['rule']:6.3f}"
        print(f"{row['noise']:5g} {row['method']:<12} {numbers} {row['psnr']:6.2f} {row['seconds']:6.1f}")
    settings = {key: value for key, value in vars(args).items() if key not in ("data", "work", "results")}
    path = record(f"self2seg_dsb2018{args.name}", {"settings": settings, "rows": found}, args.results)
    print(json.dumps({"result": path.name}))


if __name__ == "__main__":
    main()
