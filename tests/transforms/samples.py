"""Small inputs for every transform."""

from __future__ import annotations

import numpy as np

EDGE = {2: (16, 20), 3: (8, 12, 16)}


def image(dims: int) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, (2, *EDGE[dims])).astype(np.float32)


def objects(dims: int) -> np.ndarray:
    label = np.zeros((1, *EDGE[dims]), np.int64)
    label[(0, *[slice(1, 5)] * dims)] = 1
    label[(0, *[slice(5, 8)] * dims)] = 2
    label[..., -1] = -1
    return label


def classes(dims: int) -> np.ndarray:
    return objects(dims).clip(-1, 1)


def probabilities(dims: int) -> np.ndarray:
    found = np.full((3, *EDGE[dims]), 0.1, np.float32)
    found[(1, *[slice(2, 7)] * dims)] = 0.8
    found[0] = 0.9 - found[1]
    return found


def stars(dims: int) -> np.ndarray:
    found = np.full((9, *EDGE[dims]), 2.5, np.float32)
    found[0] = 0
    found[(0, *[4] * dims)] = 0.9
    return found
