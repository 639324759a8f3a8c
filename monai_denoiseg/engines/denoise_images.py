"""A trained denoiser before the first step of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from monai.transforms import Transform
from torch import Tensor

from monai_denoiseg.engines.inferer import DenoiSegInferer
from monai_denoiseg.engines.precision import Precision
from monai_denoiseg.networks import load_denoiser


class DenoiseImaged(Transform):
    """Replace a noisy image by what a trained denoiser makes of it, once, before patches are cut.

    Args:
        denoiser: ``model.pt``.
        key: the image ``(C, [D,] H, W)``.
        intensity_key: ``(2, C)`` of the image, where the item has it (:class:`~monai_denoiseg.transforms.WholeIntensityd`).
        tile_size: see :class:`DenoiSegInferer`.
        device: where to predict.
        amp: see :class:`Precision`.

    Raises:
        ValueError: when the file holds no denoiser.

    >>> import tempfile
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(DenoiSegNet(2, n_classes=0, depth=1, features=4).state_dict(), f"{folder}/model.pt")
    ...     DenoiseImaged(f"{folder}/model.pt")({"image": torch.rand(1, 9, 12)})["image"].shape
    torch.Size([1, 9, 12])
    """

    def __init__(
        self,
        denoiser: str | Path,
        key: str = "image",
        intensity_key: str = "intensity",
        tile_size: int | Sequence[int] | None = None,
        device: str | torch.device = "cpu",
        amp: str | bool = "auto",
    ) -> None:
        self.device, self.precision = torch.device(device), Precision(device, amp)
        self.network = cast(Any, self.precision.prepare(load_denoiser(denoiser).to(self.device)))
        self.key, self.intensity_key, self.inferer = key, intensity_key, DenoiSegInferer(tile_size)

    @torch.no_grad()
    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with its image denoised; the image's metadata stay."""
        image = data[self.key]
        batch = torch.as_tensor(image).as_subclass(Tensor)[None].to(self.device)
        known = data.get(self.intensity_key)
        intensity = self.network.intensity(batch) if known is None else torch.as_tensor(known)[None].to(self.device)
        with self.precision.autocast(self.network, batch):
            output = self.inferer(self.precision.layout(batch), self.network, intensity=intensity)
        denoised = output[0, self.network.n_classes :].to(image.dtype).cpu()
        return {**data, self.key: type(image)(denoised, meta=image.meta) if hasattr(image, "meta") else denoised}
