"""Statistics of images in ONNX against those of the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.export.extras import EXTRA
from monai_denoiseg.export.graph import Graph
from monai_denoiseg.export.statistics import image_statistics, sample_stride
from monai_denoiseg.intensity import robust_moments
from monai_denoiseg.intensity import sample_stride as plain_stride

onnx = pytest.importorskip("onnx", reason=f"needs the extra: {EXTRA}")
onnxruntime = pytest.importorskip("onnxruntime", reason=f"needs the extra: {EXTRA}")


def session(graph: Graph, inputs: dict[str, tuple[int, list]], output: tuple[str, int, list]) -> onnxruntime.InferenceSession:
    make = onnx.helper.make_tensor_value_info
    entries = [make(name, kind, shape) for name, (kind, shape) in inputs.items()]
    body = onnx.helper.make_graph(graph.nodes, "test", entries, [make(*output)], graph.constants)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def moments(dims: int, channels: int, window: list[int] | None) -> onnxruntime.InferenceSession:
    graph = Graph("statistics/")
    image_statistics(graph, graph.value("image"), dims, window, "intensity")
    shape = ["b", channels, *"zyx"[-dims:]]
    return session(graph, {"image": (onnx.TensorProto.FLOAT, shape)}, ("intensity", onnx.TensorProto.FLOAT, ["b", 2, channels]))


def field(shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Noise, something bright in a part of it, and what must not count."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 5, shape).astype(np.float32)
    inner = (..., *(slice(size // 3, size // 3 + max(1, size // 5)) for size in shape[2:]))
    image[inner] += rng.gamma(2, 50, image[inner].shape)
    if kind == "bar":
        image[..., : max(1, shape[-2] // 20), : max(1, shape[-1] // 3)] = 3000
    if kind == "padding":
        image[..., : shape[-2] // 6] = 0
    return np.full_like(image, 7) if kind == "constant" else image


@pytest.mark.parametrize("kind", ["plain", "bar", "padding", "constant"])
@pytest.mark.parametrize(
    ("window", "shapes"),
    [
        (None, [(1, 1, 1, 1), (1, 1, 3, 5), (2, 1, 64, 50)]),
        ([32, 32], [(2, 2, 40, 40), (1, 2, 101, 99), (1, 2, 260, 333)]),
        ([8, 16, 16], [(1, 1, 5, 7, 9), (1, 1, 30, 61, 64)]),
    ],
)
def test_equal_those_of_the_network(kind: str, window: list[int] | None, shapes: list[tuple[int, ...]]) -> None:
    run = moments(len(shapes[0]) - 2, shapes[0][1], window)
    for shape in shapes:
        image = field(shape, kind)
        expected = robust_moments(torch.from_numpy(image), window=window)
        np.testing.assert_allclose(run.run(None, {"image": image})[0], expected.numpy(), rtol=1e-6)


def test_the_window_matters() -> None:
    image = torch.from_numpy(field((1, 1, 260, 333), "plain"))
    assert not torch.allclose(robust_moments(image), robust_moments(image, window=[32, 32]), rtol=1e-2)


def test_a_sub_sampled_image() -> None:
    image = field((1, 1, 1500, 1401), "bar")
    expected = robust_moments(torch.from_numpy(image), window=[256, 256])
    np.testing.assert_allclose(moments(2, 1, [256, 256]).run(None, {"image": image})[0], expected.numpy(), rtol=1e-6)


def test_stride() -> None:
    graph = Graph("")
    found = graph.op("Identity", sample_stride(graph, graph.value("n")), name="stride")
    run = session(graph, {"n": (onnx.TensorProto.INT64, [1])}, (found.name, onnx.TensorProto.INT64, [1]))
    numbers = [1, 999_999, 2_000_000, 2_000_001, 4_000_000, 30030 * 99, 2**24, 510_510 * 30, 223_092_870, 3 * 10**9]
    assert [int(run.run(None, {"n": np.array([n])})[0][0]) for n in numbers] == [plain_stride(n) for n in numbers]
