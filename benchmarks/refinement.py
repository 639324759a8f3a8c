"""What `refine` is worth: PSNR of denoised images of dev-train before and after, with networks that are there.

The networks are those of runs in a folder of `fewshot_dsb2018.py`. Every n-th image of dev-train gets new noise of the network's
own level and, with --shot, in its place shot noise of so many grey levels a photon, for which the network was not made. (The
networks were trained on patches of these images, with other noise and without clean targets. Dev-test is never looked at.)
The time of the correction is given as a share of the prediction (with test-time augmentation) it follows.

    python benchmarks/refinement.py --data ../shared/data/dsb2018 --runs benchmarks/work/fewshot
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import RESULTS, record

from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.metrics import psnr
from monai_denoiseg.networks import load_network
from monai_denoiseg.transforms import refine_denoised

NAME = "refinement"


def gains(model: Path, images: list[Path], noise: float, shot: float | None, seed: int) -> dict[str, Any]:
    """PSNR of the denoised and the refined image, each a list over the images, and the seconds both took."""
    network, infer, random = load_network(model), DenoiSegInferer(tta=True), np.random.default_rng(seed)
    found: dict[str, Any] = {"denoised": [], "refined": [], "predicting": 0.0, "refining": 0.0}
    for path in images:
        clean = tifffile.imread(path).astype(np.float32)
        noisy = random.poisson(clean / shot) * shot if shot else clean + random.normal(0, noise, clean.shape)
        noisy = noisy.astype(np.float32)[None]
        start = time.perf_counter()
        denoised = infer(torch.from_numpy(noisy)[None], network)[0, network.n_classes :].numpy()
        middle = time.perf_counter()
        refined = refine_denoised(denoised, noisy)
        found["refining"] += time.perf_counter() - middle
        found["predicting"] += middle - start
        found["denoised"].append(float(psnr(denoised[0], clean)))
        found["refined"].append(float(psnr(refined[0], clean)))
    return found


def summary(name: str, shot: float | None, found: dict[str, Any]) -> dict[str, Any]:
    """Means over the images, and the image that gained least."""
    differences = np.subtract(found["refined"], found["denoised"])
    return {
        "network": name,
        "shot": shot,
        "images": len(differences),
        "denoised": float(np.mean(found["denoised"])),
        "refined": float(np.mean(found["refined"])),
        "gain": float(differences.mean()),
        "least_gain": float(differences.min()),
        "time_share": found["refining"] / found["predicting"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of DSB2018 with dev-train/images")
    parser.add_argument("--runs", type=Path, required=True, help="the --output of fewshot_dsb2018.py")
    parser.add_argument("--networks", nargs="+", default=["n*_l10_s*_paper_denoiseg"], help="names of the runs, as patterns")
    parser.add_argument("--every", type=int, default=15, help="each so-manieth image")
    parser.add_argument("--shot", type=float, help="shot noise of so many grey levels a photon in place of Gaussian noise")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--name", default="", help="suffix of the result file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    images = sorted((args.data / "dev-train" / "images").glob("*.tif"))[:: args.every]
    if not images:
        parser.error(f"--data {args.data}: no TIFF in dev-train/images")
    models = sorted(path for name in args.networks for path in args.runs.glob(f"*/{name}/models/model.pt"))
    models += sorted(path for name in args.networks for path in args.runs.glob(f"first_stages/{name}/model.pt"))
    if not models:
        parser.error(f"--runs {args.runs}: no trained network in {' or '.join(args.networks)}; run fewshot_dsb2018.py first")
    results = []
    for model in models:
        name = model.relative_to(args.runs).parts[1]
        noise = float(re.match(r"n([^_]+)_", name)[1])  # type: ignore[index]
        results.append(summary(name, args.shot, gains(model, images, noise, args.shot, args.seed)))
        one = results[-1]
        print(f"{name}: {one['denoised']:.2f} -> {one['refined']:.2f} dB, least gain {one['least_gain']:+.2f}", flush=True)
    print("recorded in", record(NAME + args.name, {"results": results}, args.results))


if __name__ == "__main__":
    main()
