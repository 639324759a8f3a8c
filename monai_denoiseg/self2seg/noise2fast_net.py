"""The small network of Noise2Fast: 3x3 convolutions without any change of resolution."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_denoiseg.checks import check_int, check_option

PADDINGS = ("reflect", "zeros")


class Noise2FastNet(nn.Module):
    """Blocks of two 3x3 convolutions with ReLU, then a 1x1 convolution.

    With reflection the image is mirrored once, as far as the receptive field reaches, and not in each convolution. This is as
    good and faster, and works for images of any size, down to a single pixel.

    Args:
        channels: channels of the image.
        features: channels inside.
        blocks: number of blocks; the network sees ``4 * blocks + 1`` pixels along each axis.
        padding: ``"reflect"`` or ``"zeros"`` (for each convolution).
        sigmoid: whether the result is squashed to (0, 1).

    Raises:
        ValueError: for an unknown padding or a number out of range.

    Source: Lequyer et al., Nat. Mach. Intell. 4 (2022): 4 blocks of 64 features, zeros, sigmoid.

    >>> Noise2FastNet(features=8)(torch.zeros(2, 1, 5, 7)).shape
    torch.Size([2, 1, 5, 7])
    """

    def __init__(
        self, channels: int = 1, features: int = 16, blocks: int = 4, padding: str = "reflect", sigmoid: bool = False
    ) -> None:
        super().__init__()
        check_option("padding", padding, PADDINGS)
        widths = [check_int("channels", channels, 1)] + [check_int("features", features, 1)] * (
            2 * check_int("blocks", blocks, 1)
        )
        self.margin = 2 * blocks if padding == "reflect" else 0
        self.sigmoid = sigmoid
        self.convolutions = nn.ModuleList()
        for before, after in pairwise(widths):
            convolution = nn.Conv2d(before, after, 3, padding=0 if self.margin else 1)
            # torch's default initialisation attenuates the signal from layer to layer: it needs twice as many iterations.
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)
            self.convolutions.append(convolution)
        self.last = nn.Conv2d(features, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Denoise a batch.

        Args:
            x: ``(B, C, H, W)``.

        Returns:
            ``(B, C, H, W)``, float32 under autocast too: the last layer is computed in full precision.
        """
        x = mirror(x, self.margin)
        for convolution in self.convolutions:
            x = F.relu_(convolution(x))
        with torch.autocast(x.device.type, enabled=False):
            x = self.last(x.to(self.last.weight.dtype))
        return x.sigmoid() if self.sigmoid else x


def mirror(x: Tensor, margin: int) -> Tensor:
    """Extend an image on all sides by its mirror image, as often as it takes; the edge pixel is not repeated.

    Args:
        x: ``(..., H, W)``.
        margin: pixels on each side.

    Returns:
        ``(..., H + 2 * margin, W + 2 * margin)``.

    >>> mirror(torch.tensor([[0, 1, 2]]), 3)[0].tolist()
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    if not margin:
        return x
    for axis in (-2, -1):
        size = x.shape[axis]
        index = torch.arange(-margin, size + margin, device=x.device).abs() % max(1, 2 * (size - 1))
        x = x.index_select(axis, torch.minimum(index, 2 * (size - 1) - index))
    return x
