"""Self2Seg as a dictionary transform."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from monai_denoiseg.self2seg.energies_file import energies_csv, energies_svg, lambda_path_csv
from monai_denoiseg.self2seg.loop import Self2Seg
from monai_denoiseg.self2seg.result import Self2SegResult
from monai_denoiseg.self2seg.starts import Boxes
from monai_denoiseg.transforms.conventions import sample_shape


class Self2Segd(MapTransform):
    """Segment and denoise the image of an item without training data.

    The item gets ``"mask"`` ``(1, [D,] H, W)`` int64, ``"denoised"`` ``(C, [D,] H, W)``, the whole ``"result"`` and, as texts of
    files, ``"energies_csv"`` and ``"energies_svg"``. With a path of weights it also gets ``"masks"``, a channel for each weight,
    and ``"lambda_path_csv"``. A method that only denoises gives ``"denoised"`` alone.

    Args:
        keys: key of the image, ``(C, [D,] H, W)``; one, since the results have fixed names.
        method: called with the image as float32 tensor and returns a :class:`Self2SegResult`, as :class:`Self2Seg` does, or a
            denoised tensor; None: :class:`Self2Seg` by default. ``boxes`` and ``scribbles`` are passed to it where there are any.
        boxes: for every image, see :func:`~monai_denoiseg.self2seg.starts.start_by_boxes`; those of an item go first.
        boxes_key: key of an item's own boxes.
        scribbles_key: key of an item's scribbles ``(1, [D,] H, W)``, see
            :func:`~monai_denoiseg.self2seg.starts.start_by_scribbles`.
        device: where to compute.
        name_key: entry of the image's metadata that is the title of the chart.
        allow_missing_keys: leave an item without image as it is.

    Raises:
        KeyError: for an item without image.
        ValueError: when the scribbles do not have the image's shape, or several keys are given.

    >>> item = Self2Segd("image", method=lambda image: image.mean(0, keepdim=True))({"image": torch.ones(2, 4, 4)})
    >>> sorted(item), tuple(item["denoised"].shape)
    (['denoised', 'image'], (1, 4, 4))
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        method: Callable[..., Self2SegResult | Tensor] | None = None,
        *,
        boxes: Boxes | None = None,
        boxes_key: Hashable = "boxes",
        scribbles_key: Hashable = "scribbles",
        device: str | torch.device = "cpu",
        name_key: str = "filename_or_obj",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"`keys` must be the key of one image, got {list(self.keys)}: the results have fixed names")
        self.image_key = self.keys[0]
        self.method, self.boxes = Self2Seg() if method is None else method, boxes
        self.boxes_key, self.scribbles_key = boxes_key, scribbles_key
        self.device, self.name_key = torch.device(device), name_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with mask, denoised image and records added."""
        if self.image_key not in data and self.allow_missing_keys:
            return dict(data)
        if self.image_key not in data:
            raise KeyError(f"item without {self.image_key!r}; it has {sorted(str(key) for key in data)}")
        item = dict(data)
        image = item[self.image_key]
        sample_shape(str(self.image_key), image)
        plain = torch.as_tensor(image).as_subclass(Tensor).to(self.device, torch.float32)
        found = self.method(plain, **self._hints(item, plain))
        if isinstance(found, Tensor):
            item["denoised"] = _like(found, image)
            return item
        item["result"] = found
        item["mask"], item["denoised"] = _like(found.labels[None], image), _like(found.denoised, image)
        item["energies_csv"] = energies_csv(found.records)
        item["energies_svg"] = energies_svg(found.records, _title(image, self.name_key))
        if found.path is not None:
            item["masks"] = _like(found.path.labels, image)
            item["lambda_path_csv"] = lambda_path_csv(found.path)
        return item

    def _hints(self, item: Mapping[Hashable, Any], image: Tensor) -> dict[str, Any]:
        hints: dict[str, Any] = {}
        boxes = item.get(self.boxes_key, self.boxes)
        if boxes is not None:
            hints["boxes"] = boxes
        if self.scribbles_key in item:
            scribbles = torch.as_tensor(item[self.scribbles_key]).as_subclass(Tensor)
            if scribbles.shape != (1, *image.shape[1:]):
                raise ValueError(f"scribbles of shape {list(scribbles.shape)} do not fit an image of {list(image.shape)}")
            hints["scribbles"] = scribbles[0]
        return hints


def _like(values: Tensor, image: Any) -> Tensor:
    """On the CPU, with the image's metadata where it has any."""
    values = values.detach().cpu()
    return MetaTensor(values, meta=dict(image.meta)) if isinstance(image, MetaTensor) else values


def _title(image: Any, name_key: str) -> str:
    name = str(getattr(image, "meta", {}).get(name_key, ""))
    return name.replace("\\", "/").rpartition("/")[2] or "Energy of the segmentation"
