"""Remember an image's intensity range before it is cut into patches."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from monai_denoiseg.intensity import robust_moments
from monai_denoiseg.transforms.conventions import per_key, sample_shape


class WholeIntensityd(MapTransform):
    """Store offset and scale of the *whole* image beside it, for a network with ``normalisation="image"``.

    Patches cut later are then normalised by the numbers of the image they come from, as tiles are in inference.

    Args:
        keys: the image ``(C, [D,] H, W)``.
        output_key: where ``(2, C)`` goes: offsets, then scales, in the image's unit (see
            :func:`monai_denoiseg.intensity.robust_moments`); one for each key.
        window: usual spatial shape of the images, as the network will know it: of a field more than twice as large only what is
            not empty counts. None takes every image for a full one.
        allow_missing_keys: leave an item without the key as it is.
        key: the former name of ``keys``.

    Raises:
        ValueError: when two images would share an output.

    >>> WholeIntensityd()({"image": torch.tensor([0.0, 2.0] * 500).reshape(1, 10, 100)})["intensity"]
    tensor([[1.],
            [1.]])
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        output_key: str | Sequence[str] = "intensity",
        window: Sequence[int] | None = None,
        allow_missing_keys: bool = False,
        *,
        key: str | None = None,
    ) -> None:
        if key is not None:
            warnings.warn("`key` is now called `keys`, as in MONAI", FutureWarning, stacklevel=2)
        super().__init__(keys if key is None else key, allow_missing_keys)
        self.window = None if window is None else [int(edge) for edge in window]
        self.output_keys = per_key("output_key", output_key, self.keys)
        if len(set(self.output_keys)) < len(self.output_keys):
            raise ValueError(f"`output_key` must be another for each of the keys {list(self.keys)}, got {self.output_keys}")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with the intensity added."""
        item = dict(data)
        for key, output_key in self.key_iterator(item, self.output_keys):
            sample_shape(str(key), item[key])
            image: torch.Tensor = convert_to_tensor(item[key], track_meta=False)
            item[output_key] = robust_moments(image[None], window=self.window)[0]
        return item
