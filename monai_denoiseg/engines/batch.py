"""From a batch of the data loader to the network's input and target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_denoiseg.engines.annotated_crops import leave_out
from monai_denoiseg.transforms import BlindSpot

Prepared = tuple[Tensor, dict[str, Tensor], tuple[()], dict[str, Any]]


class BlindSpotBatch(PrepareBatch):
    """Move a batch to the device and hide its blind spots there, all at once.

    A batch that already carries its blind spots keeps them: ``image_original`` and ``image_mask`` beside a hidden ``image``
    (:class:`~monai_denoiseg.transforms.RandBlindSpotd`), or ``image_hidden`` and ``image_mask``
    (:class:`~monai_denoiseg.transforms.FixedBlindSpotd`, for validation). A batch with a ``target`` image (supervised,
    Noise2Noise) hides nothing: the whole image is compared with its target. Items that are ``augmented``
    (:class:`~monai_denoiseg.engines.AnnotatedCrops`) are segmented only: nothing is hidden in them or compared.

    Args:
        blind_spot: callable that takes ``(B, C, ...)`` and returns the hidden batch and its mask
            (:class:`~monai_denoiseg.transforms.BlindSpot`, which is the default).

    >>> from monai_denoiseg.transforms import BlindSpot
    >>> batch = {"image": torch.rand(2, 1, 16, 16), "label": torch.full((2, 1, 16, 16), -1)}
    >>> hidden, target, _, kwargs = BlindSpotBatch(BlindSpot())(batch)
    >>> sorted(target), kwargs
    (['image', 'label', 'mask'], {})
    """

    def __init__(self, blind_spot: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None) -> None:
        self.blind_spot = BlindSpot() if blind_spot is None else blind_spot

    def __call__(
        self, batchdata: Mapping[str, Any], device: str | torch.device | None = None, non_blocking: bool = False, **_: Any
    ) -> Prepared:
        """Prepare a batch.

        Args:
            batchdata: ``image`` ``(B, C, ...)``, ``label`` ``(B, 1, ...)``, perhaps ``target`` ``(B, C, ...)``, ``augmented``
                ``(B,)`` and, for image-wise normalisation, ``intensity`` ``(B, 2, C)``.
            device: where to move them.
            non_blocking: see ``torch.Tensor.to``.

        Returns:
            Network input, target (``image``, ``mask``, ``label``, perhaps ``target``, and ``unit``: the scale of
            ``intensity``), no positional and the keyword arguments of the network.
        """

        def move(key: str) -> Tensor:
            value = torch.as_tensor(batchdata[key])
            value = value.as_tensor() if hasattr(value, "as_tensor") else value
            return value.to(device, non_blocking=non_blocking)

        image = move("image")
        if "target" in batchdata:
            image = move("image_original") if "image_original" in batchdata else image
            hidden, mask = image, torch.ones_like(image, dtype=torch.bool)
        elif "image_original" in batchdata:
            hidden, image, mask = image, move("image_original"), move("image_mask")
        elif "image_hidden" in batchdata:
            hidden, mask = move("image_hidden"), move("image_mask")
        else:
            hidden, mask = self.blind_spot(image)
        if "augmented" in batchdata:
            mask, hidden = leave_out(mask, hidden, image, move("augmented"))
        kwargs = {"intensity": move("intensity")} if "intensity" in batchdata else {}
        target = {"image": image, "mask": mask, "label": move("label")}
        if "target" in batchdata:
            target["target"] = move("target")
        if "intensity" in kwargs:
            target["unit"] = kwargs["intensity"][:, 1]
        return hidden, target, (), kwargs
