"""Objects by three classes: background, foreground, border (DenoiSeg)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import CLASSES
from monai_denoiseg.heads.head import Head, rule_arguments
from monai_denoiseg.heads.softmax import SoftmaxActivation, check_weights
from monai_denoiseg.losses import PartialCrossEntropyLoss
from monai_denoiseg.transforms import ProbabilitiesToInstances

OPTIONS = ("rule", "min_size", "max_grow", "fill_holes", "connectivity", "units", "split_neck")


class BorderHead(Head):
    """Numbered objects, found as pieces of foreground that the class border keeps apart.

    Args:
        channels: number of classes; by default background, foreground, border.
        rule: a :class:`~monai_denoiseg.transforms.ProbabilitiesToInstances`; None takes its defaults.

    Source: Buchholz et al. (2020), DenoiSeg.

    >>> BorderHead().state()["rule"]["instance_rule"]
    'grow'
    """

    kind = "border"
    redraws = True

    def __init__(self, channels: int = len(CLASSES), rule: ProbabilitiesToInstances | None = None) -> None:
        self.channels = check_int("n_classes", channels, 1)
        self.rule = ProbabilitiesToInstances() if rule is None else rule

    @classmethod
    def from_keys(cls, classes: list[str], rays: Any) -> "BorderHead":
        """See :meth:`Head.from_keys`; there are no names and no rays."""
        return cls()

    @classmethod
    def check_keys(cls, classes: Sequence[str] | None, class_weights: Sequence[float] | None) -> None:
        """See :meth:`Head.check_keys`."""
        check_weights(class_weights, CLASSES)

    def keys(self) -> dict[str, Any]:
        """See :meth:`Head.keys`: users write ``classes`` without names."""
        return {"head": "classes", "classes": None}

    @property
    def n_weights(self) -> int:
        """Every class has a weight."""
        return self.channels

    def loss(self, class_weights: Sequence[float] | None = None, reduction: str = "labelled") -> nn.Module:
        """See :meth:`Head.loss`; None weights the border five times, as the paper does."""
        return PartialCrossEntropyLoss(class_weights, reduction)

    def activation(self) -> nn.Module:
        """Softmax."""
        return SoftmaxActivation(self.channels)

    def channel_names(self) -> list[str]:
        """Background, foreground, border; of another number of classes their numbers."""
        return list(CLASSES) if self.channels == len(CLASSES) else super().channel_names()

    def make_rule(self, *, overlap: float = 0.4, **options: Any) -> ProbabilitiesToInstances:
        """See :meth:`Head.make_rule`; the overlap of a non-maximum suppression has no effect."""
        return ProbabilitiesToInstances(**options)

    def options(self) -> dict[str, Any]:
        """Options of the rule."""
        return {**self.rule.options, "units": self.rule.units}

    def state(self) -> dict[str, Any]:
        """See :meth:`Head.state`."""
        return super().state() | {"n_classes": self.channels}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "BorderHead":
        """See :meth:`Head.from_state`."""
        return cls(state.get("n_classes", len(CLASSES)), ProbabilitiesToInstances(**rule_arguments(state, OPTIONS)))
