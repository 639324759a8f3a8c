"""What the benchmark scripts share: the record of a run and the call of a bundle."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.bundle.run import OVERLAYS, RUNS
from monai_denoiseg.handlers import versions

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, threads and versions, as every result records them."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    )
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "versions": versions(),
        "command": " ".join(["python", *sys.argv]),
        "date": time.strftime("%Y-%m-%d"),
    }


def record(name: str, result: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write a result beside the others."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result | {"machine": machine()}, indent=2) + "\n")
    return path


def run_bundle(
    config: str,
    log: Path,
    bundle: str = "denoiseg_2d",
    overlays: Sequence[str] = (),
    threads: int | None = None,
    **overrides: Any,
) -> None:
    """Run a configuration of a bundle as a user does, in a process of its own.

    Args:
        config: name of the configuration without ``.json``.
        log: file to which the output of the process is appended.
        bundle: name of the bundle.
        overlays: names of its methods, or paths without ``.json``, laid over it in this order.
        threads: threads of the process (``OMP_NUM_THREADS``); as the environment says if absent.
        overrides: keys of the configuration and their values.

    Raises:
        RuntimeError: with the end of the log when it fails.
    """
    configs = bundle_folder(bundle) / "configs"
    methods = configs / next(OVERLAYS[task] for task, name in RUNS.items() if name == config)
    files = [str(path) for path in (configs / f"{config}.json", *(methods / f"{name}.json" for name in overlays))]
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run"]
    command += ["--config_file", files[0] if len(files) == 1 else str(files)]
    for key, value in overrides.items():
        command += [f"--{key}", str(value)]
    env = {**os.environ, **({} if threads is None else {"OMP_NUM_THREADS": str(threads)})}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False, env=env).returncode
    if code:
        names = " + ".join((config, *overlays))
        raise RuntimeError(f"{names} failed ({code}), the end of {log}:\n" + "\n".join(log.read_text().splitlines()[-5:]))
