"""How long Self2Seg takes for one simulated image: default settings, two networks, linear experts, and Noise2Fast alone.

The methods run in turn; of the repetitions the median counts. Beside the seconds stands the processor time, which other programs
on the machine disturb less.

    python benchmarks/self2seg_time.py --size 256 --repeat 3
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, record

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.self2seg import Self2Seg, denoise_noise2fast

METHODS: dict[str, Callable[[torch.Tensor], Any]] = {
    "default": lambda image: Self2Seg()(image),
    "two networks": lambda image: Self2Seg(["noise2fast"] * 2, lam=0.005)(image),
    "constant and linear": lambda image: Self2Seg(["constant", "linear"], ridge=10.0)(image),
    "noise2fast": lambda image: denoise_noise2fast(image),
}


def measure(method: Callable[[torch.Tensor], Any], image: torch.Tensor) -> tuple[float, float, Any]:
    """Seconds, processor seconds and the result of a run."""
    wall, used = time.perf_counter(), time.process_time()
    result = method(image)
    return time.perf_counter() - wall, time.process_time() - used, result


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="pixels on each side")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args(words)
    sample = simulate_nuclei((args.size, args.size), seed=0)
    image = torch.tensor(sample.image, dtype=torch.float32)[None]
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in args.methods}
    dice = {}
    for _ in range(args.repeat):
        for name in args.methods:
            wall, used, result = measure(METHODS[name], image)
            runs[name].append((wall, used))
            if hasattr(result, "labels"):
                mask, truth = result.labels.numpy() == 1, sample.label > 0
                dice[name] = 2 * float((mask & truth).sum() / max(1, mask.sum() + truth.sum()))
    rows = {}
    for name, times in runs.items():
        wall, used = np.median(times, 0)
        rows[name] = {"seconds": float(wall), "processor_seconds": float(used), "dice": dice.get(name)}
        print(f"{name:<20} {wall:6.1f} s, {used:6.1f} s of processor" + (f", Dice {dice[name]:.3f}" if name in dice else ""))
    path = record("self2seg_time", {"size": args.size, "repeat": args.repeat, "methods": rows}, args.results)
    print(json.dumps({"result": path.name}))


if __name__ == "__main__":
    main()
