"""A network that computes with onnxruntime in place of PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_option
from monai_denoiseg.export.extras import need
from monai_denoiseg.export.module import first_stage
from monai_denoiseg.export.onnx_file import INPUT, onnx_bytes, runner

RUNTIMES = ("torch", "onnx")


class OnnxNetwork(nn.Module):
    """A network whose forward pass onnxruntime computes on the CPU, in float32, wherever the image is.

    It stands where a :class:`~monai_denoiseg.networks.DenoiSegNet` does in inference: tiles, test-time augmentation, refinement,
    labels and statistics of images are as with the network itself.

    Args:
        network: with its weights.

    Raises:
        ModuleNotFoundError: when onnxruntime is missing.
        ValueError: when the network cannot be exported.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> OnnxNetwork(DenoiSegNet(2, depth=1, features=4))(torch.zeros(1, 1, 5, 6)).shape
    torch.Size([1, 4, 5, 6])
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        file, self.report = onnx_bytes(network, INPUT)
        self.network = network.eval()
        self._run, self._by_image = runner(file, network), bool(first_stage(network).by_image)

    def forward(self, image: Tensor, intensity: Tensor | None = None) -> Tensor:
        """Probabilities and denoised image: already activated.

        Args:
            image: ``(B, C, [D,] H, W)``, see :meth:`~monai_denoiseg.networks.DenoiSegNet.forward`.
            intensity: likewise.
        """
        intensity = self.network.intensity(image) if intensity is None else intensity
        inputs = [image.float(), intensity.float().expand(len(image), -1, -1)]
        return torch.cat(self._run(*inputs[: 1 + self._by_image]), 1).to(image.device)

    def activate(self, output: Tensor) -> Tensor:
        """Nothing left to do."""
        return output

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)


def with_runtime(network: nn.Module, runtime: str = "torch") -> nn.Module:
    """Let another program compute the network.

    Args:
        network: with its weights.
        runtime: ``"torch"`` returns it as it is; ``"onnx"`` takes onnxruntime on the CPU, see :class:`OnnxNetwork`.

    Raises:
        ModuleNotFoundError: when onnxruntime is missing, naming how to install it.
        ValueError: for another runtime, or a network that cannot be exported.

    >>> with_runtime(nn.Identity())
    Identity()
    """
    if check_option("runtime", runtime, RUNTIMES) == "torch":
        return network
    need("onnx", "onnxscript", "onnxruntime")
    return OnnxNetwork(network)
