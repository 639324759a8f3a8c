"""streamed_range equals robust_moments on the whole image, also where that one looks at a part of the voxels only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_denoiseg.data import LazyImage
from monai_denoiseg.data.axes import arrange
from monai_denoiseg.engines import tiles
from monai_denoiseg.engines.whole_range import streamed_range
from monai_denoiseg.intensity import robust_moments


@pytest.mark.parametrize(
    ("shape", "axes", "tile"),
    [
        ((45, 38), "YX", (16, 16)),
        ((3, 30, 28), "CYX", (8, 28)),
        ((2, 2, 5, 20, 18), "TCZYX", (2, 7, 18)),
        ((1500, 1700), "YX", (512, 300)),  # above 2 million voxels: every second or third is looked at
        ((7, 700, 900), "ZYX", (4, 256, 256)),
    ],
)
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_equals_the_whole(shape: tuple[int, ...], axes: str, tile: Sequence[int], dtype: str) -> None:
    rng = np.random.default_rng(0)
    data = (rng.gamma(2, 300, shape) * np.linspace(0.5, 2, shape[-1])).astype(dtype)
    dims = 3 if "Z" in axes else 2
    image = LazyImage(Path("a"), data, arrange(shape, axes, "a", dims if "T" in axes else None))
    windows = [part.core for part in tiles(image.spatial_shape, tile, [0] * dims, [1] * dims)]
    for frame in range(image.frames):
        whole = data[frame] if "T" in axes else data
        batch = torch.from_numpy(whole.astype("float32")).reshape(1, -1, *shape[-dims:])
        assert torch.equal(streamed_range(image, frame, windows), robust_moments(batch))
        assert torch.equal(streamed_range(image, frame, windows[::-1]), robust_moments(batch))


def test_constant_image() -> None:
    image = LazyImage("a", np.full((8, 8), 7, "uint8"), arrange((8, 8), "YX", "a"))
    assert streamed_range(image, 0, [(slice(0, 8), slice(0, 8))]).flatten().tolist() == [7, 1]


def test_nan_names_the_file() -> None:
    data = np.ones((8, 8))
    data[7, 7] = np.inf
    image = LazyImage("cells.tif", data, arrange((8, 8), "YX", "a"))
    with pytest.raises(ValueError, match=r"cells\.tif holds NaN or infinite"):
        streamed_range(image, 0, [(slice(0, 8), slice(0, 8))])
