"""What intensities do to the shipped network: larger fields, damaged pixels, other exposures, and images it does not know.

Every --every-th image of 256 x 256 of dev-test of DSB2018, without test-time augmentation, by rule and threshold of its file.
Objects that a bar or a frame covers do not count: the same parts of the undamaged image stand beside it. Warnings are those that
`infer` gives, for images that nobody should trust it with and for those it was made for. Columns of several versions of the
program stand side by side in the record; another version is measured through PYTHONPATH:

    python benchmarks/robust_intensities.py --data ../shared/data --column after
    PYTHONPATH=/path/to/other/version python benchmarks/robust_intensities.py --data ../shared/data --column before
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import RESULTS, machine
from robust_images import BOXES, DAMAGES, Damage, field, held_out, images_outside

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.metrics import average_precision
from monai_denoiseg.networks import load_network

NAME = "robust_intensities"
FIELDS = (1, 2, 4, 8)
"""Factors of height and width: areas of 1, 4, 16, 64 times the image's."""
NOISE = (0.0, 10.0, 20.0, 40.0)
LARGEST = 256 * 256
"""Pixels of the images that are laid into larger fields and damaged."""
Pair = tuple[np.ndarray, np.ndarray]


class Measured:
    """The shipped network, and what is found with it."""

    def __init__(self) -> None:
        self.network = load_network(bundle_folder("denoiseg_2d") / "models" / "model.pt")
        self.infer = DenoiSegInferer(tta=False)

    def objects(self, image: np.ndarray) -> np.ndarray:
        """Labels of the objects the network finds."""
        batch = torch.from_numpy(image.astype(np.float32))[None, None]
        return np.asarray(self.network.labels(self.infer(batch, self.network)[0]))[0].astype(np.int32)

    def warned(self, images: Iterator[tuple[str, np.ndarray]]) -> dict[str, Any]:
        """Which of the images get a warning; None where the version of the program has no such check."""
        try:
            from monai_denoiseg.engines.domain_check import DomainCheck
        except ImportError:
            return {"warned": 0, "images": len(list(images)), "missed": None}
        missed, found = [], 0
        for name, image in images:
            check = DomainCheck(self.network)
            check.add(name, torch.from_numpy(image.astype(np.float32))[None])
            found += bool(check.outside)
            missed += [name] * (not check.outside)
        return {"warned": found, "images": found + len(missed), "missed": missed}


def score(pairs: Iterator[Pair]) -> float:
    """Mean average precision of found and true objects over images."""
    return float(np.mean([average_precision(masks.astype(np.int32), found.astype(np.int32)) for found, masks in pairs]))


def measure(data: Path, every: int, seed: int) -> dict[str, Any]:
    """All tables."""
    measured = Measured()
    paths = sorted((data / "dsb2018" / "dev-test" / "images").glob("*.tif"))
    images = [tifffile.imread(path).astype(np.float32) for path in paths]
    masks = [tifffile.imread(path.parent.parent / "masks" / path.name) for path in paths]
    some = [pair for pair in zip(images, masks, strict=True) if pair[0].size <= LARGEST][::every]

    def rng(number: int) -> np.random.Generator:
        return np.random.default_rng([seed, number])

    def noisy(sigma: float) -> list[np.ndarray]:
        return [image + rng(k).normal(0, sigma, image.shape).astype(np.float32) for k, image in enumerate(images)]

    def noise(sigma: float) -> Iterator[Pair]:
        return zip(map(measured.objects, noisy(sigma)), masks, strict=True)

    found = damage_tables(measured, some, rng) | {"noise": table("noise", {sigma: noise(sigma) for sigma in NOISE})}
    names = [path.stem for path in paths]
    groups = {
        "outside": images_outside(data, images[::5]),
        "outside, held out": held_out(data, images[::5]),
        **{f"dev-test, noise {sigma:g}": zip(names, noisy(sigma), strict=True) for sigma in NOISE},
        "Confocal_BPAE_B": confocal(data),
    }
    found["warnings"] = {}
    for name, group in groups.items():
        found["warnings"][name] = measured.warned(iter(group))
        print(name, found["warnings"][name], flush=True)
    return found


def table(name: str, rows: Mapping[Any, Iterator[Pair]]) -> dict[str, float]:
    """Scores by row."""
    found = {}
    for row, pairs in rows.items():
        found[str(row)] = round(score(pairs), 4)
        print(name, row, found[str(row)], flush=True)
    return found


def damage_tables(measured: Measured, some: list[Pair], rng: Callable[[int], np.random.Generator]) -> dict[str, dict[str, float]]:
    """Larger fields, damaged pixels, and parts that are covered."""
    clean = [measured.objects(image) for image, _ in some]

    def fields(times: int) -> Iterator[Pair]:
        for k, (image, mask) in enumerate(some):
            wide, truth = field(image, mask, times, rng(k))
            yield measured.objects(wide), truth

    def damaged(damage: Damage) -> Iterator[Pair]:
        return ((measured.objects(damage(image.copy(), rng(k))), mask) for k, (image, mask) in enumerate(some))

    def covered(damage: Damage, shown: bool) -> Iterator[Pair]:
        for k, (image, mask) in enumerate(some):
            hidden = damage(np.full_like(image, np.nan), rng(k)) == damage(image.copy(), rng(k))
            truth = np.where(hidden, 0, mask)
            yield (measured.objects(damage(image.copy(), rng(k))) if shown else np.where(hidden, 0, clean[k])), truth

    undamaged: dict[Any, Iterator[Pair]] = {"nothing": zip(clean, (mask for _, mask in some), strict=True)}
    return {
        "fields": table("fields", {n * n: fields(n) for n in FIELDS}),
        "damaged": table("damaged", undamaged | {name: damaged(damage) for name, damage in DAMAGES.items()}),
        "covered": table("covered", {name: covered(damage, True) for name, damage in BOXES.items()}),
        "same parts, not covered": table("not covered", {name: covered(damage, False) for name, damage in BOXES.items()}),
    }


def confocal(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The nuclei kind of FMD: four raw frames and the mean of fifty, whole and in quarters."""
    raw, mean = (tifffile.imread(data / "fmd" / f"Confocal_BPAE_B_{kind}.tif") for kind in ("raw", "gt"))
    frames = [*raw, mean]
    for number, frame in enumerate(frames):
        yield f"frame {number}", frame
        for y in (0, 256):
            for x in (0, 256):
                yield f"frame {number} quarter {y} {x}", frame[y : y + 256, x : x + 256]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dsb2018/, fmd/, natural_cc0/ and the others")
    parser.add_argument("--column", default="after", help="name of what is measured")
    parser.add_argument("--every", type=int, default=6, help="each so-manieth image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    if not (args.data / "dsb2018" / "dev-test" / "images").is_dir():
        parser.error(f"--data {args.data}: no folder dsb2018/dev-test/images in it")
    torch.set_num_threads(1)
    path = args.results / f"{NAME}.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    found = measure(args.data, args.every, args.seed) | {"every": args.every, "seed": args.seed, "machine": machine()}
    args.results.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | {args.column: found}, indent=2) + "\n")
    print("recorded in", path)


if __name__ == "__main__":
    main()
