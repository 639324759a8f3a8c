"""Values that no training image held, before they reach a network."""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 2
"""Voxels to each side that :func:`plausible` looks at."""


def within(image: Tensor, limits: list[float]) -> tuple[Tensor, Tensor]:
    """Clip intensities, and tell what was taken off.

    Args:
        image: ``(B, C, [D,] H, W)``.
        limits: lower and upper limit; empty for none.

    Returns:
        The clipped image, and what is to be added to it to have the image back.

    >>> within(torch.tensor([[[[-5.0, 1.0, 9.0]]]]), [0.0, 2.0])[0].flatten()
    tensor([0., 1., 2.])
    """
    if len(limits) != 2:
        return image, torch.zeros_like(image[:, :1])
    seen = image.clamp(limits[0], limits[1])
    return seen, image - seen


def plausible(image: Tensor, bounds: Tensor, taken: Optional[Tensor] = None, reach: int = 2) -> tuple[Tensor, Tensor]:  # noqa: UP045
    """Replace values far outside the range a network was trained on: it answers to them with nonsense all around.

    Far is more than the width of the range beyond its ends. Such a value, if no other such value lies beside it (a hot pixel) or
    all of them are equal (a scale bar, a frame, padding), is no measurement: it becomes the mean of its usable neighbours, or
    the usual value where most are not usable. Others are clipped at the end of the range.

    A network that denoises must not lose what was measured: what was taken off is given back, to be added to its output, but for
    hot pixels, one or two beside each other.

    Args:
        image: normalised, ``(B, C, [D,] H, W)``.
        bounds: lower and upper ends of the range and the usual value, ``(3, C)``.
        taken: what was taken off before.
        reach: voxels to each side that are neighbours.

    Returns:
        The same, with finite values as plausible as those of the training (whatever lies nearer is left alone), and what was
        taken off and is to be added to the denoised image, 0 elsewhere.

    >>> image = torch.zeros(1, 1, 5, 5)
    >>> image[..., 2, 2], image[..., 0, 0] = 1000, 3
    >>> seen, taken = plausible(image, torch.tensor([[-1.0], [4.0], [0.0]]))
    >>> seen.max(), taken.max()
    (tensor(3.), tensor(0.))
    """
    shape = [1, -1] + [1] * (image.dim() - 2)
    low, high, usual = bounds[0].reshape(shape), bounds[1].reshape(shape), bounds[2].reshape(shape)
    width = high - low
    wrong = (image < low - width) | (image > high + width)
    nothing = torch.full_like(image, -float("inf"))
    alike = _largest(torch.where(wrong, image, nothing), reach) == -_largest(torch.where(wrong, -image, nothing), reach)
    share = _mean((~wrong).to(image.dtype), reach)
    around = _mean(torch.where(wrong, torch.zeros_like(image), image), reach) / share.clamp(min=1e-6)
    inside = _mean(torch.ones_like(image[:1, :1]), reach)
    filled = torch.where(share > inside / 2, around, usual.expand_as(image))
    seen = torch.where(wrong, torch.where(alike, filled, torch.minimum(torch.maximum(image, low), high)), image)
    beside = _mean(wrong.to(image.dtype), reach) * (2 * reach + 1) ** (image.dim() - 2)
    off = torch.where(wrong & (beside > 2.5), image - seen, torch.zeros_like(image))
    return seen, off if taken is None else off + taken


def _largest(image: Tensor, reach: int) -> Tensor:
    if image.dim() == 4:
        return F.max_pool2d(image, 2 * reach + 1, 1, reach)
    return F.max_pool3d(image, 2 * reach + 1, 1, reach)


def _mean(image: Tensor, reach: int) -> Tensor:
    if image.dim() == 4:
        return F.avg_pool2d(image, 2 * reach + 1, 1, reach)
    return F.avg_pool3d(F.pad(image, [reach] * 6), 2 * reach + 1, 1)  # its own padding takes no axis shorter than the kernel
