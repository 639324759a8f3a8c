"""Scale augmentation of the few labelled images, with the network's own denoised images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.data.batches import AnnotatedVoxels, around, has_annotation, plain
from monai_denoiseg.engines.inferer import DenoiSegInferer
from monai_denoiseg.engines.precision import Precision
from monai_denoiseg.heads import Head, as_head
from monai_denoiseg.heads import denoises as has_denoised
from monai_denoiseg.processes import unwrap
from monai_denoiseg.transforms.intensity import RescaledCrop
from monai_denoiseg.transforms.intensity.rescale import window_at

KEPT = ("labelled", "intensity", "spacing")


def can_rescale(
    zoom: float, alpha: float = 0.5, denoises: bool = True, target: str | None = None, head: Head | str = "classes"
) -> bool:
    """Whether a training with these settings shows labelled crops at other scales.

    It takes a network that learns both halves: to denoise from the noisy images alone, and to segment.

    Args:
        zoom: largest scale, 1 or more.
        alpha: weight of the denoising loss, in [0, 1].
        denoises: whether the network has denoised channels.
        target: images that the denoised channels are compared with, or None.
        head: what segments, or the user's key for it.

    Raises:
        ValueError: when ``zoom`` or ``alpha`` is out of range.

    >>> can_rescale(2.0), can_rescale(1.0), can_rescale(2.0, alpha=0)
    (True, False, False)
    """
    check_range("zoom", zoom, 1, math.inf, open_high=True)
    check_range("alpha", alpha, 0, 1)
    return zoom > 1 and 0 < alpha < 1 and denoises and target is None and as_head(head).segments


def count_sources(batch_size: int, steps_per_epoch: int) -> int:
    """Labelled images to denoise before an epoch: one for fifty of the crops that follow, eight at least.

    Args:
        batch_size: crops a step.
        steps_per_epoch: steps.

    >>> count_sources(32, 100), count_sources(2, 10)
    (64, 8)
    """
    return max(8, batch_size * steps_per_epoch // 50)


class RescaledLabels:
    """Show labelled crops at random scales, under unscaled noise; see :class:`~monai_denoiseg.transforms.intensity.RescaledCrop`.

    From a fifth of the training on the network denoises well enough to help itself: before each epoch it denoises a window of
    each of up to ``n_sources`` labelled images, and in that epoch three in four of the labelled crops are cut from these windows
    at a scale drawn log-uniformly from ``[1 / zoom, zoom]`` (no smaller than the image allows). Images smaller than the patch are
    shown as they are. It is a handler of the trainer and the ``substitute`` of :class:`~monai_denoiseg.data.PatchCollate` in one.

    Args:
        dataset: training items; the labelled ones with ``image``, ``label`` (with ``target`` ``instances``, the labels as
            annotated) and, for image-wise normalisation, ``intensity``.
        labelled: for each item whether it is labelled.
        network: the network being trained (a distributed wrapper is taken off).
        patch_size: ``([D,] H, W)`` of the crops in voxels.
        zoom: largest scale, 1 or more; 1 does nothing.
        target: see :class:`~monai_denoiseg.transforms.intensity.RescaledCrop`; None rescales the classes.
        start: share of the epochs before the first one with scaled crops.
        share: of the labelled crops that are scaled, in [0, 1].
        n_sources: labelled images denoised before an epoch, drawn anew if there are more.
        active: False does nothing, whatever ``zoom`` says, see :func:`can_rescale`.
        tile_size: see :class:`DenoiSegInferer`.
        device: where the network is.
        amp: see :class:`Precision`.

    Raises:
        ValueError: when a number is out of range, or the network does not denoise and ``zoom`` is above 1.

    Example:
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> item = {"image": torch.rand(1, 32, 32), "label": torch.zeros(1, 32, 32, dtype=torch.int64), "labelled": True}
        >>> scaled = RescaledLabels([item], [True], DenoiSegNet(2, depth=1, features=4), (16, 16), share=1.0)
        >>> scaled.refresh()
        >>> scaled(item)["image"].shape
        torch.Size([1, 16, 16])
    """

    def __init__(
        self,
        dataset: Any,
        labelled: Sequence[bool],
        network: nn.Module,
        patch_size: Sequence[int],
        zoom: float = 2.0,
        target: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        *,
        start: float = 0.2,
        share: float = 0.75,
        n_sources: int = 64,
        active: bool = True,
        tile_size: int | Sequence[int] | None = None,
        device: str | torch.device = "cpu",
        amp: str | bool = "auto",
    ) -> None:
        self.dataset, self.network = dataset, unwrap(network)
        self.numbers = [i for i, flag in enumerate(labelled) if flag]
        self.zoom = check_range("zoom", zoom, 1, math.inf, open_high=True) if active else 1.0
        if self.zoom > 1 and not has_denoised(network):
            raise ValueError(f"`zoom` {zoom:g} needs a network that denoises; set `zoom` to 1")
        self.start = check_range("start", start, 0, 1)
        self.share = check_range("share", share, 0, 1)
        self.n_sources = check_int("n_sources", n_sources, 1)
        self.crop = RescaledCrop(patch_size, target)
        self.patch_size, self.label_key = self.crop.patch_size, "label" if target is None else "instances"
        self.precision, self.inferer = Precision(device, amp), DenoiSegInferer(tile_size)
        self.annotated = AnnotatedVoxels()
        self.sources: list[dict[str, Any]] = []

    def __getstate__(self) -> dict[str, Any]:
        # A loading process only cuts: it needs neither the network nor the images.
        return {**self.__dict__, "dataset": None, "network": None, "inferer": None, "precision": None}

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._epoch)

    def _epoch(self, engine: Any) -> None:
        if self.zoom > 1 and engine.state.epoch - 1 >= self.start * engine.state.max_epochs:
            self.refresh()

    def refresh(self) -> None:
        """Denoise windows of labelled images with the network as it is now."""
        chosen = [self.numbers[i] for i in torch.randperm(len(self.numbers))[: self.n_sources].tolist()]
        training = self.network.training
        self.network.eval()
        try:
            self.sources = [source for source in map(self._source, chosen) if source is not None]
        finally:
            self.network.train(training)

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a scaled crop in place of one of this item, or None to take it as it is."""
        if not self.sources or "target" in item or self._too_small(item["image"]) or float(torch.rand(())) >= self.share:
            return None
        source = self.sources[int(torch.randint(len(self.sources), ()))]
        shape = source["image"].shape[1:]
        size = self._draw_size(shape)
        start = self._place(source[self.label_key], size)
        if start is None:
            return None
        patch = self.crop(source, start, size, start if size == self.patch_size else _anywhere(shape, self.patch_size))
        return patch if has_annotation(patch["label"][:1]) else None

    def _too_small(self, image: Tensor) -> bool:
        return any(n < edge for n, edge in zip(image.shape[1:], self.patch_size, strict=True))

    def _draw_size(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Size of the window that becomes the patch; one scale for all axes."""
        least = max(1 / self.zoom, *(edge / n for edge, n in zip(self.patch_size, shape, strict=True)))
        low, high = math.log(least), math.log(self.zoom)
        scale = math.exp(low + (high - low) * float(torch.rand(())))
        return tuple(max(1, min(n, round(edge / scale))) for edge, n in zip(self.patch_size, shape, strict=True))

    def _place(self, label: Tensor, size: Sequence[int]) -> tuple[int, ...] | None:
        """First voxel of a random window with annotated voxels; None if the label has none."""
        shape = label.shape[1:]
        start = _anywhere(shape, size)
        if has_annotation(label[:1][window_at(start, size)]):
            return start
        voxel = self.annotated.draw(label)
        return None if voxel is None else around(voxel, shape, size)

    def _source(self, number: int) -> dict[str, Any] | None:
        """A denoised window of an item, large enough for the smallest scale; None for an image smaller than a patch."""
        item = self.dataset[number]
        if self.label_key not in item:
            raise KeyError(
                f"{self.label_key!r} is missing in labelled item {number}: copy 'label' there before its classes are made"
            )
        image, label = (plain(torch.as_tensor(item[key])) for key in ("image", self.label_key))
        if self._too_small(image):
            return None
        edges = [min(n, math.ceil(edge * self.zoom)) for n, edge in zip(image.shape[1:], self.patch_size, strict=True)]
        start = self._place(label, edges)
        if start is None:
            return None
        window = window_at(start, edges)
        # Copies: a view would keep a whole volume in memory that is not in the cache, or send it to every loading process.
        source = {"image": image[window].clone(), self.label_key: label[window].clone()}
        source["denoised"] = self._denoise(source["image"], item.get("intensity"))
        return source | {key: item[key] for key in KEPT if key in item}

    def _denoise(self, image: Tensor, intensity: Tensor | None) -> Tensor:
        batch = self.precision.layout(image[None].to(self.precision.device))
        given = None if intensity is None else torch.as_tensor(intensity)[None].to(batch.device)
        with self.precision.autocast(self.network, batch):
            output = self.inferer(batch, self.network, intensity=given)
        return output[0, self.network.n_classes :].to(image.device, torch.float32, copy=True)


def _anywhere(shape: Sequence[int], size: Sequence[int]) -> tuple[int, ...]:
    """First voxel of a random window of this size."""
    return tuple(int(torch.randint(n - edge + 1, ())) for n, edge in zip(shape, size, strict=True))


def rescaling_handler(handlers: Sequence[Any]) -> RescaledLabels:
    """Find the handler that rescales: not by its place, since MONAI Label puts a handler of its own before it.

    Args:
        handlers: of the trainer.

    >>> item = {"image": torch.rand(1, 32, 32), "label": torch.zeros(1, 32, 32), "labelled": True}
    >>> handler = RescaledLabels([item], [True], torch.nn.Identity(), (16, 16), active=False)
    >>> rescaling_handler([print, handler]) is handler
    True
    """
    return next(handler for handler in handlers if isinstance(handler, RescaledLabels))
