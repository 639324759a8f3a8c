"""No segmentation: the network only denoises."""

# No "from __future__ import annotations": TorchScript reads the annotations as types.

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monai_denoiseg.heads.head import Head, ScoreChart
from monai_denoiseg.losses import PartialCrossEntropyLoss
from monai_denoiseg.transforms import ProbabilitiesToInstances


class NoActivation(nn.Module):
    """Leaves everything as it is.

    >>> NoActivation()(torch.ones(1))
    tensor([1.])
    """

    def forward(self, output: Tensor) -> Tensor:
        """The output."""
        return output

    @torch.jit.export
    def correct(self, logits: Tensor, weights: Tensor) -> Tensor:
        """The logits, of which there are none."""
        return logits

    def invert(self, prediction: Tensor, weights: Tensor) -> Tensor:
        """The prediction."""
        return prediction


class NoHead(Head):
    """Nothing is segmented (Noise2Void and its relatives).

    >>> NoHead().segments
    False
    """

    kind = "none"
    learns = False
    classifies = False

    def __init__(self) -> None:
        self.channels, self.rule = 0, ProbabilitiesToInstances()

    @classmethod
    def from_keys(cls, classes: list[str], rays: Any) -> "NoHead":
        """See :meth:`Head.from_keys`."""
        if classes:
            raise ValueError(f"`head` is 'none', but `classes` names {len(classes)}: {', '.join(classes)}; leave one of them out")
        return cls()

    def loss(self, class_weights: Sequence[float] | None = None, reduction: str = "labelled") -> nn.Module:
        """See :meth:`Head.loss`: never asked; the options are checked."""
        PartialCrossEntropyLoss(class_weights, reduction)
        return nn.Identity()

    def activation(self) -> nn.Module:
        """Nothing to do."""
        return NoActivation()

    def make_rule(self, *, overlap: float = 0.4, **options: Any) -> ProbabilitiesToInstances:
        """See :meth:`Head.make_rule`: never asked; the options are checked."""
        return ProbabilitiesToInstances(**options)

    @property
    def columns(self) -> list[str]:
        """Nothing is scored."""
        return []

    def about(self, threshold: float, reduction: str) -> dict[str, Any]:
        """See :meth:`Head.about`."""
        return {"head": self.kind}

    def chart(self) -> ScoreChart:
        """See :meth:`Head.chart`: the agreement with clean images."""
        return ScoreChart("Agreement with the clean validation images", "PSNR in dB", [("PSNR", "psnr")], "PSNR", "PSNR")

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "NoHead":
        """See :meth:`Head.from_state`."""
        return cls()
