"""The U-Net of CARE, Noise2Void and DenoiSeg, in 2D and 3D, with the N2V2 variant."""

# No "from __future__ import annotations": TorchScript reads the class annotations as types.

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_denoiseg.checks import check_int, check_option, per_axis

_CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
_POOL: dict[int, Any] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_NORM: dict[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def level_strides(strides: int | Sequence[int] | Sequence[Sequence[int]], depth: int, spatial_dims: int) -> list[tuple[int, ...]]:
    """Spell out the down-sampling of every level and axis.

    Args:
        strides: one number, one number an axis, or one such list a level.
        depth: number of levels.
        spatial_dims: 2 or 3.

    Returns:
        ``depth`` tuples of ``spatial_dims`` strides.

    Raises:
        ValueError: when the nesting fits neither the levels nor the axes.

    >>> level_strides([[1, 2, 2], [2, 2, 2]], depth=2, spatial_dims=3)
    [(1, 2, 2), (2, 2, 2)]
    """
    levels: list[tuple[int, ...]]
    if isinstance(strides, Sequence) and strides and isinstance(strides[0], Sequence):
        if len(strides) != depth:
            raise ValueError(f"`strides` lists {len(strides)} levels, but `depth` is {depth}: give one entry a level")
        levels = [per_axis("strides", cast("Sequence[int]", level), spatial_dims) for level in strides]
    else:
        levels = [per_axis("strides", cast("int | Sequence[int]", strides), spatial_dims)] * depth
    for level in levels:
        for stride in level:
            check_int("strides", stride, 1)
    return levels


def level_kernels(
    kernel_size: int | Sequence[int] | Sequence[Sequence[int]], depth: int, spatial_dims: int
) -> list[tuple[int, ...]]:
    """Spell out the kernel of every level and axis.

    Args:
        kernel_size: one odd number, one number an axis, or one such list a level, the bottleneck last.
        depth: number of down-samplings.
        spatial_dims: 2 or 3.

    Returns:
        ``depth + 1`` tuples of ``spatial_dims`` edges.

    Raises:
        ValueError: when the nesting fits neither the levels nor the axes, or an edge is not odd.

    >>> level_kernels([[1, 3, 3], [3, 3, 3]], depth=1, spatial_dims=3)
    [(1, 3, 3), (3, 3, 3)]
    """
    levels: list[tuple[int, ...]]
    if isinstance(kernel_size, Sequence) and kernel_size and isinstance(kernel_size[0], Sequence):
        if len(kernel_size) != depth + 1:
            raise ValueError(
                f"`kernel_size` lists {len(kernel_size)} levels, but with `depth` {depth} there are {depth + 1}: "
                "give one entry a level and one for the bottleneck"
            )
        levels = [per_axis("kernel_size", cast("Sequence[int]", level), spatial_dims) for level in kernel_size]
    else:
        levels = [per_axis("kernel_size", cast("int | Sequence[int]", kernel_size), spatial_dims)] * (depth + 1)
    if any(check_int("kernel_size", edge, 1) % 2 == 0 for level in levels for edge in level):
        raise ValueError(f"`kernel_size` must be odd, got {kernel_size!r}")
    return levels


class BlurPool(nn.Module):
    """Max pooling without stride, then a binomial blur with stride (N2V2, Höck et al. 2022): no checkerboard.

    Args:
        spatial_dims: 2 or 3.
        stride: down-sampling of each axis; an axis of stride 1 is left alone.

    >>> BlurPool(2, (2, 2))(torch.zeros(1, 4, 8, 6)).shape
    torch.Size([1, 4, 4, 3])
    """

    kernel: Tensor
    ends: list[int]
    margin: list[int]

    def __init__(self, spatial_dims: int, stride: tuple[int, ...]) -> None:
        super().__init__()
        self.spatial_dims, self.stride = spatial_dims, stride
        self.ends = [pad for step in stride[::-1] for pad in (0, step - 1)]
        self.margin = [pad for step in stride[::-1] for pad in ((1, 1) if step > 1 else (0, 0))]
        kernel = torch.ones([1] * spatial_dims)
        for axis, step in enumerate(stride):
            taps = torch.tensor([1.0, 2.0, 1.0]) / 4 if step > 1 else torch.ones(1)
            kernel = kernel * taps.reshape([-1 if i == axis else 1 for i in range(spatial_dims)])
        self.register_buffer("kernel", kernel[None, None], persistent=False)
        self.pool = _POOL[spatial_dims](stride, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """Down-sample ``(B, C, [D,] H, W)`` by the strides."""
        channels = int(x.shape[1])  # a number also while tracing
        x = self.pool(F.pad(x, self.ends, mode="replicate"))
        x = F.pad(x, self.margin, mode="replicate")
        kernel = self.kernel.to(x.dtype).repeat([channels, 1] + [1] * self.spatial_dims)
        if self.spatial_dims == 2:
            return F.conv2d(x, kernel, stride=self.stride, groups=channels)
        return F.conv3d(x, kernel, stride=self.stride, groups=channels)


def _block(spatial_dims: int, channels: Sequence[int], kernel_size: tuple[int, ...], norm: str) -> nn.Sequential:
    """Convolution, batch norm, ReLU for each step of the channel plan, initialised as in Keras (Glorot uniform)."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(channels):
        conv = _CONV[spatial_dims](fan_in, fan_out, kernel_size, padding=tuple(k // 2 for k in kernel_size))
        nn.init.xavier_uniform_(conv.weight)
        nn.init.zeros_(conv.bias)
        layers.append(conv)
        if norm == "batch":
            # Keras defaults: momentum 0.99 there is 0.01 here.
            layers.append(_NORM[spatial_dims](fan_out, eps=1e-3, momentum=0.01))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class CAREUNet(nn.Module):
    """U-Net of the DenoiSeg paper (Buchholz et al. 2020; layer plan of CSBDeep's U-Net).

    Each level has two convolutions; features double from level to level; nearest-neighbour up-sampling; concatenated
    skips; a linear 1x1 head. With ``variant="n2v2"`` the pooling is blurred and the top skip is dropped (Höck et al. 2022).

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the input.
        out_channels: channels of the output.
        depth: number of down-samplings.
        features: channels of the first level.
        kernel_size: odd edge of the convolutions: one number, one an axis, or one such list a level with the bottleneck last
            (``depth + 1`` lists; the way up has the kernels of the way down).
        strides: down-sampling: one number, one an axis, or one such list a level (anisotropic volumes: ``[[1, 2, 2], ...]``).
        norm: ``"batch"`` or ``"none"``.
        variant: ``"care"`` or ``"n2v2"``.
        head_features: channels of one more convolution and ReLU before the head, as StarDist has it; 0 for none.

    Raises:
        ValueError: when an argument is out of range.

    >>> net = CAREUNet(2, in_channels=1, out_channels=4, depth=2, features=8)
    >>> net(torch.zeros(1, 1, 16, 24)).shape
    torch.Size([1, 4, 16, 24])
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        depth: int = 4,
        features: int = 32,
        kernel_size: int | Sequence[int] | Sequence[Sequence[int]] = 3,
        strides: int | Sequence[int] | Sequence[Sequence[int]] = 2,
        norm: str = "batch",
        variant: str = "care",
        head_features: int = 0,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims!r}")
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "depth": depth, "features": features}
        for name, value in sizes.items():
            check_int(name, value, 1)
        check_int("head_features", head_features, 0)
        check_option("norm", norm, ("batch", "none"))
        check_option("variant", variant, ("care", "n2v2"))
        self.spatial_dims, self.depth, self.variant = spatial_dims, depth, variant
        self.features, self.norm, self.sees_whole = features, norm, False
        self.strides = level_strides(strides, depth, spatial_dims)
        self.kernels = kernels = level_kernels(kernel_size, depth, spatial_dims)

        plan = [features * 2**n for n in range(depth + 1)]
        below = [plan[max(0, n - 1)] for n in range(depth + 1)]
        self.down = nn.ModuleList(
            _block(spatial_dims, [in_channels if n == 0 else plan[n - 1], plan[n], plan[n]], kernels[n], norm)
            for n in range(depth)
        )
        self.pool = nn.ModuleList(
            BlurPool(spatial_dims, s) if variant == "n2v2" else _POOL[spatial_dims](s, stride=s) for s in self.strides
        )
        self.middle = _block(spatial_dims, [plan[depth - 1], plan[depth], below[depth]], kernels[depth], norm)
        self.up = nn.ModuleList()
        self.enlarge = nn.ModuleList()
        for n in reversed(range(depth)):
            skip = 0 if variant == "n2v2" and n == 0 else plan[n]
            self.enlarge.append(nn.Upsample(scale_factor=tuple(float(s) for s in self.strides[n]), mode="nearest"))
            self.up.append(_block(spatial_dims, [below[n + 1] + skip, plan[n], below[n]], kernels[n], norm))
        self.head_features = head_features
        self.last = _block(spatial_dims, [features, head_features], kernels[0], "none") if head_features else nn.Identity()
        self.head = _CONV[spatial_dims](head_features or features, out_channels, 1)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @torch.jit.unused
    def arguments(self) -> dict[str, Any]:
        """Arguments that build it, by name; without channels."""
        levels = {"kernel_size": self.kernels, "strides": self.strides}
        plan = {"depth": self.depth, "features": self.features, "norm": self.norm, "variant": self.variant}
        return plan | {name: [list(level) for level in values] for name, values in levels.items()}

    @torch.jit.unused
    def square(self) -> bool:
        """Whether Y and X are alike to its strides and kernels."""
        axes = zip(*self.strides, strict=True), zip(*self.kernels, strict=True)
        return all(len(set(list(values)[-2:])) == 1 for values in axes)

    @torch.jit.unused
    def multiple(self) -> list[int]:
        """Every axis of the input must be a multiple of this."""
        return [math.prod(level[axis] for level in self.strides) for axis in range(self.spatial_dims)]

    @torch.jit.unused
    def receptive_radius(self) -> list[int]:
        """Voxels to each side, per axis, that an output voxel can depend on (rounded up to :meth:`multiple`)."""
        radius = []
        for axis, multiple in enumerate(self.multiple()):
            reach, scale = 0, 1
            for level, kernel in zip(self.strides, self.kernels[:-1], strict=True):
                step, half = level[axis], kernel[axis] // 2
                blur = 1 if self.variant == "n2v2" and step > 1 else 0
                # Two convolutions on the way down and two on the way up.
                reach += scale * (4 * half + blur)
                scale *= step
            # Two convolutions in the middle, and the place of a voxel within its pooled block.
            reach += scale * 2 * (self.kernels[-1][axis] // 2) + scale - 1
            reach += self.kernels[0][axis] // 2 if self.head_features else 0
            radius.append(-(-reach // multiple) * multiple)
        return radius

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_channels, [D,] H, W)`` to ``(B, out_channels, [D,] H, W)``; axes must be multiples of :attr:`multiple`."""
        skips: list[Tensor] = []
        for block, pool in zip(self.down, self.pool):  # noqa: B905 (TorchScript knows no strict=)
            x = block(x)
            skips.append(x)
            x = pool(x)
        x = self.middle(x)
        for enlarge, block in zip(self.enlarge, self.up):  # noqa: B905
            x = enlarge(x)
            if len(skips) > 1 or self.variant != "n2v2":
                x = torch.cat([x, skips.pop()], 1)  # popped here, so that it is freed during the convolutions
            else:
                skips.pop()
            x = block(x)
        x = self.last(x)
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            x = self.head(x)
        else:
            # bf16 keeps three digits: enough inside the network, too few for a denoised intensity.
            with torch.autocast(x.device.type, enabled=False):
                x = self.head(x.to(self.head.weight.dtype))
        return x
