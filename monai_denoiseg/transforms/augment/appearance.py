"""Other contrasts of an image: as another scanner, another protocol or a worse resolution would give."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_denoiseg.checks import check_range


class RandAppearance:
    """Change brightness, contrast, gamma, noise and resolution of a crop, each at random and mildly.

    Draws from PyTorch's global random numbers. The strengths are in standard deviations of the crop, so the unit does not matter.

    Args:
        prob: probability of gamma, and of brightness with contrast, in [0, 1]; noise and low resolution are four tenths as
            likely.

    Raises:
        ValueError: when ``prob`` is out of range.

    Source: the intensity augmentations of nnU-Net (Isensee et al., Nature Methods 18, 2021, supplement), milder.

    >>> image = torch.rand(1, 8, 8, 8)
    >>> RandAppearance(1.0)(image).shape, torch.equal(RandAppearance(0.0)(image), image)
    (torch.Size([1, 8, 8, 8]), True)
    """

    gamma = 0.35
    contrast = 0.25
    brightness = 0.15
    noise = 0.3
    zoom_out = 0.5

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = check_range("prob", prob, 0, 1)

    def __call__(self, image: Tensor) -> Tensor:
        """Return a changed copy of ``(C, [D,] H, W)``, or the image itself."""
        chances = torch.rand(4).tolist()
        mean, spread = _moments(image)
        if self.prob == 0 or not bool((spread > 0).all()):
            return image
        x = (image - mean) / spread
        if chances[0] < self.prob:
            x = self._gamma(x)
        if chances[1] < self.prob:
            x = x * torch.empty(()).uniform_(-self.contrast, self.contrast).exp() + self.brightness * torch.randn(())
        if chances[2] < 0.4 * self.prob:
            x = x + torch.randn_like(x) * torch.empty(()).uniform_(0, self.noise)
        if chances[3] < 0.4 * self.prob:
            x = _blurred(x, float(torch.empty(()).uniform_(self.zoom_out, 1)))
        return x * spread + mean

    def _gamma(self, x: Tensor) -> Tensor:
        """Bend the scale of grey values, mean and deviation kept; of one crop in three from the bright end."""
        invert = float(torch.rand(())) < 0.3
        exponent = torch.empty(()).uniform_(-self.gamma, self.gamma).exp()
        low, high = (_each(x, end) for end in ("amin", "amax"))
        share = ((x - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
        bent = 1 - (1 - share) ** exponent if invert else share**exponent
        mean, spread = _moments(bent)
        return (bent - mean) / spread.clamp(min=1e-6)


def _each(x: Tensor, end: str) -> Tensor:
    return getattr(x.flatten(1), end)(1).reshape(-1, *[1] * (x.dim() - 1))  # type: ignore[no-any-return]


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, to broadcast."""
    flat = x.flatten(1).float()
    shape = [-1] + [1] * (x.dim() - 1)
    return flat.mean(1).reshape(shape), flat.std(1, correction=0).reshape(shape)


def _blurred(x: Tensor, zoom: float) -> Tensor:
    """The image as if it had been taken with fewer voxels."""
    mode = "trilinear" if x.dim() == 4 else "bilinear"
    small = [max(1, round(n * zoom)) for n in x.shape[1:]]
    return F.interpolate(F.interpolate(x[None], small, mode=mode), x.shape[1:], mode=mode)[0]
