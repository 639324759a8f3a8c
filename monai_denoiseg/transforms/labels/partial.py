"""Partial annotation: what is labelled, voxel by voxel, and hiding labels for few-shot experiments."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_numpy

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.transforms.conventions import each_key, sample_shape

__all__ = ["FlagPartialLabel", "FlagPartialLabeld", "KeepLabels", "KeepSlices", "KeepSlicesd"]


class FlagPartialLabel(Transform):
    """Find which voxels are annotated, and give an image without a label one that is ignored everywhere.

    Whether an image is labelled is never guessed: only a missing label or the value -1 means "not annotated". A label of zeros
    is an annotated empty image.

    >>> import torch
    >>> label, labelled, valid = FlagPartialLabel()(torch.zeros(3, 2, 2))
    >>> label.tolist(), labelled, valid.any().item()
    ([[[-1, -1], [-1, -1]]], False, False)
    >>> FlagPartialLabel()(torch.zeros(3, 2, 2), torch.zeros(1, 2, 2))[1]
    True
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __call__(
        self, image: NdarrayOrTensor, label: NdarrayOrTensor | None = None
    ) -> tuple[NdarrayOrTensor, bool, NdarrayOrTensor]:
        """Return the label, the flag and the mask of an image.

        Args:
            image: ``(C, [D,] H, W)``; gives shape and type of a missing label.
            label: ``(1, [D,] H, W)``, -1 where not annotated, or ``None``; with more channels it is no class but a target of
                real numbers (:class:`StarLabel`), whose first channel says what is annotated.

        Returns:
            ``label`` (int64, of the type given; float32 with several channels; one channel where there was none), whether any
            voxel is annotated, and the boolean mask of annotated voxels ``(1, [D,] H, W)``.

        Raises:
            ValueError: when the spatial shapes of image and label differ.
        """
        expected = (1, *sample_shape("image", image)[1:])
        if label is not None and not hasattr(label, "shape"):
            sample_shape("label", label, "1")
        if label is None:
            label = convert_to_dst_type(np.full(expected, IGNORE), image, dtype=np.int64)[0]
        elif tuple(label.shape[1:]) != expected[1:] or not label.shape[0]:
            raise ValueError(f"`label` must have the shape {expected} of its image, got {tuple(label.shape)}")
        else:
            label = convert_to_dst_type(label, label, dtype=np.int64 if label.shape[0] == 1 else np.float32)[0]
        valid = label[:1] != IGNORE
        return label, bool(valid.any()), valid


class FlagPartialLabeld(MapTransform):
    """Dictionary version of :class:`FlagPartialLabel`: complete an item that may have no label.

    Args:
        keys: key of the label; missing or ``None`` means unlabelled. With several keys, each of the three that follow may be
            a list of one for each key; flags and masks must then have keys of their own.
        image_key: key of the image.
        flag_key: where the flag (a plain ``bool``) is written.
        valid_key: where the mask of annotated voxels is written; ``None`` leaves it out.
        allow_missing_keys: an item without the label is given one that is ignored everywhere; False refuses it.
        label_key: the former name of ``keys``.

    Raises:
        ValueError: when two labels would share a flag or a mask.

    >>> item = FlagPartialLabeld(valid_key="valid")({"image": np.zeros((1, 2, 2), "float32")})
    >>> sorted(item), item["labelled"], item["label"].shape
    (['image', 'label', 'labelled', 'valid'], False, (1, 2, 2))
    """

    backend = FlagPartialLabel.backend

    def __init__(
        self,
        keys: KeysCollection = "label",
        image_key: str | Sequence[str] = "image",
        flag_key: str | Sequence[str] = "labelled",
        valid_key: str | Sequence[str | None] | None = None,
        allow_missing_keys: bool = True,
        *,
        label_key: str | None = None,
    ) -> None:
        if label_key is not None:
            warnings.warn("`label_key` is now called `keys`, as in MONAI", FutureWarning, stacklevel=2)
        super().__init__(keys if label_key is None else label_key, allow_missing_keys)
        self.outputs = each_key(self.keys, image_key=image_key, flag_key=flag_key, valid_key=valid_key)
        for name in ("flag_key", "valid_key"):
            written = [one[name] for one in self.outputs if one[name] is not None]
            if len(set(written)) < len(written):
                raise ValueError(f"`{name}` must be another for each of the keys {list(self.keys)}, got {written}")
        self.flag = FlagPartialLabel()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with label, flag and, on request, mask.

        Raises:
            KeyError: for an item without the label, unless these are allowed.
            ValueError: when the spatial shapes of image and label differ.
        """
        item = dict(data)
        for key, output in zip(self.keys, self.outputs, strict=True):
            if key not in item and not self.allow_missing_keys:
                raise KeyError(f"item without {key!r}; it has {sorted(str(name) for name in item)}")
            item[key], item[output["flag_key"]], valid = self.flag(item[output["image_key"]], item.get(key))
            if output["valid_key"] is not None:
                item[output["valid_key"]] = valid
        return item


class KeepLabels(Transform):
    """Hide all but ``n`` labels of a data list, for few-shot experiments.

    As in the paper the labelled items are shuffled with a seed and the first ``n`` keep their label, so the labels kept for a
    smaller ``n`` are among those kept for a larger one. The items are sorted by image before the shuffle: the choice does not
    depend on the order of the list.

    Args:
        n: how many labels to keep.
        seed: seed of the shuffle.
        label_key: key of the label; missing or ``None`` means unlabelled.
        image_key: key of the image (a path or an array) that identifies an item.

    Raises:
        ValueError: when ``n`` or ``seed`` is no integer of at least 0.

    Source: DenoiSeg (2020), section "Experiments"; the published script, not the example notebooks.

    >>> items = [{"image": f"{i}.tif", "label": f"{i}_label.tif"} for i in range(5)]
    >>> [sorted(item) for item in KeepLabels(1)(items)].count(["image", "label"])
    1
    """

    def __init__(self, n: int, seed: int = 0, label_key: str = "label", image_key: str = "image") -> None:
        self.n = check_int("n", n, 0)
        self.seed = check_int("seed", seed, 0)
        self.label_key, self.image_key = label_key, image_key

    def __call__(self, data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return copies of the items in the same order, without the label where it is hidden.

        Raises:
            ValueError: when fewer than ``n`` items are labelled.
        """
        labelled = [index for index, item in enumerate(data) if item.get(self.label_key) is not None]
        if len(labelled) < self.n:
            raise ValueError(
                f"`n` asks for {self.n} labels, but only {len(labelled)} of {len(data)} items have a {self.label_key!r}"
            )
        labelled.sort(key=lambda index: (_identity(data[index][self.image_key]), data[index].get("frame", 0)))
        order = np.random.default_rng(self.seed).permutation(len(labelled))
        kept = {labelled[position] for position in order[: self.n]}
        return [
            {key: value for key, value in item.items() if key != self.label_key or index in kept}
            for index, item in enumerate(data)
        ]


class KeepSlices(Transform):
    """Hide all but some slices of a label: for experiments, and for dense files of which only some slices were drawn.

    Args:
        every: keep every n-th slice, the first at ``every // 2`` (the middle one if the label has fewer).
        slices: keep these, counted from 0. Give exactly one of ``every`` and ``slices``.
        axis: spatial axis across which the slices lie: 0 is Z in 3D.

    Raises:
        ValueError: when both or none of ``every`` and ``slices`` are given, or a number is out of its range.

    >>> KeepSlices(every=3)(np.ones((1, 5, 2), "uint8"))[0, :, 0].tolist()
    [-1, 1, -1, -1, 1]
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(self, every: int | None = None, slices: Sequence[int] | None = None, axis: int = 0) -> None:
        if (every is None) == (slices is None):
            raise ValueError(f"give either `every` or `slices`, got every={every!r} and slices={slices!r}")
        self.every = None if every is None else check_int("every", every, 1)
        self.slices = None if slices is None else [check_int("slices", number, 0) for number in slices]
        if self.slices == []:
            raise ValueError("`slices` keeps no slice at all, got []; leave the label away instead")
        self.axis = check_int("axis", axis, 0)

    def __call__(self, label: NdarrayOrTensor) -> NdarrayOrTensor:
        """Return a copy with -1 in all other slices.

        Args:
            label: ``(1, [D,] H, W)``; numpy, torch or MetaTensor.

        Returns:
            The same type and shape, dtype int64.

        Raises:
            ValueError: when the label has no such axis or too few slices.
        """
        shape = sample_shape("label", label, "1")
        axes = len(shape) - 1
        if self.axis >= axes:
            raise ValueError(f"`axis` must be below the {axes} spatial axes of the label, got {self.axis} for shape {shape}")
        count = shape[self.axis + 1]
        if self.every is not None:
            kept = list(range(min(self.every // 2, count // 2), count, self.every))
        else:
            kept = self.slices or []
            if max(kept) >= count:
                raise ValueError(
                    f"`slices` must be below {count}, the slices of the label {shape} on axis {self.axis}, got {kept}"
                )
        numbers = convert_to_dst_type(label, label, dtype=np.int64)[0]
        hidden = numbers.clone() if isinstance(numbers, torch.Tensor) else numbers.copy()
        hidden[...] = IGNORE
        where = (slice(None),) * (self.axis + 1) + (kept,)
        hidden[where] = numbers[where]
        return hidden


class KeepSlicesd(MapTransform):
    """Dictionary version of :class:`KeepSlices`.

    Args:
        keys: keys of the labels.
        every: see :class:`KeepSlices`; a list gives one value for each key.
        slices: see :class:`KeepSlices`; the same for all keys.
        axis: see :class:`KeepSlices`; a list gives one value for each key.
        allow_missing_keys: leave an item without the key as it is.

    >>> KeepSlicesd("label", slices=[1])({"label": np.ones((1, 3, 1))})["label"].ravel().tolist()
    [-1, 1, -1]
    """

    backend = KeepSlices.backend

    def __init__(
        self,
        keys: KeysCollection,
        every: int | Sequence[int] | None = None,
        slices: Sequence[int] | None = None,
        axis: int | Sequence[int] = 0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.keep = [KeepSlices(slices=slices, **one) for one in each_key(self.keys, every=every, axis=axis)]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` in which the labels of all keys are hidden except in the slices."""
        item = dict(data)
        for key, keep in self.key_iterator(item, self.keep):
            item[key] = keep(item[key])
        return item


def _identity(image: Any) -> str:
    """A sort key of an item that does not depend on its place in the list."""
    if isinstance(image, (np.ndarray, torch.Tensor)):
        return hashlib.sha256(np.ascontiguousarray(convert_to_numpy(image)).tobytes()).hexdigest()
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else str(image)
