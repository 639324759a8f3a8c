"""Any network in the place of the U-Net."""

# No "from __future__ import annotations": TorchScript reads the class annotations as types.

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import per_axis
from monai_denoiseg.networks.backbone import build_backbone, check_channels
from monai_denoiseg.networks.reach import Reach, measure_reach, usable_multiples

_MARGIN = {2: 64, 3: 16}


class ForeignNet(nn.Module):
    """A network of MONAI, or of the user's own, with what :class:`CAREUNet` tells of itself.

    Down-sampling and receptive field are measured (:func:`~monai_denoiseg.networks.reach.measure_reach`), unless they are given.

    Args:
        backbone: see :func:`~monai_denoiseg.networks.backbone.build_backbone`.
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        out_channels: channels the network must give.
        multiple: its down-sampling, one number or one an axis; None is measured.
        receptive_radius: voxels to each side that an output depends on, likewise; -1 where it depends on the whole image.

    Raises:
        ValueError: when it cannot be built, or does not suit the image or the head.

    >>> net = ForeignNet({"_target_": "torch.nn.Conv2d", "kernel_size": 3, "padding": 1}, 2, 1, 4)
    >>> net.multiple(), net.receptive_radius(), net.sees_whole
    ([1, 1], [1, 1], False)
    """

    sees_whole: bool

    def __init__(
        self,
        backbone: Any,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        multiple: Optional[int | Sequence[int]] = None,  # noqa: UP045 (TorchScript)
        receptive_radius: Optional[int | Sequence[int]] = None,  # noqa: UP045
    ) -> None:
        super().__init__()
        usual = {"spatial_dims": spatial_dims, "in_channels": in_channels, "out_channels": out_channels}
        self.module, self.definition = build_backbone(backbone, **usual)
        if getattr(self.module, "deep_supervision", False):
            raise ValueError(
                f"the backbone {type(self.module).__name__} must give one output: build it with deep_supervision=False"
            )
        reach = _given_reach(multiple, receptive_radius, spatial_dims)
        size = [max(32, 2 * step) for step in ([32] * spatial_dims if reach is None else reach.multiple)]
        check_channels(self.module, spatial_dims, in_channels, out_channels, size)
        reach = measure_reach(self.module, spatial_dims, in_channels) if reach is None else reach
        self._multiple, self.sees_whole = usable_multiples(self.module, reach.multiple, in_channels), reach.radius is None
        self._radius = (
            [-(-_MARGIN[spatial_dims] // step) * step for step in reach.multiple] if reach.radius is None else reach.radius
        )

    @torch.jit.unused
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of :class:`DenoiSegNet` that build it."""
        radius = [-1] * len(self._radius) if self.sees_whole else self._radius
        return {"backbone": self.definition, "multiple": self._multiple, "receptive_radius": radius}

    @torch.jit.unused
    def multiple(self) -> list[int]:
        """See :meth:`CAREUNet.multiple`."""
        return list(self._multiple)

    @torch.jit.unused
    def receptive_radius(self) -> list[int]:
        """See :meth:`CAREUNet.receptive_radius`; where the network sees the whole image, a margin for its tiles."""
        return list(self._radius)

    @torch.jit.unused
    def square(self) -> bool:
        """Whether Y and X are alike to the network."""
        return all(len(set(values[-2:])) == 1 for values in (self._multiple, self._radius))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_channels, [D,] H, W)`` to ``(B, out_channels, [D,] H, W)``."""
        output: Tensor = self.module(x)
        return output


def _given_reach(multiple: Any, radius: Any, spatial_dims: int) -> Reach | None:
    if multiple is None and radius is None:
        return None
    if multiple is None or radius is None:
        raise ValueError("`multiple` and `receptive_radius` of a backbone are given together, or measured together")
    steps = list(per_axis("multiple", multiple, spatial_dims))
    edges = list(per_axis("receptive_radius", radius, spatial_dims))
    if any(step < 1 for step in steps):
        raise ValueError(f"`multiple` must be at least 1 on every axis, got {multiple!r}")
    if any(edge < 0 for edge in edges):
        return Reach(steps, None)
    return Reach(steps, [-(-edge // step) * step for edge, step in zip(edges, steps, strict=True)])
