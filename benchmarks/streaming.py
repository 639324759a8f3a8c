"""Predict a volume larger than memory: peak memory, interruption in the middle, and the same result as without.

A volume of nuclei is simulated block by block into an OME-Zarr. A process of its own predicts it and is killed (SIGKILL) halfway;
a second one goes on; a third predicts it in one go. The last line printed is one JSON object.

    python benchmarks/streaming.py --shape 64 512 512
    python benchmarks/streaming.py --shape 64 2000 2000 --model_file models/model.pt
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import logging
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, record
from torch.utils.data import DataLoader

from monai_denoiseg.data import OmeZarrSink, can_stream, intensity_statistics, open_lazy, simulate_nuclei
from monai_denoiseg.engines import BlindSpotBatch, DenoiSegInferer, DenoiSegTrainer, StreamingPredictor
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet, load_weights, network_for_file
from monai_denoiseg.transforms import BlindSpot, BorderLabel, ProbabilitiesToInstances

WORK = Path(__file__).parent / "work" / "streaming"
BLOCK = (64, 256, 256)
PITCH, RADIUS = 20, 7.0  # a nucleus a cell of this edge, in voxels
OFFSET, PHOTONS, GAIN = 100.0, 40.0, 4.0  # as in `simulate_nuclei`


def blocks(shape: tuple[int, ...], edges: tuple[int, ...] = BLOCK) -> Iterator[tuple[slice, ...]]:
    spans = [[slice(i, min(i + e, n)) for i in range(0, n, e)] for n, e in zip(shape, edges, strict=True)]
    yield from itertools.product(*spans)


def draw_block(window: tuple[slice, ...], seed: int) -> np.ndarray:
    """Photon noise on ellipsoids of random place, size and brightness, each drawn from its own seed, so that blocks fit."""
    low, high = (np.array([getattr(span, end) for span in window]) for end in ("start", "stop"))
    light = np.full(high - low, 0.1, np.float32)
    cells = [range(max(0, (a - PITCH) // PITCH), (b + PITCH) // PITCH + 1) for a, b in zip(low, high, strict=True)]
    for cell in itertools.product(*cells):
        rng = np.random.default_rng((seed, *cell))
        centre = (np.array(cell) + rng.uniform(0.3, 0.7, 3)) * PITCH
        radii, brightness = RADIUS * rng.uniform(0.8, 1.3, 3), rng.uniform(0.5, 1.3)
        a = np.clip(np.floor(centre - radii).astype(int), low, high)
        b = np.clip(np.ceil(centre + radii).astype(int) + 1, low, high)
        if (a >= b).any():
            continue
        grid = np.ogrid[tuple(slice(i, j) for i, j in zip(a, b, strict=True))]
        distance = sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True))
        part = light[tuple(slice(i, j) for i, j in zip(a - low, b - low, strict=True))]
        np.maximum(part, brightness * np.clip(4 * (1.1 - distance), 0, 1), out=part)
    noisy = OFFSET + GAIN * np.random.default_rng((seed, 1, *low)).poisson(PHOTONS * light)
    return np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)


def simulate(path: Path, shape: tuple[int, ...], seed: int) -> None:
    if path.exists():
        return
    sink = OmeZarrSink(path, (1, 1, *shape), "uint16", tile=BLOCK, spacing=(1.0, 0.5, 0.5), unit="um")
    for window in blocks(shape):
        sink.write(0, window, draw_block(window, seed)[None])
    sink.finish()


def quick_network(path: Path, args: argparse.Namespace) -> None:
    """A network trained for a minute or so: it finds nuclei, though not well."""
    simulated = [simulate_nuclei((24, 64, 64), seed=(args.seed, i)) for i in range(4)]
    images = [torch.from_numpy(one.image.astype(np.float32))[None] for one in simulated]
    border = BorderLabel()
    labels = [torch.as_tensor(border(torch.from_numpy(one.label.astype(np.int32))[None])) for one in simulated]
    crops = [(0, 0), (0, 16), (16, 0), (16, 16)]
    items = [
        {"image": image[..., y : y + 48, x : x + 48], "label": label[..., y : y + 48, x : x + 48]}
        for image, label in zip(images, labels, strict=True)
        for y, x in crops
    ]
    torch.manual_seed(args.seed)
    net = DenoiSegNet(3, depth=args.depth, features=args.features)
    net.set_statistics(*intensity_statistics(images))
    loss = DenoiSegLoss()
    net.set_class_weights(loss.segmentation.weight)
    epochs = max(1, args.steps // len(items))
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    loader = DataLoader(items, batch_size=1, shuffle=True)
    DenoiSegTrainer("cpu", epochs, loader, net, optimizer, loss, BlindSpotBatch(BlindSpot())).run()
    torch.save(net.state_dict(), path)


def predict(args: argparse.Namespace) -> None:
    """What the process of its own does."""
    network = load_weights(network_for_file(args.model_file), args.model_file)
    inferer = DenoiSegInferer(args.tile_size, args.tta)
    found = ProbabilitiesToInstances(0.5, min_size=50, split_neck=0)
    StreamingPredictor(network, inferer, args.worker, instances=found, overlap=args.overlap, amp=args.amp, progress=True)(
        args.volume
    )


def run(args: argparse.Namespace, out: Path, stop_after: int | None = None) -> dict[str, Any]:
    """Run the prediction in a process and watch its memory; kill it once that many tiles are done."""
    command = [sys.executable, "-W", "ignore", __file__, "--worker", str(out), "--volume", str(args.volume)]
    command += ["--model_file", str(args.model_file), "--overlap", str(args.overlap), "--amp", args.amp]
    command += ["--tile_size", *map(str, args.tile_size), *(["--tta"] if args.tta else [])]
    start, peak, journal = time.perf_counter(), 0, out / f".{args.volume.name.split('.')[0]}.partial" / "journal.jsonl"
    process = subprocess.Popen(command)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
        if stop_after is not None and count_tiles(journal) >= stop_after:
            process.send_signal(signal.SIGKILL)
            process.wait()
        time.sleep(0.05)
    killed = process.returncode == -signal.SIGKILL
    if process.returncode not in (0, -signal.SIGKILL) or killed == (stop_after is None):
        raise RuntimeError(f"the prediction ended with {process.returncode}")
    return {"seconds": time.perf_counter() - start, "peak_mib": peak / 1024, "tiles_done": count_tiles(journal)}


def count_tiles(journal: Path) -> int:
    return journal.read_text().count('"predict"') if journal.exists() else 0


def fingerprint(folder: Path) -> dict[str, str]:
    """Hash of the values of every output."""
    hashes = {}
    for path in sorted(path for path in folder.iterdir() if can_stream(path)):
        digest = hashlib.sha256()
        with open_lazy(path) as image:
            for window in blocks(image.spatial_shape):
                digest.update(image.read(0, window).tobytes())
        hashes[path.name] = digest.hexdigest()
    return hashes


def count_objects(folder: Path) -> int:
    (path,) = folder.glob("*_instances*")
    with open_lazy(path) as image:
        return max(int(image.read(0, window).max()) for window in blocks(image.spatial_shape))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[64, 2000, 2000], metavar=("Z", "Y", "X"))
    parser.add_argument("--tile_size", type=int, nargs="+", default=[64, 128, 128])
    parser.add_argument("--overlap", type=int, default=64)
    parser.add_argument("--tta", action="store_true")
    parser.add_argument("--amp", default="auto")
    parser.add_argument(
        "--model_file", type=Path, default=None, help="a trained 3D network; by default one is trained in a minute"
    )
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--steps", type=int, default=96, help="steps of the quick training")
    parser.add_argument("--no_reference", action="store_true", help="leave out the third run, in one go")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=WORK, help="folder for volume, network and outputs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    parser.add_argument("--worker", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--volume", type=Path, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.tile_size = args.tile_size * 3 if len(args.tile_size) == 1 else args.tile_size
    return args


def main() -> None:
    args = parse()
    if args.worker is not None:
        predict(args)
        return
    logging.disable(logging.INFO)
    shape = tuple(args.shape)
    args.work.mkdir(parents=True, exist_ok=True)
    args.volume = args.work / f"volume_{'x'.join(map(str, shape))}_s{args.seed}.ome.zarr"
    simulate(args.volume, shape, args.seed)
    if args.model_file is None:
        args.model_file = args.work / f"quick_d{args.depth}_f{args.features}_n{args.steps}_s{args.seed}.pt"
        if not args.model_file.is_file():
            quick_network(args.model_file, args)
    tiles = len(DenoiSegInferer(args.tile_size).tiling(shape, network_for_file(args.model_file)))
    outputs = {name: args.work / name for name in ("resumed", "at_once")}
    for folder in outputs.values():
        shutil.rmtree(folder, ignore_errors=True)
    runs = {"killed": run(args, outputs["resumed"], stop_after=(tiles + 1) // 2), "resumed": run(args, outputs["resumed"])}
    identical = None
    if not args.no_reference:
        runs["at_once"] = run(args, outputs["at_once"])
        identical = fingerprint(outputs["resumed"]) == fingerprint(outputs["at_once"])
    result = {
        "shape": list(shape),
        "voxels": int(np.prod(shape)),
        "tiles": tiles,
        "peak_mib": max(one["peak_mib"] for one in runs.values()),
        "identical_after_kill": identical,
        "objects": count_objects(outputs["resumed"]),
        "runs": runs,
        "settings": {key: getattr(args, key) for key in ("tile_size", "overlap", "tta", "amp", "depth", "features", "seed")},
    }
    record(f"streaming_{'x'.join(map(str, shape))}", result, args.results)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
