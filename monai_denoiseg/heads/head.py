"""What every part of the package asks of the head of a network: the interface."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform
from torch import Tensor, nn

from monai_denoiseg.metrics import ClassDice, InstanceMetric
from monai_denoiseg.transforms.labels.border import BorderLabeld
from monai_denoiseg.transforms.orientation import RandOrientd

RULE_KEYS = {"rule": "instance_rule", "overlap": "nms_overlap"}
"""Options of a rule that have another name among a user's settings."""


class ScoreChart(NamedTuple):
    """How the report draws the validation scores.

    Attributes:
        title: above the chart.
        label: at its y axis.
        lines: name and column of the log; the best value of the first is marked.
        scores: what is higher if better, in words.
        best: what the first line is, in words.
    """

    title: str
    label: str
    lines: list[tuple[str, str]]
    scores: str
    best: str


class Head(ABC):
    """What a network predicts besides the denoised image, from the annotation to the labels in a file.

    A new kind of prediction is one subclass and one line in :data:`~monai_denoiseg.heads.registry.HEADS`; nothing else in the
    package asks which head it has.

    Attributes:
        kind: name in model files and of the class in the registry.
        channels: segmentation channels K, which come before the denoised ones.
        rule: what turns a prediction into labels, called ``(prediction, threshold=None, spacing=None)``.
        suffix: end of the name of the label file, and the kind of the result.
        key_metric: score that chooses the best network: ``"ap"`` (with a search of the threshold) or ``"dice"``.
        learns: whether there is anything to learn from annotations.
        classifies: whether the channels are logits of classes, which any segmentation loss can compare with labels.
        widening: a convolution of this many times the first level's features stands before the last one; 0 for none.
        redraws: whether rescaled annotations are made into targets anew; otherwise the target itself is rescaled.
        voxelwise: whether the label of a voxel depends on that voxel alone, so that tiles are labelled one by one. Otherwise
            streamed objects are stitched from the channels ``FOREGROUND`` and ``BORDER``.
        unstreamable: why images cannot be streamed; empty where they can.
        label_type: data type of streamed labels; None: by the number of objects.
    """

    kind: ClassVar[str]
    suffix: ClassVar[str] = "instances"
    key_metric: ClassVar[str] = "ap"
    learns: ClassVar[bool] = True
    classifies: ClassVar[bool] = True
    widening: ClassVar[int] = 0
    redraws: ClassVar[bool] = False
    voxelwise: ClassVar[bool] = False
    unstreamable: ClassVar[str] = ""
    label_type: ClassVar[str | None] = None

    channels: int
    rule: Any

    # --- built from what a user says -----------------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def from_keys(cls, classes: list[str], rays: Any) -> "Head":
        """Build the head from the user's ``classes`` and the rays of :meth:`directions`."""

    @classmethod
    def check_keys(cls, classes: Sequence[str] | None, class_weights: Sequence[float] | None) -> None:
        """Raise a ValueError when the user's ``classes`` and ``class_weights`` do not suit such a head."""
        return

    @classmethod
    def directions(cls, n_rays: int | None, spatial_dims: int, spacing: Sequence[float] | None) -> Any:
        """Directions ``(n_rays, spatial_dims)`` such a head predicts along; None for none."""
        return None

    def keys(self) -> dict[str, Any]:
        """The user's keys ``head``, ``classes``, ``n_rays`` that build this head."""
        return {"head": self.kind, "classes": self.classes or None}

    def check(self, spatial_dims: int) -> None:
        """Raise a ValueError when the head does not suit images of so many axes."""
        return

    # --- what is learnt ------------------------------------------------------------------------------------------------------

    @property
    def segments(self) -> bool:
        """Whether there is anything to learn from annotations."""
        return self.channels > 0

    @property
    def classes(self) -> list[str]:
        """Names of semantic classes, background first; empty where objects are numbered."""
        return []

    @property
    def rays(self) -> Tensor | None:
        """Directions of distances, ``(n_rays, spatial_dims)``; None without."""
        return None

    @property
    def label_channels(self) -> int:
        """Channels of what an annotation becomes."""
        return 1

    @property
    def n_weights(self) -> int:
        """Number of classes that the loss weights."""
        return 0

    def target(self, keys: KeysCollection = "label", allow_missing_keys: bool = True, **border_options: Any) -> MapTransform:
        """Transform that makes of an annotation what the network learns.

        Args:
            keys: keys of the labels.
            allow_missing_keys: leave an item without the key, one that is not labelled, as it is.
            border_options: arguments of :class:`~monai_denoiseg.transforms.BorderLabeld`; checked by every head.
        """
        return BorderLabeld(keys, allow_missing_keys=allow_missing_keys, **border_options)

    @abstractmethod
    def loss(self, class_weights: Sequence[float] | None = None, reduction: str = "labelled") -> nn.Module:
        """Segmentation part of the joint loss, called with the first ``channels`` of an output and the target."""

    def random_orientation(
        self, keys: KeysCollection, spatial_dims: int = 2, quarter_turns: bool = True, label_key: str = "label"
    ) -> MapTransform:
        """Transform that turns and flips the items of a training, image and target alike."""
        return RandOrientd(keys, spatial_dims, allow_missing_keys=True, quarter_turns=quarter_turns)

    # --- what is predicted ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def activation(self) -> nn.Module:
        """Module without weights, for TorchScript too.

        ``forward(output)`` makes probabilities of the first ``channels`` of ``(B, K + C, ...)``; ``correct(logits, weights)``
        undoes the class weights of the loss; ``invert(prediction, weights)`` undoes both.
        """

    def channel_names(self) -> list[str]:
        """Names of the segmentation channels, in their order."""
        return self.classes or [f"class{number}" for number in range(self.channels)]

    @property
    def probability_channels(self) -> int:
        """How many of the first channels are probabilities (for pictures and measures of uncertainty)."""
        return self.channels

    def average(self, predictions: Iterable[tuple[int, Tensor]], spatial_dims: int) -> Tensor:
        """Mean of the predictions of all orientations of an image.

        Args:
            predictions: number of the orientation and the prediction ``(B, K + C, ...)``, its voxels turned back already.
            spatial_dims: 2 or 3.
        """
        total: Any = 0
        count = 0
        for _, prediction in predictions:
            total, count = total + prediction, count + 1
        return total / count  # type: ignore[no-any-return]

    @abstractmethod
    def make_rule(self, **options: Any) -> Any:
        """What turns a prediction into labels.

        Args:
            options: of :class:`~monai_denoiseg.transforms.ProbabilitiesToInstances`, and ``overlap``. All are checked, also those
                that have no effect for this head.
        """

    def options(self) -> dict[str, Any]:
        """Options of the present rule, by the names :meth:`make_rule` takes; without the thresholds."""
        return {}

    def with_rule(self, rule: Any) -> "Head":
        """The same head with another rule of the same kind; one of another kind, which no file could hold, changes nothing."""
        if not isinstance(rule, type(self.rule)):
            return self
        changed = copy.copy(self)
        changed.rule = rule
        return changed

    def labels(
        self, prediction: NdarrayOrTensor, threshold: float | None = None, spacing: Sequence[float] | Tensor | None = None
    ) -> NdarrayOrTensor:
        """Labels ``(1, [D,] H, W)`` of one image.

        Args:
            prediction: ``(K + C, [D,] H, W)``: probabilities; denoised channels are not looked at.
            threshold: None takes that of the rule; the one found in training is in the network, see ``network.labels``.
            spacing: voxel size along each axis, where known.
        """
        return self.rule(prediction[: self.channels], threshold, spacing=spacing)  # type: ignore[no-any-return]

    # --- how it is measured --------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> list[str]:
        """Scores of a validation, for the columns of a log."""
        return ["ap", "seg", "threshold"]

    def metrics(self, iou_thresholds: Sequence[float] = (0.5,), empty: str = "skip", reduction: str = "image_mean") -> list[Any]:
        """Metrics of an evaluation, see :class:`~monai_denoiseg.metrics.InstanceMetric`."""
        return [InstanceMetric(iou_thresholds, empty, reduction), ClassDice([])]

    def count(self, labels: Tensor) -> dict[str, int]:
        """What can be counted in the labels of an image without a truth."""
        return {"n_predicted": int(labels.max())}

    def about(self, threshold: float, reduction: str) -> dict[str, Any]:
        """What the figures of an evaluation are of, as far as it is not the usual."""
        return {"threshold": threshold, "reduction": reduction}

    # --- what is said of it --------------------------------------------------------------------------------------------------

    def label_names(self) -> dict[str, int]:
        """Label values by name; objects have numbers and no names."""
        return {"object": 1}

    def goal(self, of: str) -> str:
        """What the network learns to do with an image, in words; ``of`` stands for the image."""
        return f"to find the objects in {of}"

    def chart(self) -> ScoreChart:
        """How the report draws the validation scores."""
        lines = [("AP", "ap"), ("SEG", "seg")]
        return ScoreChart("Objects found in the validation images", "score", lines, "AP and SEG", "AP")

    # --- what is stored ------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything but weights and thresholds, as JSON can hold it; :func:`head_from_state` reads it."""
        return {"kind": self.kind, "rule": {RULE_KEYS.get(key, key): value for key, value in self.options().items()}}

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Head":
        """Build the head that wrote :meth:`state`."""

    def signature(self) -> dict[str, Any]:
        """What must be the same for weights to fit, by the names of :class:`~monai_denoiseg.networks.DenoiSegNet`."""
        return {"head": self.kind, "n_classes": self.channels}


def rule_arguments(state: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Options of a rule from the ``rule`` of a head's state; those nobody knows are left out.

    Args:
        state: see :meth:`Head.state`.
        known: names the rule takes.

    >>> rule_arguments({"rule": {"instance_rule": "paper", "from_the_future": 1}}, ["rule", "min_size"])
    {'rule': 'paper'}
    """
    stored = dict(state.get("rule", {}))
    return {name: stored[key] for name in known if (key := RULE_KEYS.get(name, name)) in stored}
