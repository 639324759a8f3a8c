"""Noise2Fast on single, very noisy fluorescence images: a picture of before and after, and what it does for a plain threshold.

There are no clean images; the masks were made by Cellpose on the clean data. Recorded for each image are the Dice coefficient of
the foreground by Otsu's threshold, before and after denoising (a Gaussian filter of one and of two pixels stands beside it), the
noise left between neighbouring pixels, and the seconds.

    python benchmarks/noise2fast_fig5.py --data ../shared/data/noise2fast_fig5
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from common import RESULTS, record
from PIL import Image
from scipy import ndimage

from monai_denoiseg.networks import noise_sigma, segment_otsu
from monai_denoiseg.self2seg import denoise_noise2fast

SHOWN = 240  # pixels of each image in the figure


def dice(image: np.ndarray, truth: np.ndarray) -> float:
    """Dice coefficient of the foreground by Otsu's threshold."""
    mask = segment_otsu(image)
    return 2 * float((mask & truth).sum() / max(1, mask.sum() + truth.sum()))


def one(path: Path, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """Figures of an image, and its middle before and after."""
    noisy = tifffile.imread(path).astype(np.float32)
    truth = tifffile.imread(path.parent.parent / "masks" / path.name) > 0
    begin = time.perf_counter()
    denoised = denoise_noise2fast(noisy, seed=seed).numpy()
    seconds = time.perf_counter() - begin
    smoothed = {f"gauss{sigma}": dice(ndimage.gaussian_filter(noisy, sigma), truth) for sigma in (1, 2)}
    row = {
        "image": path.stem,
        "dice": {"noisy": dice(noisy, truth), **smoothed, "noise2fast": dice(denoised, truth)},
        "noise": {"noisy": noise_sigma(noisy), "noise2fast": noise_sigma(denoised)},
        "seconds": seconds,
    }
    top, left = ((n - SHOWN) // 2 for n in noisy.shape)
    window = np.s_[top : top + SHOWN, left : left + SHOWN]
    return row, np.concatenate([grey(noisy[window]), grey(denoised[window])])


def grey(image: np.ndarray) -> np.ndarray:
    """As 8 bits, from the 1st to the 99.8th percentile."""
    low, high = np.percentile(image, (1, 99.8))
    return (np.clip((image - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and masks/")
    parser.add_argument("--images", type=int, help="only so many images, spread over the folder")
    parser.add_argument("--shown", type=int, default=6, help="images in the figure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="", help="suffix of the result files")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args(words)
    paths = sorted((args.data / "images").glob("*.tif"))
    if not paths:
        parser.error(f"--data {args.data}: no images/*.tif in it")
    args.paths = [
        paths[i] for i in np.linspace(0, len(paths) - 1, min(args.images or len(paths), len(paths))).round().astype(int)
    ]
    return args


def main(words: Sequence[str] | None = None) -> None:
    args = parse(words)
    rows, strips = [], []
    for path in args.paths:
        row, strip = one(path, args.seed)
        rows.append(row)
        strips.append(strip)
        print(row["image"], {name: round(value, 3) for name, value in row["dice"].items()}, f"{row['seconds']:.0f} s", flush=True)
    shown = np.linspace(0, len(strips) - 1, min(args.shown, len(strips))).round().astype(int)
    args.results.mkdir(parents=True, exist_ok=True)
    name = f"noise2fast_fig5{args.name}"
    Image.fromarray(np.concatenate([strips[i] for i in shown], 1)).save(args.results / f"{name}.png")
    mean = {key: float(np.mean([row["dice"][key] for row in rows])) for key in rows[0]["dice"]}
    better = sum(row["dice"]["noise2fast"] > row["dice"]["noisy"] for row in rows)
    print("mean Dice", {key: round(value, 3) for key, value in mean.items()}, f"better in {better} of {len(rows)}")
    path = record(name, {"seed": args.seed, "mean_dice": mean, "better": better, "images": rows}, args.results)
    print(json.dumps({"result": path.name}))


if __name__ == "__main__":
    main()
