"""Blind spots of one sample, as a random transform of MONAI."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import MAX_SEED, convert_to_dst_type, convert_to_tensor
from monai.utils.enums import TransformBackends

from monai_denoiseg.transforms.blindspot.blindspot import BlindSpot
from monai_denoiseg.transforms.conventions import per_key


class RandBlindSpot(RandomizableTransform):
    """Hide a share of the voxels of one sample behind values made from their neighbours (Noise2Void, Krull et al. 2019).

    A sample is channel-first, ``(C, [D,] H, W)``, as everywhere in MONAI; :class:`BlindSpot` does the same to a whole batch on
    its device, and the options are those of that class. It is an ordinary random transform: ``set_random_state`` makes it
    reproducible, and the workers of MONAI's ``DataLoader`` draw differently.

    Args:
        prob: probability that voxels of a sample are hidden at all.
        spatial_dims: 2 or 3, to refuse samples with other axes, such as a batch; None takes what comes.
        options: of :class:`BlindSpot`: ``fraction``, ``radius``, ``strategy``, ``struct_mask``, ``shared``, ...

    Raises:
        ValueError: when an argument is out of range.

    >>> hidden, mask = RandBlindSpot(fraction=1 / 16).set_random_state(0)(torch.rand(1, 32, 32))
    >>> hidden.shape, float(mask.float().mean())
    (torch.Size([1, 32, 32]), 0.0625)
    """

    backend: ClassVar[list[TransformBackends]] = [TransformBackends.TORCH]

    def __init__(self, prob: float = 1.0, spatial_dims: int | None = None, **options: Any) -> None:
        super().__init__(prob)
        if spatial_dims not in (None, 2, 3):
            raise ValueError(f"`spatial_dims` must be 2, 3 or None, got {spatial_dims!r}")
        self.spatial_dims = spatial_dims
        if "seed" in options:
            raise TypeError("RandBlindSpot takes no `seed`: call set_random_state(seed), as for every random transform of MONAI")
        self.blind_spot = BlindSpot(**options)
        self._seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw whether, and where."""
        super().randomize(None)
        self._seed = int(self.R.randint(MAX_SEED, dtype=np.uint32))

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> tuple[NdarrayOrTensor, NdarrayOrTensor]:
        """Hide voxels.

        Args:
            img: ``(C, [D,] H, W)``, of a floating type; it is not changed.
            randomize: draw anew; False repeats the last draw.

        Returns:
            The sample with the hidden voxels replaced, and a boolean mask of the same shape that is True at them; both of the
            type of ``img`` (array, tensor, tensor with metadata).

        Raises:
            TypeError: when the sample is not of a floating type.
            ValueError: when it has other axes than a sample.
        """
        if not isinstance(img, (np.ndarray, torch.Tensor)):
            raise TypeError(f"`RandBlindSpot` takes an array or a tensor (C, [D,] H, W), got {type(img).__name__}")
        if randomize:
            self.randomize()
        plain = convert_to_tensor(img)
        dims = plain.dim() - 1
        if dims not in ((2, 3) if self.spatial_dims is None else (self.spatial_dims,)) or getattr(img, "is_batch", False):
            wanted = {2: "(C, H, W)", 3: "(C, D, H, W)"}.get(self.spatial_dims or 0, "(C, [D,] H, W)")
            raise ValueError(f"`RandBlindSpot` takes one sample {wanted}, got {tuple(plain.shape)}; BlindSpot takes a batch")
        if not self._do_transform:
            hidden, mask = plain.clone(), torch.zeros_like(plain, dtype=torch.bool)
        else:
            hidden, mask = (found[0] for found in self.blind_spot(plain[None], seed=self._seed))
        return convert_to_dst_type(hidden, img)[0], convert_to_dst_type(mask, img, dtype=torch.bool)[0]


class RandBlindSpotd(RandomizableTransform, MapTransform):
    """Dictionary form of :class:`RandBlindSpot`.

    The hidden image is stored under its key, the original under key + ``original_suffix`` and the mask under key +
    ``mask_suffix``; :class:`~monai_denoiseg.engines.BlindSpotBatch` makes of them what the joint loss compares. Images of one
    shape have the same blind spots under all keys.

    Args:
        keys: images ``(C, [D,] H, W)``.
        prob: see :class:`RandBlindSpot`.
        original_suffix: see above; a list gives one for each key.
        mask_suffix: see above; a list gives one for each key.
        allow_missing_keys: skip absent keys.
        options: see :class:`RandBlindSpot`.

    >>> item = RandBlindSpotd("image").set_random_state(0)({"image": torch.rand(1, 16, 16)})
    >>> sorted(item)
    ['image', 'image_mask', 'image_original']
    >>> bool((item["image"] == item["image_original"])[~item["image_mask"]].all())
    True
    """

    backend = RandBlindSpot.backend

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 1.0,
        original_suffix: str | Sequence[str] = "_original",
        mask_suffix: str | Sequence[str] = "_mask",
        allow_missing_keys: bool = False,
        **options: Any,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, 1.0)
        self.hide = RandBlindSpot(prob, **options)
        self.original_suffix = per_key("original_suffix", original_suffix, self.keys)
        self.mask_suffix = per_key("mask_suffix", mask_suffix, self.keys)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandBlindSpotd:
        """See MONAI's ``Randomizable``."""
        super().set_random_state(seed, state)
        self.hide.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with hidden images, originals and masks."""
        out = dict(data)
        self.hide.randomize()
        for key, kept, mask in self.key_iterator(out, self.original_suffix, self.mask_suffix):
            original = out[key]
            out[key], out[f"{key}{mask}"] = self.hide(original, randomize=False)
            out[f"{key}{kept}"] = original
        return out
