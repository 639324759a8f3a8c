"""The original DenoiSeg (TensorFlow) on DSB2018, trained for the same minutes: a row to stand beside ours.

Its package needs an environment of its own (Python 3.11, tensorflow-cpu 2.15.1, denoiseg 0.3.1, n2v, numpy < 1.27, keras < 3,
wrapt 1.14.1, tifffile < 2023). --peer trains it there on one core; its last line has the scores on dev-test: 10 patches
of 128 x 128 an image, 85 % for training, Gaussian noise added once, --labels with labels; the package keeps the weights with the
lowest loss on 64 labelled validation patches, the threshold is the best one on 200.

A seed whose log is complete is not trained again.

    python benchmarks/fewshot_tensorflow.py --data ../shared/data/dsb2018 --python ../tf/bin/python --peer ../peer.py
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, record

SPEED = re.compile(r"^(\d+) steps, ([\d.]+) crops/s with (\d+) threads", re.MULTILINE)
SCORES = re.compile(r"^threshold ([\d.]+) AP ([\d.]+) SEG ([\d.]+) PSNR ([\d.]+)$", re.MULTILINE)
PACKAGES = ("denoiseg", "n2v", "tensorflow-cpu", "keras", "numpy")


def scores(log: Path) -> dict[str, Any] | None:
    """Read what the peer's log says at its end; None while it is not there."""
    text = log.read_text(errors="replace") if log.exists() else ""
    speed, end = SPEED.search(text), SCORES.search(text)
    if speed is None or end is None:
        return None
    values = dict(zip(("threshold", "ap", "seg", "psnr"), map(float, end.groups()), strict=True))
    return {"steps": int(speed[1]), "crops_per_second": float(speed[2]), "threads": int(speed[3]), **values}


def train(args: argparse.Namespace, seed: int, log: Path) -> dict[str, Any]:
    """Train one network; RuntimeError with the end of the log when it fails."""
    command = [args.python, str(args.peer), str(args.data), "--threads", "1", "--seed", str(seed), "--sigma", str(args.noise)]
    for name in ("minutes", "labels", "depth", "features", "batch"):
        command += [f"--{name}", str(getattr(args, name))]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False, env=env).returncode
    found = scores(log)
    if code or found is None:
        raise RuntimeError(f"{args.peer} failed ({code}), the end of {log}:\n" + "\n".join(log.read_text().splitlines()[-5:]))
    return found


def peer_versions(python: str) -> dict[str, str]:
    """Versions of what was measured, as its environment has them."""
    code = f"from importlib.metadata import version\nfor name in {PACKAGES}: print(name, version(name))"
    lines = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    found.add_argument("--data", type=Path, required=True, help="folder with dev-train/ and dev-test/")
    found.add_argument("--python", required=True, help="interpreter of an environment with the original package")
    found.add_argument("--peer", type=Path, required=True, help="its training script")
    found.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    found.add_argument("--noise", type=float, default=20.0, help="grey levels (default 20)")
    found.add_argument("--minutes", type=float, default=16.0, help="of training on one core (default 16, what ours takes)")
    for name, default in (("labels", 10), ("depth", 3), ("features", 16), ("batch", 32)):
        found.add_argument(f"--{name}", type=int, default=default, help=f"(default {default})")
    found.add_argument("--work", type=Path, default=Path(__file__).parent / "work" / "fewshot_tensorflow", help="folder for logs")
    found.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = found.parse_args(arguments)
    for name, there in (("data", args.data.is_dir()), ("peer", args.peer.is_file()), ("python", shutil.which(args.python))):
        if not there:
            found.error(f"--{name} {getattr(args, name)}: there is no such {'folder' if name == 'data' else 'file'}")
    versions = peer_versions(args.python)
    runs = []
    for seed in args.seeds:
        log = args.work / f"n{args.noise:g}_l{args.labels}_m{args.minutes:g}_s{seed}.log"
        runs.append({"seed": seed, **(scores(log) or train(args, seed, log))})
        print(runs[-1], flush=True)
    mean = {key: float(np.mean([run[key] for run in runs])) for key in ("ap", "seg", "psnr")}
    settings = {name: getattr(args, name) for name in ("noise", "labels", "minutes", "depth", "features", "batch")}
    result = {**settings, "peer_versions": versions, "runs": runs, "mean": mean}
    print("recorded in", record(f"fewshot_tensorflow_n{args.noise:g}_l{args.labels}", result, args.results))


if __name__ == "__main__":
    main()
