"""Objects by their probability and the distances to their outline (StarDist)."""

# No "from __future__ import annotations": TorchScript reads the annotations as types.

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor, nn

from monai_denoiseg.heads.head import Head, rule_arguments
from monai_denoiseg.losses import StarDistLoss
from monai_denoiseg.transforms import ProbabilitiesToInstances, StarLabeld, StarsToInstances
from monai_denoiseg.transforms.orientation import RandOrientStarsd, ray_permutation, star_rays

DEFAULT_RAYS = {2: 32, 3: 66}


class StarActivation(nn.Module):
    """Sigmoid of the object logit; distances of at least 0.001 voxels, as StarDist.

    Args:
        channels: 1 and the number of rays.

    >>> StarActivation(3)(torch.zeros(1, 3, 1, 1)).flatten()
    tensor([0.5000, 0.0010, 0.0010])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, output: Tensor) -> Tensor:
        """Probability and distances in place of the first channels of ``(B, K + C, [D,] H, W)``."""
        distances = output[:, 1 : self.channels].clamp(min=1e-3)
        return torch.cat([output[:, :1].sigmoid(), distances, output[:, self.channels :]], 1)

    @torch.jit.export
    def correct(self, logits: Tensor, weights: Tensor) -> Tensor:
        """Nothing to undo: there are no classes to weight."""
        return logits

    def invert(self, prediction: Tensor, weights: Tensor) -> Tensor:
        """What the loss takes, from probability and distances."""
        return torch.cat([prediction[:, :1].logit(1e-6), prediction[:, 1:]], 1)


class StarHead(Head):
    """Object probability, then the distance to the object's border along each ray in voxels.

    Args:
        rays: ``(n_rays, spatial_dims)``, see :func:`~monai_denoiseg.transforms.star_rays`; numpy, torch or nested lists.
        min_size: objects of fewer voxels are dropped.

    Raises:
        ValueError: when the shape is wrong or the rays are too few.

    Source: Schmidt et al. (2018), Weigert et al. (2020).

    >>> StarHead(star_rays(8, 2)).channels
    9
    """

    kind = "stardist"
    classifies = False
    widening = 4  # StarDist: a convolution of 128 channels on 32
    unstreamable = "a StarDist network cannot be streamed, its objects are sorted over the whole image"

    def __init__(self, rays: Any, min_size: int = 0) -> None:
        given = torch.as_tensor(rays).detach().cpu()
        self._rays = given.to(torch.float32)  # what a file holds
        self.check(self._rays.shape[-1] if self._rays.dim() == 2 else 2)
        self._steps = given.to(torch.float64).numpy()
        self.channels = 1 + len(self._rays)
        self.rule = StarsToInstances(self._steps, min_size=min_size)

    @classmethod
    def from_keys(cls, classes: list[str], rays: Any) -> "StarHead":
        """See :meth:`Head.from_keys`."""
        if classes:
            raise ValueError(f"a StarDist head finds objects, not the `classes` {', '.join(classes)}: leave one of them out")
        if rays is None:
            raise ValueError("a StarDist head needs `rays`; give those of star_rays(32, 2)")
        return cls(rays)

    @classmethod
    def check_keys(cls, classes: Sequence[str] | None, class_weights: Sequence[float] | None) -> None:
        """See :meth:`Head.check_keys`; there are no classes."""
        if classes:
            raise ValueError(f"`head` 'stardist' finds objects, not the `classes` {', '.join(classes)}: leave one of them out")

    @classmethod
    def directions(cls, n_rays: int | None, spatial_dims: int, spacing: Sequence[float] | None) -> Any:
        """See :meth:`Head.directions`: 32 rays in 2D, 66 in 3D unless told otherwise."""
        return star_rays(n_rays or DEFAULT_RAYS[spatial_dims], spatial_dims, spacing)

    def keys(self) -> dict[str, Any]:
        """See :meth:`Head.keys`."""
        return super().keys() | {"n_rays": len(self._rays)}

    def check(self, spatial_dims: int) -> None:
        """See :meth:`Head.check`."""
        shape = tuple(self._rays.shape)
        if len(shape) != 2 or shape[1] != spatial_dims or spatial_dims not in (2, 3) or shape[0] < spatial_dims + 1:
            raise ValueError(f"`rays` must be (n_rays, {spatial_dims}) with at least {spatial_dims + 1} rays, got shape {shape}")

    @property
    def rays(self) -> Tensor:
        """Directions, float32 ``(n_rays, spatial_dims)``."""
        return self._rays

    @property
    def label_channels(self) -> int:
        """Object probability and distances."""
        return self.channels

    def channel_names(self) -> list[str]:
        """Object probability, then one distance a ray."""
        return ["object", *(f"distance{number}" for number in range(self.channels - 1))]

    @property
    def probability_channels(self) -> int:
        """The first channel; distances follow."""
        return 1

    def target(self, keys: KeysCollection = "label", allow_missing_keys: bool = True, **border_options: Any) -> MapTransform:
        """See :meth:`Head.target`: probability and distances; no border is drawn."""
        super().target(keys, allow_missing_keys, **border_options)
        return StarLabeld(keys, self._steps, allow_missing_keys=allow_missing_keys)

    def loss(self, class_weights: Sequence[float] | None = None, reduction: str = "labelled") -> nn.Module:
        """See :meth:`Head.loss`; there are no classes to weight."""
        return StarDistLoss(reduction=reduction)

    def random_orientation(
        self, keys: KeysCollection, spatial_dims: int = 2, quarter_turns: bool = True, label_key: str = "label"
    ) -> MapTransform:
        """See :meth:`Head.random_orientation`: distances change places when the image is turned."""
        return RandOrientStarsd(keys, self._steps, label_key, allow_missing_keys=True, quarter_turns=quarter_turns)

    def activation(self) -> nn.Module:
        """Sigmoid and positive distances."""
        return StarActivation(self.channels)

    def average(self, predictions: Iterable[tuple[int, Tensor]], spatial_dims: int) -> Tensor:
        """See :meth:`Head.average`; distances are averaged over the orientations that map the rays onto each other."""
        rays, distances = self._rays.numpy(), range(1, self.channels)
        total: Any = 0
        count = measured = 0
        for k, prediction in predictions:
            order = ray_permutation(rays, k, spatial_dims)
            own = prediction[:, distances]
            own = torch.zeros_like(own) if order is None else prediction[:, 1:][:, np.argsort(order)]
            total = total + torch.cat([prediction[:, :1], own, prediction[:, self.channels :]], 1)
            count, measured = count + 1, measured + (order is not None)
        total = total / count
        total[:, distances] *= count / measured
        return total  # type: ignore[no-any-return]

    def make_rule(self, *, overlap: float = 0.4, **options: Any) -> StarsToInstances:
        """See :meth:`Head.make_rule`; of the options of objects ``threshold`` and ``min_size`` have an effect."""
        checked = ProbabilitiesToInstances(**options)
        return StarsToInstances(self._steps, checked.threshold, overlap, checked.options["min_size"])

    def options(self) -> dict[str, Any]:
        """Options of the rule; the overlap is searched with the threshold and is a buffer of the network."""
        return {"min_size": self.rule.options["min_size"]}

    def about(self, threshold: float, reduction: str) -> dict[str, Any]:
        """See :meth:`Head.about`."""
        return super().about(threshold, reduction) | {"head": self.kind}

    def state(self) -> dict[str, Any]:
        """See :meth:`Head.state`."""
        return super().state() | {"rays": self._rays.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "StarHead":
        """See :meth:`Head.from_state`."""
        return cls(state["rays"], **rule_arguments(state, ["min_size"]))

    def signature(self) -> dict[str, Any]:
        """The number of rays must be the same."""
        return {"head": self.kind, "n_rays": len(self._rays)}
