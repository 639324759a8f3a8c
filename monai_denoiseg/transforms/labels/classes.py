"""Semantic classes: the label map of class probabilities, and the check of labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_numpy

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.open_classes import opens
from monai_denoiseg.transforms.conventions import each_key, per_key, sample_shape

__all__ = ["ClassLabel", "ClassLabeld", "ProbabilitiesToClasses", "ProbabilitiesToClassesd", "ProbabilitiesToLabelsd"]

LabelRule = Callable[..., NdarrayOrTensor]


class ProbabilitiesToClasses(Transform):
    """Give every voxel its most probable class; ties go to the lowest class.

    Called as :class:`ProbabilitiesToInstances` is, so that either can stand wherever labels are made.

    Args:
        n_classes: number of classes K, the background among them.

    Raises:
        ValueError: when ``n_classes`` is below 2.

    >>> ProbabilitiesToClasses(3)(np.array([[[0.5, 0.2]], [[0.1, 0.2]], [[0.4, 0.6]]]))
    array([[[0, 2]]], dtype=int32)
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(self, n_classes: int) -> None:
        self.n_classes = check_int("n_classes", n_classes, 2)

    def __call__(self, probabilities: NdarrayOrTensor, threshold: float | None = None, spacing: Any = None) -> NdarrayOrTensor:
        """Return the class map of one image.

        Args:
            probabilities: ``(K or more, [D,] H, W)``; channels beyond the classes are not looked at.
            threshold: not used.
            spacing: not used.

        Returns:
            int32 ``(1, [D,] H, W)`` of the same type: label values 0..K-1.

        Raises:
            ValueError: when there are fewer than K channels, or NaN among the probabilities.
        """
        shape = sample_shape("probabilities", probabilities, str(self.n_classes))
        if shape[0] < self.n_classes:
            raise ValueError(f"`probabilities` must have the shape ({self.n_classes}, [D,] H, W) for the classes, got {shape}")
        scores = torch.as_tensor(probabilities[: self.n_classes]).as_subclass(torch.Tensor).detach()
        if bool(scores.isnan().any()):
            raise ValueError("`probabilities` holds NaN, so no class is the most probable one; look for NaN in the image")
        # In a tie numpy takes the first; torch does not say which.
        classes = scores.float().cpu().numpy().argmax(0)[None]
        return convert_to_dst_type(classes, probabilities, dtype=np.int32)[0]


class ProbabilitiesToClassesd(MapTransform):
    """Dictionary version of :class:`ProbabilitiesToClasses`.

    Args:
        keys: keys of the class probabilities.
        n_classes: see :class:`ProbabilitiesToClasses`; a list gives one number for each key.
        allow_missing_keys: leave out keys an item has not.

    >>> ProbabilitiesToClassesd("pred", 2)({"pred": np.array([[[0.2]], [[0.8]]])})["pred"]
    array([[[1]]], dtype=int32)
    """

    backend = ProbabilitiesToClasses.backend

    def __init__(self, keys: KeysCollection, n_classes: int | Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_classes = [ProbabilitiesToClasses(**one) for one in each_key(self.keys, n_classes=n_classes)]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the probabilities of all keys replaced by classes."""
        item = dict(data)
        for key, to_classes in self.key_iterator(item, self.to_classes):
            item[key] = to_classes(item[key])
        return item


class ProbabilitiesToLabelsd(MapTransform):
    """Replace class probabilities by labels, with whatever rule: instances or semantic classes.

    Args:
        keys: keys of the class probabilities.
        labels: callable ``(probabilities, threshold=None, spacing=None)``, see :func:`~monai_denoiseg.heads.label_rule`; a list
            gives one for each key.
        spacing_key: key of the voxel size; an item may lack it.
        allow_missing_keys: leave out keys an item has not.

    >>> ProbabilitiesToLabelsd("pred", ProbabilitiesToClasses(2))({"pred": np.array([[[0.2]], [[0.8]]])})["pred"]
    array([[[1]]], dtype=int32)
    """

    def __init__(
        self,
        keys: KeysCollection,
        labels: LabelRule | Sequence[LabelRule],
        spacing_key: str = "spacing",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.labels, self.spacing_key = per_key("labels", labels, self.keys), spacing_key

    def __call__(self, data: Mapping[Hashable, Any], threshold: float | None = None) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the probabilities of all keys replaced by labels."""
        item = dict(data)
        for key, labels in self.key_iterator(item, self.labels):
            item[key] = labels(item[key], threshold, spacing=item.get(self.spacing_key))
        return item


class ClassLabel(Transform):
    """Check that a label holds semantic classes only, and make it int64 for the loss.

    Args:
        classes: names in the order of the label values, background first.

    >>> ClassLabel(["background", "liver"])(np.array([[[0, 1, -1, 2]]]))
    Traceback (most recent call last):
        ...
    ValueError: label holds 2, but the 2 classes are 0 background, 1 liver; name every class in `classes`, or mark the voxels as \
not annotated (see `ignore_value`)
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        check_int("the number of `classes`", len(self.classes), 2)

    def __call__(self, label: NdarrayOrTensor) -> NdarrayOrTensor:
        """Return the label as int64.

        Args:
            label: ``(1, [D,] H, W)``, 0..K-1, -1 where not annotated, less where classes are open
                (:func:`~monai_denoiseg.open_classes.open_value`); numpy, torch or MetaTensor.

        Returns:
            The same values, type and shape.

        Raises:
            ValueError: when the shape is wrong or a value is no class.
        """
        shape = sample_shape("label", label, "1")
        values: np.ndarray = convert_to_numpy(label)
        if shape[0] != 1:
            raise ValueError(f"`label` must have the shape (1, [D,] H, W), got {shape}; add or select a channel")
        known = np.isin(values, np.arange(IGNORE, len(self.classes))) | opens(values, len(self.classes))
        if not known.all():
            odd = [f"{value:g}" for value in np.unique(values[~known])]
            named = ", ".join(f"{number} {name}" for number, name in enumerate(self.classes))
            raise ValueError(
                f"label holds {', '.join(odd[:5])}{', ...' if len(odd) > 5 else ''}, but the {len(self.classes)} classes are "
                f"{named}; name every class in `classes`, or mark the voxels as not annotated (see `ignore_value`)"
            )
        return convert_to_dst_type(values, label, dtype=np.int64)[0]


class ClassLabeld(MapTransform):
    """Dictionary version of :class:`ClassLabel`.

    Args:
        keys: keys of the labels, each ``(1, [D,] H, W)``.
        classes: see :class:`ClassLabel`.
        allow_missing_keys: leave an item without the key as it is.

    >>> ClassLabeld("label", ["background", "liver"])({"label": np.array([[[0, 1, -1]]])})["label"]
    array([[[ 0,  1, -1]]])
    """

    backend = ClassLabel.backend

    def __init__(self, keys: KeysCollection, classes: Sequence[str], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.check = ClassLabel(classes)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the labels of all keys checked and as int64."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.check(item[key])
        return item
