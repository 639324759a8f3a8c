"""Batches with enough labels in them, and the fast way from cached images to random crops."""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.constants import IGNORE

logger = logging.getLogger(__name__)

_REMEMBERED = 1 << 16


class LabelBalancedBatchSampler(Sampler[list[int]]):
    """Draw batches of item numbers in which a fixed share is labelled.

    With few labels among many images, batches drawn uniformly would hardly ever contain a label.

    Args:
        labelled: for each item whether it is labelled.
        batch_size: items in a batch.
        steps_per_epoch: batches in one pass.
        labelled_fraction: share of labelled items in a batch, in [0, 1] (rounded, but at least one if above 0); ``None`` draws
            from all items with equal probability.
        generator: source of random numbers, ``None`` for the global one of PyTorch (restoring its state replays
            the draw).

    An item occurs twice in a batch only if its kind has fewer items than the batch needs. Without labelled items the
    draw is from all items.

    Raises:
        ValueError: for no items, or an argument outside its range.

    >>> sampler = LabelBalancedBatchSampler([True, False, False, False], batch_size=4, steps_per_epoch=3)
    >>> [sum(index == 0 for index in batch) for batch in sampler]
    [2, 2, 2]
    """

    def __init__(
        self,
        labelled: Sequence[bool],
        batch_size: int,
        steps_per_epoch: int,
        labelled_fraction: float | None = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        self.batch_size = check_int("batch_size", batch_size, 1)
        self.steps_per_epoch = check_int("steps_per_epoch", steps_per_epoch, 1)
        if labelled_fraction is not None:
            check_range("labelled_fraction", labelled_fraction, 0, 1)
        if not labelled:
            raise ValueError("no items to draw batches from")
        self.generator = generator
        everything = torch.arange(len(labelled))
        flags = torch.tensor([bool(flag) for flag in labelled])
        with_label, without = everything[flags], everything[~flags]
        if labelled_fraction and not len(with_label):
            logger.info("no labelled items: batches are drawn from all items alike (self-supervised training)")
        if labelled_fraction is None or not len(with_label):
            self._pools = [(everything, batch_size)]
        else:
            n_labelled = max(round(batch_size * labelled_fraction), int(labelled_fraction > 0))
            self._pools = [(with_label, n_labelled), (without if len(without) else everything, batch_size - n_labelled)]

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[list[int]]:
        """Yield ``steps_per_epoch`` lists of item numbers."""
        for _ in range(self.steps_per_epoch):
            yield torch.cat([self._draw(pool, count) for pool, count in self._pools]).tolist()

    def _draw(self, pool: torch.Tensor, count: int) -> torch.Tensor:
        # Whole permutations one after the other: no item is drawn twice before every other one was drawn once.
        rounds = math.ceil(count / len(pool))
        order = [torch.randperm(len(pool), generator=self.generator) for _ in range(rounds)]
        return pool[torch.cat(order)[:count]] if order else pool[:0]


def has_annotation(label: torch.Tensor) -> bool:
    """Whether any voxel of ``(C, [D,] H, W)`` is annotated.

    >>> has_annotation(torch.full((1, 4, 4), -1)), has_annotation(torch.zeros(1, 4, 4))
    (False, True)
    """
    middle = label[tuple(size // 2 for size in label.shape)] if label.numel() else None
    # The middle voxel alone nearly always decides, in a tenth of the time.
    return middle is not None and (int(middle) != IGNORE or bool((label != IGNORE).any()))


class AnnotatedVoxels:
    """Draw annotated voxels of labels, and remember where they are as long as a label is in memory.

    At most 65,536 voxels of each label are remembered, evenly spread: searching a large volume takes far longer than
    a training step.

    >>> AnnotatedVoxels().draw(torch.tensor([[[-1, -1], [-1, 0]]]))
    [1, 1]
    """

    def __init__(self) -> None:
        self._places: dict[int, tuple[weakref.ref[torch.Tensor], torch.Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_places": {}}  # each worker process has its own

    def draw(self, label: torch.Tensor) -> list[int] | None:
        """Return the spatial indices of a random annotated voxel of ``(C, [D,] H, W)``, or None if there is none."""
        known = self._places.get(id(label))
        if known is None or known[0]() is not label:
            places = torch.nonzero(plain(label)[:1] != IGNORE)[:, 1:]  # the first channel decides
            known = weakref.ref(label), places[:: len(places) // _REMEMBERED + 1].clone()
            self._places = {key: value for key, value in self._places.items() if value[0]() is not None}
            self._places[id(label)] = known
        places = known[1]
        return places[int(torch.rand(()) * len(places))].tolist() if len(places) else None  # type: ignore[no-any-return]


class PatchCollate:
    """Collate function: cut a random patch out of each item and stack them to a batch.

    Items are dictionaries of tensors ``(C, [D,] H, W)``. All keys of an item are cut at the same place. The place is drawn from
    the global random numbers of PyTorch. It only slices: with cached images this takes microseconds for each item.

    Where only some slices or objects of an image are annotated, most places hold no annotated voxel, and nothing is learnt about
    the classes there. So for a labelled item (``item["labelled"]``, if there is such a flag) whose patch has none another place
    is drawn, up to ``tries`` times, and then one around an annotated voxel. If the first place is good, nothing else is drawn.

    Images smaller than the patch are padded evenly on both sides: images with their mean in each channel and labels with -1.
    Mirrored pixels would be the natural choice, but would show the network the true value of a blind spot at its mirror image.
    The padding has no label, and a constant contains no noise to learn.

    Args:
        patch_size: ``([D,] H, W)`` of the patch in voxels.
        keys: keys of images and labels to cut. An item without a label gets one that is -1 everywhere.
        label_keys: those of ``keys`` that are labels.
        transform: applied to each cut item (a dictionary), before stacking.
        extra_keys: further tensors, numbers or truth values to stack as they are, where the items have them.
        label_channels: channels of a label, for the items without one.
        substitute: called with each labelled item; returns a patch to use instead of one of the item (image and label of the
            patch's size, further keys as they are), or None (:class:`~monai_denoiseg.engines.RescaledLabels`).
        tries: further places to try for annotated voxels; 0 uses the first place, annotated or not.

    Raises:
        KeyError: when only some items have an image key.
        ValueError: when an image does not have as many spatial axes as ``patch_size``.

    >>> items = [{"image": torch.rand(1, 100, 90), "label": torch.ones(1, 100, 90, dtype=torch.int32)} for _ in range(4)]
    >>> batch = PatchCollate((64, 64))(items)
    >>> batch["image"].shape, batch["label"].dtype
    (torch.Size([4, 1, 64, 64]), torch.int32)
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        keys: Sequence[str] = ("image", "label", "target"),
        label_keys: Sequence[str] = ("label",),
        transform: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        extra_keys: Sequence[str] = ("labelled", "intensity", "spacing"),
        tries: int = 10,
        label_channels: int = 1,
        substitute: Callable[[Mapping[str, Any]], dict[str, Any] | None] | None = None,
    ) -> None:
        self.patch_size = tuple(check_int("patch_size", int(size), 1) for size in patch_size)
        self.keys = tuple(keys)
        self.label_keys = frozenset(label_keys)
        self.transform = transform
        self.extra_keys = tuple(extra_keys)
        self.tries = check_int("tries", tries, 0)
        self.label_channels = check_int("label_channels", label_channels, 1)
        self.substitute = substitute
        self.annotated = AnnotatedVoxels()

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the batch: each key ``(B, C, *patch_size)``, extra keys ``(B, ...)``."""
        places = torch.rand(
            len(items), len(self.patch_size)
        ).tolist()  # one draw for the batch: a draw for each item costs more than the cut
        cut = [self._substitute(item) or self._cut(item, place) for item, place in zip(items, places, strict=True)]
        if any("augmented" in patch for patch in cut):
            cut = [{"augmented": False, **patch} for patch in cut]
        patches: list[Any] = cut if self.transform is None else [self.transform(patch) for patch in cut]
        return {key: _stack(key, patches) for key in patches[0] if not isinstance(patches[0][key], str)}

    def _substitute(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        wanted = self.substitute is not None and "label" in item and item.get("labelled", True)
        return self.substitute(item) if wanted and self.substitute is not None else None

    def _cut(self, item: Mapping[str, Any], place: list[float]) -> dict[str, Any]:
        image = next(item[key] for key in self.keys if key in item and key not in self.label_keys)
        shape = image.shape[1:]
        if len(shape) != len(self.patch_size):
            raise ValueError(f"image of shape {tuple(image.shape)} has not the {len(self.patch_size)} axes of `patch_size`")
        room = [size - wanted for size, wanted in zip(shape, self.patch_size, strict=True)]
        window = self._window(place, room)
        if self.tries and item.get("labelled", True):
            labels = [item[key] for key in self.label_keys if key in item and item[key].shape[1:] == shape]
            if labels and not any(has_annotation(plain(label)[window]) for label in labels):
                window = self._search(labels, room, window)
        too_small = min(room) < 0
        patch: dict[str, Any] = {}
        for key in self.keys:
            is_label = key in self.label_keys
            if key in item:
                whole = plain(item[key])
                if whole.shape[1:] != shape:
                    raise ValueError(f"{key!r} has shape {tuple(whole.shape)}, but the image of its item {tuple(image.shape)}")
                patch[key] = self._pad(whole[window], whole, is_label) if too_small else whole[window]
                if is_label and len(whole) < self.label_channels:  # the one channel of an image without label
                    patch[key] = patch[key].expand(self.label_channels, *self.patch_size)
            elif is_label:
                patch[key] = torch.full((self.label_channels, *self.patch_size), IGNORE, dtype=torch.int32)
        patch.update((key, item[key]) for key in self.extra_keys if key in item)
        return patch

    def _window(self, place: list[float], room: list[int]) -> tuple[slice, ...]:
        starts = [int(p * (free + 1)) if free > 0 else 0 for p, free in zip(place, room, strict=True)]
        return (slice(None), *(slice(start, start + wanted) for start, wanted in zip(starts, self.patch_size, strict=True)))

    def _search(self, labels: list[torch.Tensor], room: list[int], window: tuple[slice, ...]) -> tuple[slice, ...]:
        """Another place, with annotated voxels; the first one if there are none at all."""
        if max(room) <= 0:  # there is no other place
            return window
        for place in torch.rand(self.tries, len(room)).tolist():
            other = self._window(place, room)
            if any(has_annotation(plain(label)[other]) for label in labels):
                return other
        for label in labels:
            voxel = self.annotated.draw(label)
            if voxel is not None:
                starts = around(voxel, [free + size for free, size in zip(room, self.patch_size, strict=True)], self.patch_size)
                return (slice(None), *(slice(start, start + size) for start, size in zip(starts, self.patch_size, strict=True)))
        return window

    def _pad(self, patch: torch.Tensor, whole: torch.Tensor, is_label: bool) -> torch.Tensor:
        padded = patch.new_full((patch.shape[0], *self.patch_size), IGNORE)
        if not is_label:
            mean = whole.flatten(1).mean(1).reshape(-1, *[1] * len(self.patch_size))
            padded = mean.expand(-1, *self.patch_size).contiguous()
        before = [(wanted - size) // 2 for wanted, size in zip(self.patch_size, patch.shape[1:], strict=True)]
        inside = (slice(None), *(slice(start, start + size) for start, size in zip(before, patch.shape[1:], strict=True)))
        padded[inside] = patch
        return padded


def around(voxel: Sequence[int], shape: Sequence[int], size: Sequence[int]) -> tuple[int, ...]:
    """First voxel of a random one of the windows that hold a voxel; an axis shorter than the window begins at 0.

    >>> around([1, 9], (2, 10), (4, 10))
    (0, 0)
    """
    chances = torch.rand(len(voxel)).tolist()
    ranges = [(max(0, at - edge + 1), min(at, max(n - edge, 0))) for at, n, edge in zip(voxel, shape, size, strict=True)]
    return tuple(low + int(chance * (high - low + 1)) for (low, high), chance in zip(ranges, chances, strict=True))


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without MONAI's metadata, with which slicing takes about ten times as long."""
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor


def _stack(key: str, patches: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    try:
        return torch.stack([torch.as_tensor(patch[key]) for patch in patches])
    except KeyError:
        raise KeyError(f"{key!r} is in some items of the batch, but not in all") from None
