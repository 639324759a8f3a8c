"""The convolutional network of Noise2Fast as an expert of Self2Seg."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.checks import check_int, check_option
from monai_denoiseg.self2seg.noise2fast import Noise2FastSettings, predict_noise2fast
from monai_denoiseg.self2seg.noise2fast_net import Noise2FastNet
from monai_denoiseg.self2seg.watch import Watch


class Noise2FastExpert:
    """Learns one region by Noise2Fast.

    It gets the hard mask and minimises a loss that differs from the energy, so the energy may rise now and then.

    Args:
        settings: of the network and its first training; None: the defaults.
        warm: keep the weights from one outer step to the next, with a fresh optimiser; False: start afresh each time, as
            published.
        warm_iterations: at most this many iterations in the steps after the first, if ``warm``.
        compare: what :meth:`fit` returns, by which experts are compared: ``"neighbours"``, each pixel predicted from half
            images that do not contain it; ``"denoised"``, the denoised image, as published. The latter has seen the noise of its
            pixel, so the expert that smooths less seems better everywhere.
        options: single settings to replace, such as ``features=16`` or ``seed=1``. Give each expert a seed of its own.

    Attributes:
        soft: False.
        penalty: 0.
        denoised: the denoised image of the last :meth:`fit`, ``(C, [D,] H, W)`` in the unit of the image; None before.

    Source: Gruber et al., arXiv 2309.10511, sec. 4.

    >>> expert = Noise2FastExpert(features=4, max_iterations=5, seed=1)
    >>> expert.fit(torch.rand(1, 16, 16), torch.ones(16, 16), Watch()).shape
    torch.Size([1, 16, 16])
    """

    soft: bool = False
    penalty: float = 0.0

    def __init__(
        self,
        settings: Noise2FastSettings | None = None,
        *,
        warm: bool = True,
        warm_iterations: int = 100,
        compare: str = "neighbours",
        **options: Any,
    ) -> None:
        self.settings = replace(settings or Noise2FastSettings(), **options)
        self.warm = warm
        self.warm_iterations = check_int("warm_iterations", warm_iterations, 1)
        self.compare = check_option("compare", compare, ("neighbours", "denoised"))
        self.denoised: Tensor | None = None
        self._net: Noise2FastNet | None = None
        self._fits = 0

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        """Train on the pixels whose weight is above a half.

        Args:
            image: ``(C, [D,] H, W)``, in any unit.
            weights: ``([D,] H, W)``, how much each pixel belongs to the region, in [0, 1].
            watch: time budget and progress.

        Returns:
            The prediction to compare at every pixel (see ``compare``), ``(C, [D,] H, W)``, in unit and type of the image.

        Raises:
            ValueError: for an empty region, shapes that do not fit, or values that are not finite.
        """
        watch.tick("expert")
        offset, scale = self._units(image)
        channels = image.shape[0]
        warm = self.warm and self._net is not None and self._net.last.out_channels == channels
        # Another seed each time: a warm network should see the pairs in another order.
        settings = replace(self.settings, seed=self.settings.seed + 1009 * self._fits)
        if warm:
            settings = replace(settings, max_iterations=min(self.warm_iterations, settings.max_iterations))
        else:
            self._net = settings.network(channels, masked=True).to(image.device)
        assert self._net is not None
        found = predict_noise2fast(self._net, (image - offset) / scale, weights > 0.5, settings, watch)
        denoised, predicted = ((x * scale + offset).to(image.dtype) for x in found)
        self._fits += 1
        self.denoised = denoised
        return predicted if self.compare == "neighbours" else denoised

    def _units(self, image: Tensor) -> tuple[float, float]:
        """Offset and scale of the whole image, so that the loss weighs its channels as the energy does."""
        values = image.to(torch.float64)
        paper = self.settings.variant == "paper"
        offset = float(values.min() if paper else values.mean())
        scale = float(values.max() - values.min() if paper else values.std(correction=0))
        return offset, scale if scale > 0 else 1.0
