"""Remember an image's intensity range before it is cut into patches."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform

from monai_denoiseg.intensity import robust_moments


class WholeIntensityd(Transform):
    """Store offset and scale of the *whole* image beside it, for a network with ``normalisation="image"``.

    Patches cut later are then normalised by the numbers of the image they come from, as tiles are in inference.

    Args:
        key: the image ``(C, [D,] H, W)``.
        output_key: where ``(2, C)`` goes: offsets, then scales, in the image's unit (see
            :func:`monai_denoiseg.intensity.robust_moments`).
        window: usual spatial shape of the images, as the network will know it: of a field more than twice as large only what is
            not empty counts. None takes every image for a full one.

    >>> WholeIntensityd()({"image": torch.tensor([0.0, 2.0] * 500).reshape(1, 10, 100)})["intensity"]
    tensor([[1.],
            [1.]])
    """

    def __init__(self, key: str = "image", output_key: str = "intensity", window: Sequence[int] | None = None) -> None:
        self.key, self.output_key = key, output_key
        self.window = None if window is None else [int(edge) for edge in window]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with the intensity added."""
        image = torch.as_tensor(data[self.key])
        image = image.as_tensor() if hasattr(image, "as_tensor") else image
        return {**data, self.output_key: robust_moments(image[None], window=self.window)[0]}
