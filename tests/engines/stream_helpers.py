"""What the tests of streamed prediction share: files, an untrained network, its prediction in memory, interruptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

from monai_denoiseg.data import open_lazy, open_sink
from monai_denoiseg.engines import DenoiSegInferer, StreamingPredictor
from monai_denoiseg.engines.journal import Journal
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import ProbabilitiesToInstances


def network(spatial_dims: int = 3, **options: Any) -> DenoiSegNet:
    torch.manual_seed(3)
    net = DenoiSegNet(spatial_dims, depth=1, features=4, **options)
    net.set_statistics(torch.full((net.in_channels,), 400.0), torch.full((net.in_channels,), 200.0))
    return net.eval()


def picture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), [0] * (len(shape) - 2) + [1.5, 1.5])
    return np.clip(400 + 200 * smooth / smooth.std(), 0, 65535).astype("uint16")


def write(path: Path, data: np.ndarray, axes: str, spacing: tuple[float, ...] | None = None) -> Path:
    """Write TIFF or OME-Zarr; of `axes` T comes first."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, data, ome=True, metadata={"axes": axes})
        return path
    frames = data if "T" in axes else data[None]
    frames = frames if "C" in axes else frames[:, None]
    sink = open_sink(path, frames.shape, data.dtype, "ome-zarr", tile=frames.shape[2:], spacing=spacing, unit="um")
    for i, frame in enumerate(frames):
        sink.write(i, tuple(slice(0, n) for n in frame.shape[1:]), frame)
    sink.finish()
    return path


def read(path: Path, dims: int) -> np.ndarray:
    """``(T, C, [Z,] Y, X)``."""
    with open_lazy(path, spatial_dims=dims) as image:
        return np.stack([image.read(i, tuple(slice(0, n) for n in image.spatial_shape)) for i in range(image.frames)])


def in_memory(net: DenoiSegNet, data: np.ndarray, tta: bool) -> np.ndarray:
    """``(K + C, [Z,] Y, X)`` of an image ``(C, [Z,] Y, X)``, untiled."""
    return DenoiSegInferer(tta=tta)(torch.from_numpy(data.astype("float32"))[None], net)[0].numpy()


def level(net: DenoiSegNet, data: np.ndarray) -> float:
    """A threshold at which the untrained network finds objects in an image ``(C, [Z,] Y, X)``."""
    return round(float(np.quantile(in_memory(net, data, False)[1], 0.75)), 3)


def predictor(
    net: DenoiSegNet,
    folder: Path,
    tile: Any,
    tta: bool = False,
    threshold: float = 0.35,
    *,
    refine: bool = False,
    **options: Any,
) -> StreamingPredictor:
    found = ProbabilitiesToInstances(threshold, min_size=3, fill_holes=True, split_neck=0)
    options = {"instances": found, "amp": "off", "save_probabilities": True, **options}
    return StreamingPredictor(net, DenoiSegInferer(tile, tta, refine=refine), folder / "out", **options)


class Killed(BaseException):
    """Stands for the end of the program."""


def stop_after(monkeypatch: pytest.MonkeyPatch, step: str, count: int) -> None:
    """Raise in place of the n-th time that a step is done (after its data were written, before it is noted)."""
    add, done = Journal.add, []

    def counted(self: Journal, *entry: Any) -> None:
        done.append(entry[0])
        if done.count(step) > count:
            raise Killed
        add(self, *entry)

    monkeypatch.setattr(Journal, "add", counted)
