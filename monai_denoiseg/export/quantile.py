"""Sorting and quantiles as ONNX nodes, as PyTorch computes them."""

from __future__ import annotations

import numpy as np

from monai_denoiseg.export.graph import Graph, Value


def ascending(graph: Graph, values: Value) -> Value:
    """Values ``(B, C, n)`` sorted along the last axis.

    Args:
        graph: what nodes are added to.
        values: without NaN.
    """
    return graph.op("TopK", values, graph.op("Shape", values, start=2, end=3), outputs=2, axis=2, largest=0, sorted=1)


def quantile(graph: Graph, ordered: Value, count: Value, level: np.floating, *, lower: bool = False) -> Value:
    """A quantile of the first values of each row, as ``torch.nanquantile`` has it.

    Args:
        graph: what nodes are added to.
        ordered: sorted ``(B, C, n)``.
        count: how many values of a row count, int64 ``(B, C, 1)``.
        level: in [0, 1], of the type of the values.
        lower: take the value at or below it; otherwise between two values it is interpolated.
    """
    zero = type(level)(0)
    rank = graph.op("Max", (count - np.int64(1)).cast(type(level)) * level, zero)
    below = graph.op("Floor", rank)
    value = graph.op("GatherElements", ordered, below.cast(np.int64), axis=2)
    if lower:
        return value
    above = graph.op("GatherElements", ordered, graph.op("Ceil", rank).cast(np.int64), axis=2)
    return value + (rank - below) * (above - value)
