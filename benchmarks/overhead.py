"""What the blind spots, the joint loss, the engine and the data loader cost on top of the bare network.

Runs, in turn, a bare forward/backward/optimizer loop and the DenoiSeg trainer on the same network, and prints the ratio of the
times of each pair. The last line printed is one JSON object.

    python benchmarks/overhead.py
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import RESULTS, record
from torch.utils.data import DataLoader

from monai_denoiseg.data import LabelBalancedBatchSampler, PatchCollate
from monai_denoiseg.engines import BlindSpotBatch, DenoiSegTrainer, Precision
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot, RandOrientd


def network(args: argparse.Namespace) -> DenoiSegNet:
    torch.manual_seed(0)
    return DenoiSegNet(args.spatial_dims, depth=args.depth, features=args.features)


def bare_loop(args: argparse.Namespace) -> Callable[[], None]:
    """Network, mean square of its output, optimizer; the batch is made once."""
    precision, net = Precision(args.device, args.amp), network(args)
    precision.prepare(net)
    optimizer = torch.optim.Adam(net.parameters())
    batch = precision.layout(torch.randn(args.batch, 1, *args.patch, device=args.device))

    def run() -> None:
        for _ in range(args.steps):
            optimizer.zero_grad(set_to_none=True)
            with precision.autocast(net, batch):
                output = net(batch)
            output.square().mean().backward()
            optimizer.step()

    return run


def engine(args: argparse.Namespace, fixed_batch: bool) -> Callable[[], None]:
    """The trainer, with one ready batch or with the real data loader."""
    size = tuple(2 * n for n in args.patch)
    items = [{"image": torch.randn(1, *size), "label": torch.randint(3, (1, *size)), "labelled": i < 8} for i in range(32)]
    sampler = LabelBalancedBatchSampler([item["labelled"] for item in items], args.batch, args.steps)
    collate = PatchCollate(args.patch, transform=RandOrientd(["image", "label"], spatial_dims=args.spatial_dims))
    loader = DataLoader(items, batch_sampler=sampler, collate_fn=collate)
    data = [next(iter(loader))] * args.steps if fixed_batch else loader
    net = network(args)
    prepare = BlindSpotBatch(BlindSpot())
    optimizer = torch.optim.Adam(net.parameters())

    def run() -> None:
        DenoiSegTrainer(args.device, 1, data, net, optimizer, DenoiSegLoss(), prepare, amp=args.amp).run()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spatial_dims", type=int, default=2, choices=(2, 3))
    parser.add_argument("--patch", type=int, nargs="+", default=None)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20, help="steps a run")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--amp", default="auto")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    args.patch = args.patch or ([64, 64] if args.spatial_dims == 2 else [16, 48, 48])
    logging.disable(logging.INFO)

    runs = {"bare": bare_loop(args), "engine": engine(args, True), "engine_and_loader": engine(args, False)}
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(args.pairs):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if args.device != "cpu":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    result: dict[str, object] = {"seconds_per_step_bare": statistics.median(times["bare"]) / args.steps}
    for name in ("engine", "engine_and_loader"):
        ratios = [mine / bare for mine, bare in zip(times[name], times["bare"], strict=True)]
        result[f"ratio_{name}"] = statistics.median(ratios)
        result[f"ratios_{name}"] = ratios
    result["settings"] = {key: value for key, value in vars(args).items() if key != "results"}
    record(f"overhead_{args.spatial_dims}d", result, args.results)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
