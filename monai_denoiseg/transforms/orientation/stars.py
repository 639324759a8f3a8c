"""Random orientation of images together with star distances, whose channels change places when the image is turned."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection

from monai_denoiseg.transforms.orientation.orient import RandOrient, RandOrientd, n_orientations
from monai_denoiseg.transforms.orientation.rays import ray_permutation

__all__ = ["RandOrientStarsd"]


class RandOrientStarsd(RandOrientd):
    """Draw one orientation for all keys, as :class:`RandOrientd` does, and move each star distance to its new channel.

    Orientations that do not map the rays onto themselves are not drawn (see :func:`star_rays`): with 32 rays in 2D all 8 are.
    A star key of one channel, which is what :class:`~monai_denoiseg.data.PatchCollate` gives an unlabelled item, is spread to
    all channels.

    Args:
        keys: keys to orient in the same way, including the star keys.
        rays: ``(n_rays, spatial_dims)``, those the labels were made with.
        star_keys: those of ``keys`` that hold an object probability and ``n_rays`` distances, see :class:`StarLabel`.
        isotropic: see :class:`RandOrient`, as all that follow.
        prob: see there.
        spacing_key: see there.
        allow_missing_keys: leave out keys that an item lacks.

    Raises:
        ValueError: when ``rays`` does not have the shape above.

    >>> from monai_denoiseg.transforms import StarLabel, star_rays

    >>> from monai_denoiseg.transforms.orientation import orient
    >>> rays, label = star_rays(8, 2), torch.randint(0, 2, (1, 6, 6))
    >>> turn = RandOrientStarsd(["image", "label"], rays)
    >>> item = turn({"image": torch.rand(1, 6, 6), "label": StarLabel(rays)(label)})
    >>> torch.allclose(item["label"], StarLabel(rays)(orient(label, turn.orientation, 2)), atol=1e-4)
    True
    """

    def __init__(
        self,
        keys: KeysCollection,
        rays: np.ndarray | torch.Tensor | Sequence[Sequence[float]],
        star_keys: KeysCollection = "label",
        isotropic: bool = False,
        prob: float = 1.0,
        spacing_key: str = "spacing",
        allow_missing_keys: bool = False,
        quarter_turns: bool = True,
    ) -> None:
        steps = np.asarray(torch.as_tensor(rays).detach().cpu(), dtype=np.float64)
        if steps.ndim != 2 or steps.shape[1] not in (2, 3):
            raise ValueError(f"`rays` must have the shape (n_rays, 2 or 3), got {steps.shape}; see `star_rays`")
        super().__init__(keys, steps.shape[1], isotropic, prob, spacing_key, allow_missing_keys)
        self.rays = steps
        self.star_keys = {star_keys} if isinstance(star_keys, str) else set(star_keys)  # type: ignore[arg-type]
        self.rand_orient = _ClosedOrient(steps, isotropic, prob, quarter_turns)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with all keys in the same random orientation.

        Raises:
            ValueError: when the spatial shapes of the keys differ, or a star key does not have ``1 + n_rays`` channels.
        """
        item = super().__call__(data)
        return self._permute(item, self.rand_orient.channels[self.orientation])

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Undo the last application to the MetaTensors of ``data``; see :class:`RandOrientd`."""
        operations = [data[key].applied_operations for key in self.key_iterator(dict(data)) if key in self.star_keys]
        orientations = {trace[-1]["extra_info"]["orientation"] for trace in operations if trace}
        item = super().inverse(data)
        for k in orientations:  # at most one
            item = self._permute(item, self.rand_orient.channels[k].argsort())
        return item

    def _permute(self, item: dict[Hashable, Any], channels: torch.Tensor) -> dict[Hashable, Any]:
        for key in self.key_iterator(item):
            if key in self.star_keys:
                item[key] = _permuted(key, item[key], channels)
        return item


def _permuted(key: Hashable, stars: Any, channels: torch.Tensor) -> Any:
    count = len(channels)
    if stars.shape[0] == 1:
        return stars.expand(count, *stars.shape[1:]) if torch.is_tensor(stars) else stars.repeat(count, 0)
    if stars.shape[0] != count:
        raise ValueError(f"{key!r} must have 1 + {count - 1} channels for the rays, got {stars.shape[0]}; see StarLabeld")
    return stars[channels.to(stars.device)] if torch.is_tensor(stars) else stars[channels.numpy()]


class _ClosedOrient(RandOrient):
    """Draws only orientations that map the rays onto themselves."""

    def __init__(self, rays: np.ndarray, isotropic: bool, prob: float, quarter_turns: bool) -> None:
        super().__init__(rays.shape[1], isotropic, prob, quarter_turns)
        self.rays = rays

    @cached_property
    def channels(self) -> dict[int, torch.Tensor]:
        """Permutation of all ``1 + n_rays`` channels for each orientation that has one."""
        found = {}
        for k in range(n_orientations(self.spatial_dims, True, isotropic=True)):
            source = ray_permutation(self.rays, k, self.spatial_dims)
            if source is not None:
                found[k] = torch.tensor([0, *(1 + index for index in source)])
        return found

    def allowed(self, n: int) -> Sequence[int]:
        """Those of the first ``n`` orientations that are in :attr:`channels`."""
        return [k for k in range(n) if k in self.channels]
