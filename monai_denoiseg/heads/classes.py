"""Semantic classes: every voxel is an organ, a tissue, or background."""

from collections.abc import Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor, nn

from monai_denoiseg.heads.head import Head, ScoreChart
from monai_denoiseg.heads.softmax import SoftmaxActivation, check_weights
from monai_denoiseg.losses import PartialCrossEntropyLoss
from monai_denoiseg.metrics import ClassDice, dice_names
from monai_denoiseg.transforms import ClassLabeld, ProbabilitiesToClasses, ProbabilitiesToInstances


class ClassHead(Head):
    """A class for every voxel.

    Args:
        classes: names in the order of the label values, background first.

    Raises:
        ValueError: when there are fewer than two names, or one is empty, occurs twice or has more than one line.
        TypeError: when ``classes`` is no list of texts.

    >>> ClassHead(["background", "liver"]).columns
    ['dice', 'dice_liver']
    """

    kind = "classes"
    suffix = "classes"
    key_metric = "dice"
    voxelwise = True
    label_type = "uint8"

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = check_classes(classes)
        if not self._classes:
            raise ValueError("`classes` is empty: name the background and at least one more class")
        self.channels = len(self._classes)
        self.rule = ProbabilitiesToClasses(self.channels)

    @classmethod
    def from_keys(cls, classes: list[str], rays: Any) -> "ClassHead":
        """See :meth:`Head.from_keys`."""
        return cls(classes)

    @classmethod
    def check_keys(cls, classes: Sequence[str] | None, class_weights: Sequence[float] | None) -> None:
        """See :meth:`Head.check_keys`."""
        check_weights(class_weights, classes or [])

    @property
    def classes(self) -> list[str]:
        """Names, background first."""
        return list(self._classes)

    @property
    def n_weights(self) -> int:
        """Every class has a weight."""
        return self.channels

    def target(self, keys: KeysCollection = "label", allow_missing_keys: bool = True, **border_options: Any) -> MapTransform:
        """See :meth:`Head.target`: the annotation as it is, checked."""
        super().target(keys, allow_missing_keys, **border_options)
        return ClassLabeld(keys, self._classes, allow_missing_keys)

    def loss(self, class_weights: Sequence[float] | None = None, reduction: str = "labelled") -> nn.Module:
        """See :meth:`Head.loss`; None weights all classes alike."""
        return PartialCrossEntropyLoss(class_weights, reduction, classes=self._classes)

    def activation(self) -> nn.Module:
        """Softmax."""
        return SoftmaxActivation(self.channels)

    def make_rule(self, *, overlap: float = 0.4, **options: Any) -> ProbabilitiesToClasses:
        """See :meth:`Head.make_rule`; there are no objects to grow, to separate or to drop."""
        ProbabilitiesToInstances(**options)
        return ProbabilitiesToClasses(self.channels)

    @property
    def columns(self) -> list[str]:
        """Dice of each class and their mean."""
        return dice_names(self._classes)

    def metrics(self, iou_thresholds: Sequence[float] = (0.5,), empty: str = "skip", reduction: str = "image_mean") -> list[Any]:
        """See :meth:`Head.metrics`: Dice alone; the options are checked."""
        super().metrics(iou_thresholds, empty, reduction)
        return [ClassDice(self._classes)]

    def count(self, labels: Tensor) -> dict[str, int]:
        """Nothing: classes are not counted."""
        return {}

    def about(self, threshold: float, reduction: str) -> dict[str, Any]:
        """See :meth:`Head.about`."""
        return {"classes": self.classes}

    def label_names(self) -> dict[str, int]:
        """Classes by name, without the background."""
        return {name: value for value, name in enumerate(self._classes) if value}

    def goal(self, of: str) -> str:
        """See :meth:`Head.goal`."""
        return f"to tell apart what is in {of} ({', '.join(self._classes[1:])})"

    def chart(self) -> ScoreChart:
        """See :meth:`Head.chart`."""
        lines = [("mean", "dice"), *((name, f"dice_{name}") for name in self._classes[1:])]
        return ScoreChart("Dice in the validation images", "Dice", lines, "Dice", "mean Dice")

    def state(self) -> dict[str, Any]:
        """See :meth:`Head.state`."""
        return super().state() | {"classes": self.classes}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "ClassHead":
        """See :meth:`Head.from_state`."""
        return cls(state["classes"])

    def signature(self) -> dict[str, Any]:
        """The names, too, must be the same."""
        return super().signature() | {"classes": self.classes}


def check_classes(classes: Sequence[str] | None) -> list[str]:
    """Return the class names as a list, empty for objects.

    Args:
        classes: names in the order of the label values, background first; None (or nothing) for objects.

    Raises:
        ValueError: when there is one name only, a name is empty, holds a line break or occurs twice.
        TypeError: when ``classes`` is no list of texts.

    >>> check_classes(["background", "liver"]), check_classes(None)
    (['background', 'liver'], [])
    >>> check_classes(["liver"])
    Traceback (most recent call last):
        ...
    ValueError: `classes` needs the background and at least one more name, got ['liver']; for instance ['background', 'liver']
    """
    if classes is None:
        return []
    if isinstance(classes, str) or not isinstance(classes, Sequence) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"`classes` must be a list of names such as ['background', 'liver'], got {classes!r}")
    names = list(classes)
    if len(names) == 1:
        example = f"for instance ['background', {names[0]!r}]"
        raise ValueError(f"`classes` needs the background and at least one more name, got {names}; {example}")
    wrong = [name for name in names if not name.strip() or "\n" in name]
    if wrong:
        raise ValueError(f"`classes` holds the name {wrong[0]!r}; give every class a name on one line")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"`classes` holds {', '.join(twice)} twice; every class needs a name of its own")
    return names
