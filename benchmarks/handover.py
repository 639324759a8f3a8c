"""What a network gives and how long it takes in other runtimes, and what the model zoos' own checks say of exported packages.

1. ONNX against PyTorch: largest differences of probabilities and denoised image on five odd sizes, in 2D and 3D, with four heads.
2. Time of onnxruntime beside that of PyTorch on the CPU, both in turn, as ratios.
3. The output of ``bioimageio test`` for each weight format of a package.
4. The checks of MONAI's model zoo on a zipped bundle.

    OMP_NUM_THREADS=1 python benchmarks/handover.py
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, record

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.engines import Precision
from monai_denoiseg.export import OnnxNetwork, export_model, onnx_bytes
from monai_denoiseg.export.check import compare
from monai_denoiseg.export.onnx_file import runner
from monai_denoiseg.networks import DenoiSegNet, load_network
from monai_denoiseg.transforms import star_rays

HEADS: dict[str, dict[str, Any]] = {
    "border": {},
    "classes": {"classes": ["background", "a", "b"]},
    "stars": {"rays": 32},
    "none": {"n_classes": 0},
}
FORMATS = ("pytorch_state_dict", "torchscript", "onnx")


def network(dims: int, head: str, normalisation: str) -> DenoiSegNet:
    """A network of random weights that has seen batches, so that its normalisation layers do something."""
    torch.manual_seed(0)
    options = {key: star_rays(value, dims) if key == "rays" else value for key, value in HEADS[head].items()}
    net = DenoiSegNet(dims, depth=3 if dims == 2 else 2, features=16, normalisation=normalisation, **options)
    net.domain = {"window": [64] * dims, "low": [-2.0], "high": [8.0], "channels": []}
    for _ in range(3):
        net.train()(torch.randn(2, 1, *[32] * dims))
    return net.eval()


def differences() -> list[dict[str, Any]]:
    """Largest differences on five odd sizes."""
    rows = []
    for dims in (2, 3):
        for head in HEADS:
            for normalisation in ("dataset", "image"):
                net = network(dims, head, normalisation)
                report = compare(net, runner(onnx_bytes(net, checked=False)[0], net), False, "ONNX", sizes=5)
                rows.append({"spatial_dims": dims, "head": head, "normalisation": normalisation} | report._asdict())
                print(f"{dims}D {head} {normalisation}: {report.as_text()}", flush=True)
    shipped = load_network(bundle_folder("denoiseg_2d") / "models" / "model.pt")
    report = compare(shipped, runner(onnx_bytes(shipped, checked=False)[0], shipped), False, "ONNX", sizes=5)
    return [*rows, {"spatial_dims": 2, "head": "border", "normalisation": "image", "shipped": True} | report._asdict()]


def sides(net: Any, image: torch.Tensor) -> dict[str, Callable[[], Any]]:
    """PyTorch in float32 and as `--amp auto` runs it, and onnxruntime, on the same image with known statistics."""
    intensity, onnx = net.intensity(image), OnnxNetwork(net)

    def torch_run(amp: str) -> Callable[[], Any]:
        precision = Precision("cpu", amp)
        own = precision.prepare(load_copy(net))

        @torch.no_grad()
        def run() -> Any:
            with precision.autocast(own, image):
                return own.activate(own(precision.layout(image), intensity))

        return run

    return {"torch_float32": torch_run("off"), "torch_auto": torch_run("auto"), "onnxruntime": lambda: onnx(image, intensity)}


def load_copy(net: Any) -> Any:
    """The same network once more: a memory format is a property of its weights."""
    twin = DenoiSegNet(**net.architecture, head=net.head)
    twin.load_state_dict(net.state_dict())
    return twin.eval()


def speed(pairs: int, small: bool) -> list[dict[str, Any]]:
    """Seconds of each side and their ratios to PyTorch in float32, the sides in turn."""
    nets = {2: load_network(bundle_folder("denoiseg_2d") / "models" / "model.pt"), 3: network(3, "border", "image")}
    rows = []
    for dims, net in nets.items():
        size = [64] * dims if small else {2: [512, 512], 3: [32, 128, 128]}[dims]
        runs = sides(net, 100 + 10 * torch.randn(1, 1, *size))
        times: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(pairs + 1):
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                if turn:
                    times[name].append(time.perf_counter() - start)
        base = times["torch_float32"]
        ratios = {name: statistics.median(a / b for a, b in zip(own, base, strict=True)) for name, own in times.items()}
        seconds = {name: statistics.median(own) for name, own in times.items()}
        rows.append({"spatial_dims": dims, "size": size, "pairs": pairs, "seconds": seconds, "ratio_to_torch_float32": ratios})
        print(f"{dims}D {size}: {ratios}", flush=True)
    return rows


def bioimageio(folder: Path) -> dict[str, Any]:
    """What `bioimageio test` prints for each format."""
    export_model("denoiseg_2d", "bioimageio", folder / "nuclei.zip")
    found: dict[str, Any] = {}
    for name in FORMATS:
        command = [str(Path(sys.executable).parent / "bioimageio"), "test", "nuclei.zip", "--weight-format", name]
        env = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        lines = [line.rstrip() for line in done.stdout.split("Recommended Conda Environment 1")[0].splitlines()]
        found[name] = {"exit_code": done.returncode, "output": [line for line in lines if line.strip()]}
        print(f"bioimageio test {name}: exit code {done.returncode}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--parts", nargs="+", default=["onnx", "speed", "bioimageio", "zoo"])
    parser.add_argument("--small", action="store_true", help="small images, to try the script")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    result: dict[str, Any] = {"seed": 0}
    with tempfile.TemporaryDirectory() as folder:
        if "onnx" in args.parts:
            result["onnx_against_torch"] = differences()
        if "speed" in args.parts:
            result["speed"] = speed(args.pairs, args.small)
        if "bioimageio" in args.parts:
            result["bioimageio_test"] = bioimageio(Path(folder))
        if "zoo" in args.parts:
            said = export_model("denoiseg_2d", "monai-bundle", Path(folder) / "nuclei_denoiseg.zip")[1]
            result["zoo_checks"] = said.partition("passed: ")[2].split(", ")
    record("handover", result, args.results)
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
