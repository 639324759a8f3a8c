"""Take a prediction apart: class probabilities and denoised image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import CLASSES


class SplitPredictiond(MapTransform):
    """Keep the class probabilities of a prediction under its key and add ``denoised`` (and a copy of the ``probabilities``).

    If a network has no classes, or no denoised channels, the item gets none.

    Args:
        keys: the prediction ``(K + C, [D,] H, W)``: class probabilities, then denoised channels.
        n_classes: K; 0 for a network that only denoises.
        denoised_key: where the denoised channels ``(C, [D,] H, W)`` go.
        probabilities_key: where the probabilities go, which later transforms may replace under ``keys``.
        allow_missing_keys: skip absent keys.

    Raises:
        ValueError: when there are fewer channels than classes.

    >>> import torch
    >>> item = SplitPredictiond("pred")({"pred": torch.zeros(4, 8, 8)})
    >>> {key: tuple(value.shape) for key, value in item.items()}
    {'denoised': (1, 8, 8), 'pred': (3, 8, 8), 'probabilities': (3, 8, 8)}
    """

    def __init__(
        self,
        keys: KeysCollection,
        n_classes: int = len(CLASSES),
        denoised_key: str = "denoised",
        probabilities_key: str = "probabilities",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.n_classes = check_int("n_classes", n_classes, 0)
        self.denoised_key, self.probabilities_key = denoised_key, probabilities_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with the parts."""
        item = dict(data)
        for key in self.key_iterator(item):
            prediction = item.pop(key)
            n = prediction.shape[0]
            if n < self.n_classes:
                raise ValueError(f"{key!r} has {n} channels, fewer than the {self.n_classes} classes")
            if n > self.n_classes:
                item[self.denoised_key] = prediction[self.n_classes :]
            if self.n_classes:
                item[key] = item[self.probabilities_key] = prediction[: self.n_classes]
        return item
