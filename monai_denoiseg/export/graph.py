"""A few lines that make arithmetic on ONNX values readable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Value:
    """A tensor of a :class:`Graph`; arithmetic with it, or with a NumPy number of the same type, adds nodes.

    Args:
        graph: whose it is.
        name: in the file.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def _op(self, kind: str, *others: Any, **attributes: Any) -> Value:
        return self.graph.op(kind, self, *others, **attributes)

    def __add__(self, other: Any) -> Value:
        return self._op("Add", other)

    def __sub__(self, other: Any) -> Value:
        return self._op("Sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._op("Mul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._op("Div", other)

    def __mod__(self, other: Any) -> Value:
        return self._op("Mod", other)

    def __gt__(self, other: Any) -> Value:
        return self._op("Greater", other)

    def __ge__(self, other: Any) -> Value:
        return self._op("GreaterOrEqual", other)

    def __lt__(self, other: Any) -> Value:
        return self._op("Less", other)

    def __le__(self, other: Any) -> Value:
        return self._op("LessOrEqual", other)

    def __and__(self, other: Any) -> Value:
        return self._op("And", other)

    def __or__(self, other: Any) -> Value:
        return self._op("Or", other)

    def __invert__(self) -> Value:
        return self._op("Not")

    def equals(self, other: Any) -> Value:
        """Where both are the same."""
        return self._op("Equal", other)

    def cast(self, dtype: Any) -> Value:
        """As another type."""
        return self._op("Cast", to=self.graph.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def along(self, kind: str, axis: int = 2) -> Value:
        """Reduced along an axis, which is kept: ``"ReduceSum"``, ``"ReduceMax"``, ..."""
        return self._op(kind, np.array([axis]), keepdims=1)


class Graph:
    """Nodes and constants of an ONNX graph.

    Args:
        prefix: of all names in it.

    >>> graph = Graph("a/")
    >>> (graph.value("x") + np.float32(1)).name, len(graph.nodes)
    ('a/Add_1', 1)
    """

    def __init__(self, prefix: str) -> None:
        from onnx import helper, numpy_helper

        self.helper, self._numpy = helper, numpy_helper
        self.prefix, self.nodes, self.constants = prefix, list[Any](), list[Any]()

    def value(self, name: str) -> Value:
        """A tensor that is there already, for instance an input."""
        return Value(self, name)

    def constant(self, array: Any) -> Value:
        """A constant of the array's type."""
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(self._numpy.from_array(np.asarray(array), name))
        return Value(self, name)

    def op(self, kind: str, *inputs: Any, outputs: int = 1, name: str = "", **attributes: Any) -> Value:
        """Add a node.

        Args:
            kind: operator of ONNX.
            inputs: values, or arrays that become constants.
            outputs: how many it has; the first is returned.
            name: of the first output; by default a number.
            attributes: of the node.
        """
        names = [(one if isinstance(one, Value) else self.constant(one)).name for one in inputs]
        own = name or f"{self.prefix}{kind}_{len(self.nodes) + 1}"
        made = [own] + [f"{own}_{n}" for n in range(1, outputs)]
        self.nodes.append(self.helper.make_node(kind, names, made, name=own, **attributes))
        return Value(self, own)

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        """One or the other."""
        return self.op("Where", condition, yes, no)

    def product(self, values: Sequence[Value]) -> Value:
        """Of several values."""
        product = values[0]
        for value in values[1:]:
            product = product * value
        return product
