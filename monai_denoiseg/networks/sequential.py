"""Denoise, then segment: two networks in one, and in one file."""

# No "from __future__ import annotations": TorchScript reads the class annotations as types.

import math
from collections.abc import Mapping
from typing import Any, Optional

import torch
from torch import Tensor, nn

from monai_denoiseg.heads import Head
from monai_denoiseg.networks.denoiseg_net import DenoiSegNet
from monai_denoiseg.networks.plausible import REACH


class SequentialNet(nn.Module):
    """A segmentation network that sees what a frozen denoiser makes of an image (VoidSeg's *Sequential*, Prakash et al. 2020).

    It stands wherever a :class:`DenoiSegNet` does: same input, same output (segmentation channels, then the denoised image), same
    attributes, one state dict with both networks and the decision threshold.

    With ``normalisation="image"`` both networks normalise by the numbers of the *noisy* image: those of the denoised one are not
    known before all of it is denoised. With ``"dataset"`` each has its own, the segmenter's taken from denoised images.

    Args:
        denoiser: gives the denoised image. Its weights are frozen, and it stays in evaluation mode.
        segmenter: is shown that; its own denoised channels, if any, are not looked at.

    Raises:
        ValueError: when the denoiser does not denoise, or the two take different images.

    Source: Prakash et al., "Leveraging self-supervised denoising for image segmentation", ISBI 2020.

    >>> denoiser = DenoiSegNet(2, n_classes=0, depth=1, features=4)
    >>> SequentialNet(denoiser, DenoiSegNet(2, depth=1, features=4, denoises=False))(torch.zeros(1, 1, 9, 12)).shape
    torch.Size([1, 4, 9, 12])
    """

    __jit_unused_properties__ = (
        *("threshold", "overlap", "rays", "class_weights", "quarter_turns", "blind", "head", "training_info"),
    )

    classes: list[str]
    denoises: bool
    multiple: list[int]
    receptive_radius: list[int]

    def __init__(self, denoiser: DenoiSegNet, segmenter: DenoiSegNet) -> None:
        super().__init__()
        if not denoiser.denoises:
            raise ValueError("`denoiser` gives no denoised image (denoises=False); train it with alpha above 0")
        for name in ("spatial_dims", "in_channels"):
            theirs, ours = getattr(denoiser, name), getattr(segmenter, name)
            if theirs != ours:
                raise ValueError(f"`denoiser` has {name} {theirs}, `segmenter` {ours}: they must take the same images")
        self.denoiser, self.segmenter = denoiser.requires_grad_(False).eval(), segmenter
        self.spatial_dims, self.in_channels = segmenter.spatial_dims, segmenter.in_channels
        self.n_classes, self.classes, self.denoises = segmenter.n_classes, segmenter.classes, True
        self.sees_whole: bool = denoiser.sees_whole or segmenter.sees_whole
        self.multiple = [math.lcm(*pair) for pair in zip(denoiser.multiple, segmenter.multiple, strict=True)]
        reach = [sum(pair) + 2 * REACH for pair in zip(denoiser.receptive_radius, segmenter.receptive_radius, strict=True)]
        self.receptive_radius = [-(-r // m) * m for r, m in zip(reach, self.multiple, strict=True)]
        self.register_buffer("image_mode", denoiser.image_mode.clone())

    image_mode: Tensor

    @property
    def head(self) -> Head:
        """What the segmenter predicts, see :class:`DenoiSegNet`."""
        return self.segmenter.head

    @property
    def training_info(self) -> dict[str, Any]:
        """What the file tells of the segmenter's training, see :class:`DenoiSegNet`."""
        return self.segmenter.training_info

    @training_info.setter
    def training_info(self, info: Mapping[str, Any]) -> None:
        self.segmenter.training_info = info  # type: ignore[assignment]

    @torch.jit.unused
    def set_rule(self, rule: Any) -> None:
        """See :meth:`DenoiSegNet.set_rule`."""
        self.segmenter.set_rule(rule)

    @torch.jit.unused
    def labels(self, prediction: Any, threshold: float | None = None, spacing: Any = None) -> Any:
        """See :meth:`DenoiSegNet.labels`."""
        return self.segmenter.labels(prediction, threshold, spacing)

    @property
    def threshold(self) -> Tensor:
        """Decision thresholds, see :class:`DenoiSegNet`."""
        return self.segmenter.threshold

    @property
    def overlap(self) -> Tensor:
        """Overlaps of the non-maximum suppression, see :class:`DenoiSegNet`."""
        return self.segmenter.overlap

    @property
    def rays(self) -> Tensor:
        """Rays of a StarDist head, see :class:`DenoiSegNet`."""
        return self.segmenter.rays

    @property
    def class_weights(self) -> Tensor:
        """Class weights of the training loss, see :class:`DenoiSegNet`."""
        return self.segmenter.class_weights

    @property
    def quarter_turns(self) -> Tensor:
        """Whether quarter turns make sense to both networks."""
        return self.denoiser.quarter_turns & self.segmenter.quarter_turns

    @property
    def blind(self) -> Tensor:
        """Whether the denoiser learnt from blind spots, see :class:`DenoiSegNet`."""
        return self.denoiser.blind

    def train(self, mode: bool = True) -> "SequentialNet":
        """Set the mode of the segmenter; the denoiser stays as it is."""
        super().train(mode)
        self.denoiser.eval()
        return self

    @torch.jit.export
    def intensity(self, image: Tensor) -> Tensor:
        """See :meth:`DenoiSegNet.intensity`; of the noisy image."""
        return self.denoiser.intensity(image)

    @torch.jit.unused
    def denoise(self, image: Tensor, intensity: Tensor | None = None) -> Tensor:
        """Denoise only: ``(B, C, [D,] H, W)`` in the intensities of the image."""
        output: Tensor = self.denoiser(image, intensity)
        return output[:, self.denoiser.n_classes :]

    def forward(self, image: Tensor, intensity: Optional[Tensor] = None) -> Tensor:  # noqa: UP045 (TorchScript)
        """Denoise, then segment; arguments and result as :meth:`DenoiSegNet.forward`."""
        if intensity is None:
            intensity = self.intensity(image)
        denoised = self.denoiser(image, intensity)[:, self.denoiser.n_classes :]
        return torch.cat([self.segmenter(denoised, intensity)[:, : self.n_classes], denoised], 1)

    @torch.jit.export
    def activate(self, output: Tensor) -> Tensor:
        """See :meth:`DenoiSegNet.activate`."""
        return self.segmenter.activate(output)

    @torch.jit.unused
    def logits(self, prediction: Tensor) -> Tensor:
        """See :meth:`DenoiSegNet.logits`."""
        return self.segmenter.logits(prediction)

    @torch.jit.unused
    def square(self) -> bool:
        """See :meth:`DenoiSegNet.square`."""
        return self.denoiser.square() and self.segmenter.square()

    @property
    @torch.jit.unused
    def flips(self) -> bool:
        """See :class:`DenoiSegNet`."""
        return bool(self.denoiser.flips and self.segmenter.flips)


def is_sequential(state: Any) -> bool:
    """Whether a state dict is that of a :class:`SequentialNet`.

    Args:
        state: a state dict.

    >>> is_sequential(DenoiSegNet(2, depth=1, features=4).state_dict())
    False
    """
    return "denoiser.description" in state or "denoiser.architecture" in state
