"""What is exported: raw intensities in, probabilities and denoised image out."""

# No "from __future__ import annotations": TorchScript reads the annotations as types.

from typing import Any, Optional

from torch import Tensor, nn

PROBABILITIES, DENOISED = "probabilities", "denoised"


class ExportNet(nn.Module):
    """A network with all that inference does around it: normalisation, padding, activation, cropping.

    Its outputs are those of :class:`~monai_denoiseg.engines.DenoiSegInferer` without test-time augmentation and refinement,
    segmentation and denoised image apart.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` or a two-stage network with its weights.

    >>> import torch
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> [tuple(part.shape) for part in ExportNet(DenoiSegNet(2, depth=1, features=4))(torch.zeros(1, 1, 5, 6))]
    [(1, 3, 5, 6), (1, 1, 5, 6)]
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network.eval()
        self.n_classes: int = network.n_classes
        self.denoises: bool = network.denoises

    def forward(self, image: Tensor, intensity: Optional[Tensor] = None) -> list[Tensor]:  # noqa: UP045 (TorchScript)
        """Segment and denoise.

        Args:
            image: ``(B, C, [D,] H, W)``, raw intensities, any size.
            intensity: ``(B, 2, C)``: offset and scale of the whole image that ``image`` is a tile of; None takes those of
                ``image``. Only looked at with ``normalisation="image"``.

        Returns:
            Probabilities ``(B, K, [D,] H, W)`` (not of a network that only denoises), then the denoised image
            ``(B, C, [D,] H, W)`` (not of a network that only segments); see :func:`output_names`.
        """
        output = self.network.activate(self.network(image, intensity))
        parts: list[Tensor] = []
        if self.n_classes > 0:
            parts.append(output[:, : self.n_classes])
        if self.denoises:
            parts.append(output[:, self.n_classes :])
        return parts


def output_names(network: Any) -> list[str]:
    """Names of the outputs, in their order.

    Args:
        network: see :class:`ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> output_names(DenoiSegNet(2, n_classes=0, depth=1, features=4))
    ['denoised']
    """
    return [PROBABILITIES] * bool(network.n_classes) + [DENOISED] * bool(network.denoises)


def first_stage(network: Any) -> Any:
    """The network that normalises the image: of two stages the denoiser.

    Args:
        network: see :class:`ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> first_stage(DenoiSegNet(2, depth=1, features=4)).n_classes
    3
    """
    return getattr(network, "denoiser", network)


def describe_backbone(network: Any) -> str:
    """Name of what is inside a network, for messages.

    Args:
        network: see :class:`ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> describe_backbone(DenoiSegNet(2, depth=1, features=4))
    'CAREUNet'
    """
    parts = [network.denoiser, network.segmenter] if hasattr(network, "denoiser") else [network]
    return " and ".join(type(getattr(part.unet, "module", part.unet)).__name__ for part in parts)
