"""How fast Noise2Void trains: the 2D bundle beside CAREamics, and what of a step is not the network.

The same network (depth 2, 32 features), the same image (512 x 512, simulated) and as many threads for both; the programs run in
turn, and every other time in reversed order. A pair gives a ratio, the median of the pairs counts. Only the CPU is measured.

    careamics      its Noise2Void, trained by the script --peer in the environment of --careamics; left out without them
    n2v            train + noise2void of the bundle, as a user runs it: bf16 where the processor gains from it
    n2v_float32    the same with amp=off: what is left without bf16
    n2v_returning  n2v with the C library's own settings, which hand freed memory back to the system after each step
    default        train.json as it is: network, batches and simulated images; only for what of a step is not the network

An epoch is timed from its begin to the end of its last step, so that validation, checkpoints and logs are left out on both sides.
The first one is warm-up; of the others the median counts. What to know of the two sides: of its 64 patches CAREamics keeps 8 for
validation, so that its last batch of 16 is half full (--batch 14 or 8 fills all of them). It loads patches in a process beside
the training, whose processor time is not counted; the bundle loads them in the training itself, and all of it is counted.

`share_outside` is the share of that time outside forward, backward and the optimizer's step: loader, blind spots, loss, handlers.

    python benchmarks/training_speed.py --careamics ../careamics/bin/python --peer ../careamics_n2v_speed.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import RESULTS, record, run_bundle
from training_speed_clock import SPEEDS, rates

PROGRAMS = ("careamics", "n2v", "n2v_float32", "n2v_returning", "default")
N2V = {"depth": 2, "features": 32, "patch_size": [64, 64]}
RATIOS = {
    "n2v_to_careamics": ("n2v", "careamics"),
    "n2v_float32_to_careamics": ("n2v_float32", "careamics"),
    "bf16_gain": ("n2v", "n2v_float32"),
    "kept_memory_gain": ("n2v", "n2v_returning"),
}
PEER_PATCHES = 56  # an epoch: 512 x 512 pixels are 64 patches, of which CAREamics validates on 8
DEFAULT_STEPS = 25  # an epoch of the default network
FIXED = {"dataset_dir", "validation_dir", "output_dir", "ckpt_dir", "batch_size", "max_epochs", "steps_per_epoch", "amp"}
PEER_EPOCH = re.compile(
    r"epoch (\d+): (\d+) patches, loop [\d.]+s = ([\d.]+) patches/s \(step only ([\d.]+)/s\); ([\d.]+) patches per CPU-second"
)
PEER_HEAD = re.compile(r"careamics (\S+) torch (\S+) threads (\d+) .*?params (\d+)")


def noisy_image() -> np.ndarray:
    """Blobs of 512 x 512 pixels with Gaussian noise of 20 grey levels: the image that the peer's script makes."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:512, :512]
    image = np.zeros((512, 512), np.float32)
    for _ in range(150):
        y, x, radius = rng.uniform(0, 512), rng.uniform(0, 512), rng.uniform(5, 12)
        image += 100 * np.exp(-((ys - y) ** 2 + (xs - x) ** 2) / (2 * radius**2)).astype(np.float32)
    noisy: np.ndarray = image + rng.normal(0, 20, image.shape).astype(np.float32)
    return noisy


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median of each column."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def parse_peer(text: str, epochs: int, log: Path) -> dict[str, Any]:
    """What the peer's script printed: versions, threads, parameters, and the median speeds of all epochs but the first.

    Raises:
        RuntimeError: when an epoch or the line with the number of parameters is missing.
    """
    head, found = PEER_HEAD.search(text), PEER_EPOCH.findall(text)
    if head is None or [int(number) for number, *_ in found] != list(range(epochs)):
        wanted = f"'careamics VERSION torch VERSION threads N ... params N' and {epochs} lines 'epoch K: N patches, loop ...'"
        raise RuntimeError(f"--peer: wanted {wanted}, found {len(found)} such epochs in {log}")
    rows = [dict(zip(("patches", *SPEEDS), map(float, numbers), strict=True)) for _, *numbers in found]
    versions = {"careamics": head[1], "torch": head[2]}
    return {"versions": versions, "threads": int(head[3]), "parameters": int(head[4]), "dtype": "float32", **medians(rows[1:])}


def run_careamics(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train with CAREamics in a process of its own.

    Raises:
        RuntimeError: with the end of the log when it fails.
    """
    log, epochs = folder / "log.txt", epochs_for("careamics", args)
    command = [args.careamics, str(args.peer), str(args.batch), str(epochs)]
    threads = str(args.threads)
    # TV_SHIM: the script does without torchvision, which CAREamics does not need for Noise2Void.
    env = {"TV_SHIM": "1", **os.environ, "NT": threads, "OMP_NUM_THREADS": threads, "CUDA_VISIBLE_DEVICES": ""}
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False, env=env).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    if code:
        raise RuntimeError(f"--peer {args.peer.name} failed ({code}), the end of {log}:\n" + "\n".join(text.splitlines()[-5:]))
    return parse_peer(text, epochs, log)


def steps_per_epoch(program: str, batch: int) -> int:
    """As many as the peer has with this batch size, so that both begin as many epochs."""
    return DEFAULT_STEPS if program == "default" else math.ceil(PEER_PATCHES / batch)


def epochs_for(program: str, args: argparse.Namespace) -> int:
    """The warm-up and as many as hold the steps asked for."""
    steps: int = args.steps
    return 1 + math.ceil(steps / steps_per_epoch(program, args.batch))


def keys_for(program: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Keys of train.json for one of our programs."""
    epochs = epochs_for(program, args)
    keys: dict[str, Any] = {"output_dir": folder, "ckpt_dir": folder / "models", "tta": False}
    keys |= {"max_epochs": epochs, "steps_per_epoch": steps_per_epoch(program, args.batch), "val_interval": epochs}
    if program != "default":
        data = folder / "data"
        keys |= {"dataset_dir": data, "validation_dir": data, "batch_size": args.batch, **N2V}
        keys["amp"] = "off" if program == "n2v_float32" else "auto"
    return keys | dict(pair.split("=", 1) for pair in args.set)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables of the processes started inside."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_ours(program: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train through the bundle, with a clock among the handlers."""
    clock = {"_target_": "training_speed_clock.Clock", "path": str(folder / "clock.json")}
    (folder / "clock_handler.json").write_text(json.dumps({"+train#handlers": [clock]}))
    overlays = [str(folder / "clock_handler")]  # an absolute name is taken as it is
    if program != "default":
        (folder / "data" / "images").mkdir(parents=True)
        tifffile.imwrite(folder / "data" / "images" / "blobs.tif", noisy_image())
        overlays.insert(0, "noise2void")
    places = [str(Path(__file__).parent.absolute()), os.environ.get("PYTHONPATH", "")]
    # Any tunable of malloc, also one at its default, keeps the bundle from setting its own.
    memory = {"GLIBC_TUNABLES": "glibc.malloc.perturb=0"} if program == "n2v_returning" else {}
    with environment(PYTHONPATH=os.pathsep.join(filter(None, places)), CUDA_VISIBLE_DEVICES="", **memory):
        run_bundle("train", folder / "log.txt", overlays=overlays, threads=args.threads, **keys_for(program, args, folder))
    found: dict[str, Any] = json.loads((folder / "clock.json").read_text())
    return found | medians([rates(epoch) for epoch in found.pop("epochs")[1:]])


def measure(program: str, args: argparse.Namespace) -> dict[str, Any]:
    """One run of a program, in a folder of its own."""
    folder = args.work.absolute() / "training_speed" / program
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = run_careamics(args, folder) if program == "careamics" else run_ours(program, args, folder)
    if found["threads"] != args.threads:
        raise RuntimeError(f"{program} ran with {found['threads']} threads instead of --threads {args.threads}")
    return found


def in_turn(programs: Sequence[str], pair: int) -> list[str]:
    """The programs in the order of a pair: forwards, backwards, forwards, ..., so that a drift of the machine hits all alike."""
    return list(programs[:: -1 if pair % 2 else 1])


def check_same_network(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Raise if the sides trained networks of different sizes."""
    sizes = {name: found[0]["parameters"] for name, found in runs.items() if name != "default" and found}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise RuntimeError(f"the networks differ in their parameters: {listed}; choose depth and features with --set")


def compare(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """For each ratio and speed those of the pairs and their median; only of programs that ran."""
    found: dict[str, dict[str, Any]] = {}
    for name, (mine, other) in RATIOS.items():
        if mine in runs and other in runs:
            pairs = {key: [a[key] / b[key] for a, b in zip(runs[mine], runs[other], strict=True)] for key in SPEEDS}
            found[name] = {key: {"median": statistics.median(values), "pairs": values} for key, values in pairs.items()}
    return found


def summary(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Each program's median figures and its runs, and the ratios."""
    programs = {}
    for name, found in runs.items():
        figures = [{key: value for key, value in run.items() if isinstance(value, float)} for run in found]
        programs[name] = {**found[0], **medians(figures), "runs": figures}
    return {"programs": programs, "ratios": compare(runs)}


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--careamics", metavar="PYTHON", help="interpreter of an environment with CAREamics")
    parser.add_argument("--peer", type=Path, metavar="SCRIPT", help="its timing script, called as SCRIPT BATCH EPOCHS")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, help="default: all that can be run")
    parser.add_argument("--pairs", type=_positive, default=5, help="runs of each program")
    parser.add_argument("--steps", type=_positive, default=100, help="timed steps a run, rounded up to whole epochs")
    parser.add_argument("--batch", type=_positive, default=16, help="of both sides")
    parser.add_argument("--threads", type=_positive, default=torch.get_num_threads())
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further keys of train.json")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work", help="folder for the runs and their logs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args(words)
    if (args.careamics is None) != (args.peer is None):
        parser.error("--careamics and --peer go together: give both, or neither to measure the bundle alone")
    if args.careamics and shutil.which(args.careamics) is None:
        parser.error(f"--careamics {args.careamics}: not an executable file; give the Python of an environment with CAREamics")
    if args.peer and not args.peer.is_file():
        parser.error(f"--peer {args.peer}: no such file; give the script that times CAREamics")
    there = PROGRAMS if args.careamics else PROGRAMS[1:]
    args.programs = [name for name in PROGRAMS if name in (args.programs or there)]
    if "careamics" in args.programs and not args.careamics:
        parser.error("--programs careamics needs --careamics PYTHON and --peer SCRIPT")
    for pair in args.set:
        if "=" not in pair or pair.split("=", 1)[0] in FIXED:
            parser.error(f"--set {pair}: give KEY=VALUE with another key than {', '.join(sorted(FIXED))}")
    return args


def main(words: Sequence[str] | None = None) -> None:
    args = parse(words)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in args.programs}
    for pair in range(args.pairs):
        for name in in_turn(args.programs, pair):
            runs[name].append(measure(name, args))
            print(name, *(f"{key} {runs[name][-1][key]:.1f}" for key in SPEEDS), flush=True)
            check_same_network(runs)
    result = summary(runs)
    for name, ratio in result["ratios"].items():
        print(name, *(f"{key} x {ratio[key]['median']:.2f}" for key in SPEEDS))
    for name, program in result["programs"].items():
        if "share_outside" in program:
            print(f"{name}: {100 * program['share_outside']:.1f} % outside forward, backward and optimizer")
    result["settings"] = {key: getattr(args, key) for key in ("pairs", "steps", "batch", "threads", "set")}
    record("training_speed", result, args.results)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
