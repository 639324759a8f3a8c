"""A trained denoiser before the first step of a training."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type
from torch import Tensor

from monai_denoiseg.engines.inferer import DenoiSegInferer
from monai_denoiseg.engines.precision import Precision
from monai_denoiseg.networks import load_denoiser
from monai_denoiseg.transforms.conventions import per_key, sample_shape


class DenoiseImaged(MapTransform):
    """Replace a noisy image by what a trained denoiser makes of it, once, before patches are cut.

    Args:
        denoiser: ``model.pt``.
        keys: the image ``(C, [D,] H, W)``.
        intensity_key: ``(2, C)`` of the image, one for each key, where the item has it
            (:class:`~monai_denoiseg.transforms.WholeIntensityd`).
        tile_size: see :class:`DenoiSegInferer`.
        device: where to predict.
        amp: see :class:`Precision`.
        allow_missing_keys: leave an item without the key as it is.

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
        keys: KeysCollection = "image",
        intensity_key: str | Sequence[str] = "intensity",
        tile_size: int | Sequence[int] | None = None,
        device: str | torch.device = "cpu",
        amp: str | bool = "auto",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.device, self.precision = torch.device(device), Precision(device, amp)
        self.network = cast(Any, self.precision.prepare(load_denoiser(denoiser).to(self.device)))
        self.intensity_keys, self.inferer = per_key("intensity_key", intensity_key, self.keys), DenoiSegInferer(tile_size)

    @torch.no_grad()
    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with its image denoised; the image's metadata stay."""
        item = dict(data)
        for key, intensity_key in self.key_iterator(item, self.intensity_keys):
            sample_shape(str(key), item[key], spatial_dims=self.network.spatial_dims)
            item[key] = self._denoised(item[key], item.get(intensity_key))
        return item

    def _denoised(self, image: Any, known: Any) -> Any:
        batch = torch.as_tensor(image).as_subclass(Tensor)[None].to(self.device)
        intensity = self.network.intensity(batch) if known is None else torch.as_tensor(known)[None].to(self.device)
        with self.precision.autocast(self.network, batch):
            output = self.inferer(self.precision.layout(batch), self.network, intensity=intensity)
        return convert_to_dst_type(output[0, self.network.n_classes :].cpu(), image)[0]
