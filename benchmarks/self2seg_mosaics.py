"""Two textures in one image: Chan-Vese, Noise2Fast then Chan-Vese, and Self2Seg on mosaics with exact masks.

Each mosaic gets Gaussian noise of a tenth of its maximum. All methods begin with the same two boxes of 100 x 100 pixels, one in
each texture, and run with each weight of the boundary length. Recorded are the Dice coefficient of the foreground and, for the
denoised images, the PSNR (range 255) of the one expert a region has and of Noise2Fast on the whole image.

    python benchmarks/self2seg_mosaics.py --data ../shared/data/texture_mosaics_cc0
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
import torch
from common import RESULTS, record
from PIL import Image

from monai_denoiseg.self2seg import Self2Seg, denoise_noise2fast

LAMBDAS = (0.01, 0.02, 0.03, 0.04)
EXPERTS = {
    "chan_vese": ["constant"] * 2,
    "sequential": ["constant"] * 2,
    "linear": ["linear"] * 2,
    "self2seg": ["noise2fast"] * 2,
}
BOX = 100


def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels and exact mask of a mosaic."""
    return tifffile.imread(path).astype(np.float32), tifffile.imread(path.with_name(f"{path.stem}_mask.tif")) > 0


def boxes(mask: np.ndarray) -> list[list[list[int]]]:
    """A box in each region: about the middle of the foreground, and where the background has most room."""
    found = []
    for region in (~mask, mask):
        places = [(y, x) for y in range(0, mask.shape[0] - BOX + 1, 25) for x in range(0, mask.shape[1] - BOX + 1, 25)]
        whole = [(y, x) for y, x in places if region[y : y + BOX, x : x + BOX].all()]
        y, x = whole[len(whole) // 2]
        found.append([[y, y + BOX, x, x + BOX]])
    return found


def psnr(image: torch.Tensor, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB for grey levels of 0 to 255."""
    return float(10 * np.log10(255**2 / np.square(image.numpy() - clean).mean()))


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice coefficient of the foreground."""
    return 2 * float((mask & truth).sum() / max(1, mask.sum() + truth.sum()))


def one(path: Path, noise: float, seed: int, lambdas: Sequence[float], methods: Sequence[str]) -> dict[str, Any]:
    """All methods on a mosaic."""
    clean, truth = load(path)
    noisy = clean + np.random.default_rng(seed).normal(0, noise * clean.max(), clean.shape).astype(np.float32)
    image = torch.from_numpy(noisy)[None]
    begin = time.perf_counter()
    denoised = denoise_noise2fast(image, seed=seed)
    whole = {"psnr": psnr(denoised[0], clean), "seconds": time.perf_counter() - begin}
    row: dict[str, Any] = {"image": path.stem, "psnr_noisy": psnr(image[0], clean), "noise2fast": whole, "methods": {}}
    pictures = {"noisy": noisy, "truth": truth * 255.0, "noise2fast": denoised[0].numpy()}
    for method in methods:
        begin = time.perf_counter()
        run = Self2Seg(EXPERTS[method], start="boxes", seed=seed)
        results = run.sweep(denoised if method == "sequential" else image, lambdas, boxes=boxes(truth))
        masks = [result.labels.numpy() == 1 for result in results]
        row["methods"][method] = {
            "dice": [dice(mask, truth) for mask in masks],
            "psnr": None if method == "sequential" else [psnr(result.denoised[0], clean) for result in results],
            "steps": [len(result.records) for result in results],
            "seconds": (time.perf_counter() - begin) / len(results),
        }
        best = int(np.argmax(row["methods"][method]["dice"]))
        pictures[method] = masks[best] * 255.0
        if method == "self2seg":
            pictures["denoised"] = results[best].denoised[0].numpy()
    row["pictures"] = pictures
    return row


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME.tif and NAME_mask.tif")
    parser.add_argument("--noise", type=float, default=0.1, help="standard deviation over the maximum")
    parser.add_argument("--lambdas", type=float, nargs="+", default=list(LAMBDAS), help="weights of the boundary length")
    parser.add_argument("--methods", nargs="+", default=list(EXPERTS), choices=EXPERTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="", help="suffix of the result files")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args(words)
    args.images = [path for path in sorted(args.data.glob("*.tif")) if path.with_name(f"{path.stem}_mask.tif").is_file()]
    if not args.images:
        parser.error(f"--data {args.data}: no NAME.tif with a NAME_mask.tif in it")
    return args


def main(words: Sequence[str] | None = None) -> None:
    args = parse(words)
    rows = []
    for path in args.images:
        row = one(path, args.noise, args.seed, args.lambdas, args.methods)
        pictures = row.pop("pictures")
        strip = np.concatenate([np.clip(picture, 0, 255)[::2, ::2] for picture in pictures.values()], 1).astype(np.uint8)
        rows.append((row, strip))
        print(f"{row['image']}: Noise2Fast {row['noise2fast']['psnr']:.2f} dB")
        for method, found in row["methods"].items():
            figures = " ".join(f"{value:.3f}" for value in found["dice"])
            print(f"    {method:<11} Dice {figures}  PSNR {found['psnr'] and np.round(found['psnr'], 2).tolist()}", flush=True)
    args.results.mkdir(parents=True, exist_ok=True)
    name = f"self2seg_mosaics{args.name}"
    Image.fromarray(np.concatenate([strip for _, strip in rows])).save(args.results / f"{name}.png")
    settings = {"noise": args.noise, "lambdas": args.lambdas, "seed": args.seed}
    path = record(name, {"settings": settings, "images": [row for row, _ in rows]}, args.results)
    print(json.dumps({"result": path.name}))


if __name__ == "__main__":
    main()
