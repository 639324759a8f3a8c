"""Take a prediction apart: class probabilities and denoised image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import CLASSES
from monai_denoiseg.transforms.conventions import each_key, sample_shape


class SplitPredictiond(MapTransform):
    """Keep the class probabilities of a prediction under its key and add ``denoised`` (and a copy of the ``probabilities``).

    If a network has no classes, or no denoised channels, the item gets none.

    Args:
        keys: the prediction ``(K + C, [D,] H, W)``: class probabilities, then denoised channels.
        n_classes: K; 0 for a network that only denoises. A list gives one value for each key, as with the two that follow.
        denoised_key: where the denoised channels ``(C, [D,] H, W)`` go.
        probabilities_key: where the probabilities go, which later transforms may replace under ``keys``.
        allow_missing_keys: skip absent keys.

    Raises:
        ValueError: when there are fewer channels than classes, or two predictions would share a key.

    >>> import torch
    >>> item = SplitPredictiond("pred")({"pred": torch.zeros(4, 8, 8)})
    >>> {key: tuple(value.shape) for key, value in item.items()}
    {'denoised': (1, 8, 8), 'pred': (3, 8, 8), 'probabilities': (3, 8, 8)}
    """

    def __init__(
        self,
        keys: KeysCollection,
        n_classes: int | Sequence[int] = len(CLASSES),
        denoised_key: str | Sequence[str] = "denoised",
        probabilities_key: str | Sequence[str] = "probabilities",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        places = {"denoised_key": denoised_key, "probabilities_key": probabilities_key}
        self.parts = each_key(self.keys, n_classes=n_classes, **places)
        for part in self.parts:
            check_int("n_classes", part["n_classes"], 0)
        for name in places:
            written = [part[name] for part in self.parts]
            if len(set(written)) < len(written):
                raise ValueError(f"`{name}` must be another for each of the keys {list(self.keys)}, got {written}")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with the parts."""
        item = dict(data)
        for key, part in self.key_iterator(item, self.parts):
            n_classes, prediction = part["n_classes"], item.pop(key)
            n = sample_shape(str(key), prediction)[0]
            if n < n_classes:
                raise ValueError(f"{key!r} has {n} channels, fewer than the {n_classes} classes")
            if n > n_classes:
                item[part["denoised_key"]] = prediction[n_classes:]
            if n_classes:
                item[key] = item[part["probabilities_key"]] = prediction[:n_classes]
        return item
