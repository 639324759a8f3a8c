"""Offset and scale of each whole image (:func:`~monai_denoiseg.intensity.robust_moments`) as an ONNX graph for every size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monai_denoiseg.export.graph import Graph, Value
from monai_denoiseg.export.occupied import occupied_voxels
from monai_denoiseg.export.quantile import ascending, quantile

LOW, HIGH = 0.01, 0.998
MAX_SAMPLES = 1_000_000
_CANDIDATES = 64
_LARGEST_PRIME = 10_007  # images of up to 10,007 million voxels


def image_statistics(graph: Graph, image: Value, spatial_dims: int, window: Sequence[int] | None, name: str) -> Value:
    """Add the nodes that compute offset and scale of images.

    Args:
        graph: what they are added to.
        image: float32 ``(B, C, [D,] H, W)``, without NaN.
        spatial_dims: 2 or 3.
        window: as in :func:`~monai_denoiseg.intensity.robust_moments`.
        name: of the result.

    Returns:
        float32 ``(B, 2, C)``.

    >>> graph = Graph("")
    >>> image_statistics(graph, graph.value("image"), 2, None, "intensity").name
    'intensity'
    """
    sizes = [graph.op("Shape", image, start=axis + 2, end=axis + 3) for axis in range(spatial_dims)]
    stride = sample_stride(graph, graph.product(sizes))
    outer = graph.op("Shape", image, start=0, end=2)
    flat = graph.op("Reshape", image, graph.op("Concat", outer, np.array([-1]), axis=0))
    sample = graph.op("Slice", flat, np.array([0]), np.array([np.iinfo(np.int64).max]), np.array([2]), stride)
    everything = graph.op("Equal", sample, sample)
    known = ~burnt_in(graph, sample, everything, bright=True)
    dark = burnt_in(graph, sample, known, bright=False)
    least = graph.where(known & ~dark, sample, np.float32(np.inf)).along("ReduceMin")
    sample = graph.where(dark, least, sample)
    if window is not None:
        known = known & occupied_voxels(graph, sample, known, sizes, stride, window)
    ordered = ascending(graph, graph.where(known, sample, np.float32(np.inf)))
    count = known.cast(np.int64).along("ReduceSum")
    low, high = (quantile(graph, ordered, count, np.float32(level)) for level in (LOW, HIGH))
    clipped = graph.op("Min", graph.op("Max", sample, low), high).cast(np.float64)
    number = count.cast(np.float64)
    mean = graph.where(known, clipped, np.float64(0)).along("ReduceSum") / number
    distance = graph.where(known, clipped - mean, np.float64(0))
    scale = graph.op("Sqrt", (distance * distance).along("ReduceSum") / number).cast(np.float32)
    scale = graph.where(scale > np.float32(0), scale, np.float32(1))
    both = graph.op("Concat", mean.cast(np.float32), scale, axis=2)
    return graph.op("Transpose", both, perm=[0, 2, 1], name=name)


def sample_stride(graph: Graph, n_voxels: Value) -> Value:
    """See :func:`~monai_denoiseg.intensity.sample_stride`: the first candidate that shares no prime factor with the number.

    Args:
        graph: what nodes are added to.
        n_voxels: int64 ``(1,)``.

    >>> graph = Graph("")
    >>> sample_stride(graph, graph.value("n")).graph is graph
    True
    """
    primes = np.array([p for p in range(2, _LARGEST_PRIME + 1) if all(p % q for q in range(2, math.isqrt(p) + 1))])
    least = graph.op("Max", n_voxels / np.int64(MAX_SAMPLES), np.int64(1))
    candidates = least + np.arange(_CANDIDATES)
    column = graph.op("Unsqueeze", candidates, np.array([1]))
    shared = (column % primes).equals(np.int64(0)) & (n_voxels % primes).equals(np.int64(0))
    free = graph.op("ReduceMax", shared.cast(np.int32), np.array([1]), keepdims=0)
    return graph.op("Gather", candidates, graph.op("ArgMin", free, axis=0, keepdims=1))


def burnt_in(graph: Graph, sample: Value, known: Value, *, bright: bool) -> Value:
    """See :func:`~monai_denoiseg.intensity.burnt_in`.

    Args:
        graph: what nodes are added to.
        sample: float32 ``(B, C, n)``.
        known: bool, likewise: voxels that count.
        bright: whether the largest value is looked at, or the smallest.
    """
    values = sample if bright else sample * np.float32(-1)
    ordered = ascending(graph, graph.where(known, values, np.float32(np.inf)))
    count = known.cast(np.int64).along("ReduceSum")
    extreme = quantile(graph, ordered, count, np.float32(0.999), lower=True)
    found = known & values.equals(extreme)
    rest = (known & (values < extreme)).cast(np.int64).along("ReduceSum")
    middle, far = (quantile(graph, ordered, rest, np.float32(level)) for level in (0.5, 0.995))
    last = graph.op("GatherElements", ordered, graph.op("Max", rest - np.int64(1), np.int64(0)), axis=2)
    spread, gap = far - middle, extreme - last
    share = found.cast(np.float32).along("ReduceMean")
    number = found.cast(np.int64).along("ReduceSum")
    many = (share > np.float32(0.002)) & (number >= np.int64(16)) & (share < np.float32(0.5))
    return found & many & (spread > np.float32(0)) & (gap > spread / np.float32(2))
