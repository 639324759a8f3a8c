"""Where in a large field there is something to see (:func:`~monai_denoiseg.sparse.occupied`) as ONNX nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monai_denoiseg.export.graph import Graph, Value
from monai_denoiseg.export.quantile import ascending, quantile

LARGER, BLOCKS, LEAST = 2.0, 8, 64
SHARE, LIMIT, MOST = 0.3, 10.0, 4.0


def occupied_voxels(
    graph: Graph, sample: Value, known: Value, sizes: Sequence[Value], stride: Value, window: Sequence[int]
) -> Value:
    """See :func:`~monai_denoiseg.sparse.occupied`.

    Args:
        graph: what nodes are added to.
        sample: float32 ``(B, C, n)``.
        known: bool, likewise: voxels that count.
        sizes: spatial shape of the images, int64 ``(1,)`` each.
        stride: every how many voxels the sample holds, int64 ``(1,)``.
        window: usual spatial shape of a training image.

    Returns:
        bool ``(B, C, n)``.
    """
    block, grid = _blocks(graph, sample, sizes, stride, window)
    strong = _contrast(graph, sample.cast(np.float64), known, block, graph.product(grid))
    outer = graph.op("Shape", sample, start=0, end=2)
    laid_out = graph.op("Reshape", strong.cast(np.float32), graph.op("Concat", outer, *grid, axis=0))
    dims = len(window)
    wider = graph.op("MaxPool", laid_out, kernel_shape=[3] * dims, pads=[1] * 2 * dims, strides=[1] * dims)
    flat = graph.op("Reshape", wider, graph.op("Concat", outer, np.array([-1]), axis=0))
    found = graph.op("Gather", flat, block, axis=2)
    share = found.along("ReduceMean")
    small = graph.product(sizes) <= np.int64(math.floor(LARGER * math.prod(window)))
    return (found > np.float32(0.5)) | share.equals(np.float32(0)) | (share > np.float32(0.5)) | small


def _blocks(
    graph: Graph, sample: Value, sizes: Sequence[Value], stride: Value, window: Sequence[int]
) -> tuple[Value, list[Value]]:
    """Number of the block that each voxel of the sample lies in ``(n,)``, and blocks along each axis."""
    edges = [max(1, size // BLOCKS) for size in window]
    ratio = (stride * np.int64(LEAST)).cast(np.float64) / np.float64(math.prod(edges))
    coarser = graph.op("Ceil", graph.op("Pow", ratio, np.float64(1 / len(edges)))).cast(np.int64)
    coarser = graph.op("Max", coarser, np.int64(1))
    n = graph.op("Squeeze", graph.op("Shape", sample, start=2, end=3))
    position = graph.op("Range", np.int64(0), n, np.int64(1)) * stride
    inner, grid, block = graph.product(list(sizes)), list[Value](), position * np.int64(0)
    for size, edge in zip(sizes, edges, strict=True):
        inner, wide = inner / size, coarser * np.int64(edge)
        grid.append((size - np.int64(1)) / wide + np.int64(1))
        block = block * grid[-1] + (position / inner) % size / wide
    return block, grid


def _contrast(graph: Graph, sample: Value, known: Value, block: Value, n: Value) -> Value:
    """Blocks ``(B, C, n)`` that are not empty."""
    number = known.cast(np.float64)
    values = graph.where(known, _squashed(graph, sample, known), np.float64(0))
    outer = graph.op("Shape", sample, start=0, end=2)
    empty = graph.op("Expand", np.float64(0), graph.op("Concat", outer, n, axis=0))
    index = graph.op("Expand", block, graph.op("Shape", sample))
    count = graph.op("ScatterElements", empty, index, number, axis=2, reduction="add")
    total = graph.op("ScatterElements", empty, index, values, axis=2, reduction="add")
    usable = count >= np.float64(LEAST // 4)
    mean = graph.where(usable, total / graph.op("Max", count, np.float64(1)), np.float64(np.inf))
    centre, narrow = _densest(graph, mean, n)
    distance = graph.where(usable, graph.op("Abs", mean - centre), np.float64(0))
    most = distance.along("ReduceMax") * np.float64(0.1)
    return distance > graph.op("Max", narrow * np.float64(LIMIT / 2), most)


def _densest(graph: Graph, mean: Value, n: Value) -> tuple[Value, Value]:
    """Centre and width of the shortest interval that holds the given share of the blocks' means."""
    infinite = np.float64(np.inf)
    ordered = graph.op("TopK", mean, n, outputs=2, axis=2, largest=0, sorted=1)
    # One more, so that a step fits into a single block; it is never the shortest.
    ordered = graph.op("Pad", ordered, np.array([0, 0, 0, 0, 0, 1]), infinite)
    step = graph.op("Max", (n.cast(np.float64) * np.float64(SHARE)).cast(np.int64), np.int64(1))
    upper = graph.op("Slice", ordered, step, n + np.int64(1), np.array([2]))
    lower = graph.op("Slice", ordered, np.array([0]), n + np.int64(1) - step, np.array([2]))
    width = graph.where(upper < infinite, upper - lower, infinite)
    first = graph.op("ArgMin", width, axis=2, keepdims=1)
    ends = [graph.op("GatherElements", ordered, place, axis=2) for place in (first, first + step)]
    return (ends[0] + ends[1]) / np.float64(2), width.along("ReduceMin")


def _squashed(graph: Graph, sample: Value, known: Value) -> Value:
    """Values in quartile distances from the median, large ones on a logarithmic scale."""
    ordered = ascending(graph, graph.where(known, sample, np.float64(np.inf)))
    count = known.cast(np.int64).along("ReduceSum")
    low, centre, high = (quantile(graph, ordered, count, np.float64(level)) for level in (0.25, 0.5, 0.75))
    spread, zero, one = high - low, np.float64(0), np.float64(1)
    offset = sample - centre
    squares = graph.where(known, offset * offset, zero).along("ReduceSum")
    deviation = graph.op("Sqrt", squares / count.cast(np.float64))
    spread = graph.where(spread > zero, spread, graph.where(deviation > zero, deviation, one))
    ratio = offset / spread
    size = graph.op("Abs", ratio)  # asinh, which runtimes have in float32 only
    grown = graph.op("Log", size + graph.op("Sqrt", ratio * ratio + one))
    return graph.op("Min", grown, np.float64(MOST)) * graph.op("Sign", ratio)
