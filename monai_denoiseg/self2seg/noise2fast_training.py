"""Settings of Noise2Fast, and its training loop."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.memory import keep_freed_memory
from monai_denoiseg.self2seg.checkerboard import checkerboard_pairs
from monai_denoiseg.self2seg.noise2fast_net import Noise2FastNet
from monai_denoiseg.self2seg.watch import Watch

Pair = tuple[Tensor, Tensor, Tensor, Tensor]
"""Source and target ``(P, C, h, w)``, the target's mask ``(P, 1, h, w)`` and the indices of the pixels in the flattened mask."""
AMP = ("auto", "off", "bf16")
MAX_JUDGED = 4
ORDER = ((0, 1), (1, 0), (2, 3), (3, 2))
"""Half image that is the input, and half image that is the target."""


@dataclass(frozen=True)
class Noise2FastSettings:
    """How a Noise2Fast network is built and trained.

    Args:
        features: channels of the network. 64 as published; 16 denoised as well as 32 in trials, in less than half the time.
        blocks: blocks of two convolutions.
        learning_rate: of Adam; with few features more than the published 0.001 is needed and stable.
        patience: iterations without a new best after which training ends.
        max_iterations: iterations after which it ends in any case.
        evaluate_every: iterations between two looks at the whole image.
        crop: each iteration learns a random window of this many pixels along each axis of the half image, so that large images
            take no longer than small ones; None: all of it, as published.
        average: the result is the mean of this many outputs, of the last looks.
        variant: ``"default"``: linear output, squared error, any intensity; ``"paper"``: scaled to [0, 1], sigmoid, and
            without a mask zero padding and cross entropy.
        seed: seed of the first weights and of the order of the pairs.
        amp: ``"auto"``: bf16 if the processor supports it in hardware; ``"bf16"``; ``"off"``: float32.

    Raises:
        ValueError: for a value out of range.

    Source: Lequyer et al., Nat. Mach. Intell. 4 (2022); as published it is
        ``Noise2FastSettings(variant="paper", features=64, learning_rate=1e-3, evaluate_every=1, average=105, crop=None)``.

    >>> Noise2FastSettings(features=16).learning_rate
    0.003
    """

    features: int = 16
    blocks: int = 4
    learning_rate: float = 3e-3
    patience: int = 100
    max_iterations: int = 400
    evaluate_every: int = 10
    crop: int | None = 96
    average: int = 10
    variant: str = "default"
    seed: int = 0
    amp: str = "auto"

    def __post_init__(self) -> None:
        for name in ("features", "blocks", "patience", "max_iterations", "evaluate_every", "average"):
            check_int(name, getattr(self, name), 1)
        if self.crop is not None:
            check_int("crop", self.crop, 1)
        check_range("learning_rate", self.learning_rate, 0, math.inf, open_low=True, open_high=True)
        check_int("seed", self.seed, 0)
        check_option("variant", self.variant, ("default", "paper"))
        check_option("amp", self.amp, AMP)

    def network(self, channels: int = 1, masked: bool = False) -> Noise2FastNet:
        """A fresh network with weights of this seed; the global random state is left as it was.

        Args:
            channels: channels of the image.
            masked: whether it is for a region (the published variants differ in their padding).

        >>> bool(torch.equal(Noise2FastSettings().network().last.bias, Noise2FastSettings().network().last.bias))
        True
        """
        paper = self.variant == "paper"
        padding = "zeros" if paper and not masked else "reflect"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return Noise2FastNet(channels, self.features, self.blocks, padding, sigmoid=paper)


class Training:
    """One training of one network.

    Args:
        net: maps ``(B, C, H, W)`` to the same shape.
        planes: ``(P, C, H, W)``.
        masks: ``(P, 1, H, W)``, 0 or 1; None: all pixels are learnt.
        settings: of the training.

    Raises:
        ValueError: when no half image has a pixel of the mask.

    >>> settings = Noise2FastSettings(features=4, max_iterations=3)
    >>> Training(settings.network(), torch.rand(2, 1, 8, 8), None, settings).run(Watch()).shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(self, net: nn.Module, planes: Tensor, masks: Tensor | None, settings: Noise2FastSettings) -> None:
        self.net, self.planes, self.settings = net, planes, settings
        if planes.device.type == "cpu":
            keep_freed_memory()
        self.dtype = torch.bfloat16 if gains_from_bf16(settings.amp, planes.device) else torch.float32
        if self.dtype == torch.bfloat16:
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.masks = torch.ones_like(planes[:, :1]) if masks is None else masks
        self.entropy = settings.variant == "paper" and masks is None
        self.pairs = list(_pairs(planes, self.masks))
        if not self.pairs:
            raise ValueError(
                "`mask` holds only the last pixel of odd axes, which no half image has; nothing can be learnt from it"
            )
        self.generator = torch.Generator().manual_seed(settings.seed)
        # A few planes are enough to see whether the network still improves.
        seen = self.masks.flatten(1).any(1).nonzero().flatten()
        # The weights of the last looks instead of their outputs: small, and a stack needs its other planes only at the end.
        self.kept: deque[dict[str, Tensor]] = deque(maxlen=settings.average)
        self.judged = seen[torch.linspace(0, len(seen) - 1, min(len(seen), MAX_JUDGED)).round().long().to(seen.device)]

    def run(self, watch: Watch) -> Tensor:
        """Train and return the denoised planes; once more and slower if the network died."""
        first = _snapshot(self.net)
        result = self._train(watch, self.settings.learning_rate)
        if _dead(result, self.planes) and not watch.over:
            self.net.load_state_dict(first)
            result = self._train(watch, self.settings.learning_rate / 20)
        return result

    def _train(self, watch: Watch, learning_rate: float) -> Tensor:
        settings = self.settings
        adam = torch.optim.Adam(self.net.parameters(), learning_rate)
        self.kept.clear()
        best, best_at = -math.inf, 0
        for iteration in range(1, settings.max_iterations + 1):
            self._step(adam)
            watch.tick()
            ends = watch.over or iteration == settings.max_iterations
            if ends or iteration % settings.evaluate_every == 0:
                score = self._score()
                self.kept.append(_snapshot(self.net))
                if score > best:
                    best, best_at = score, iteration
                if ends or iteration - best_at >= settings.patience:
                    break
        return self._mean(lambda i: self._forward(self.planes[i : i + 1])[0])

    def _step(self, adam: torch.optim.Optimizer) -> None:
        """Learn a window of one random pair around a random pixel of the region."""
        *images, pixels = self.pairs[self._draw(len(self.pairs))]
        pixel = int(pixels[self._draw(len(pixels))])
        source, target, mask = (x[self._window(pixel, *x.shape[-2:])] for x in images)
        output = self._forward(source)
        error = F.binary_cross_entropy(output, target, reduction="none") if self.entropy else (output - target).square()
        adam.zero_grad()
        (error * mask).sum().backward()
        adam.step()

    def _draw(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self.generator))

    def _window(self, pixel: int, height: int, width: int) -> tuple[slice, ...]:
        """The window about a pixel, moved inside the image."""
        plane, place = divmod(pixel, height * width)
        crop = self.settings.crop or max(height, width)
        starts = (
            min(max(0, at - crop // 2), max(0, size - crop))
            for at, size in zip(divmod(place, width), (height, width), strict=True)
        )
        return (slice(plane, plane + 1), slice(None), *(slice(start, start + crop) for start in starts))

    @torch.no_grad()
    def _score(self) -> float:
        """Minus the mean squared difference to the noisy image within the mask."""
        total, weight = 0.0, 0.0
        for i in self.judged:
            plane, mask = self.planes[i : i + 1], self.masks[i : i + 1]
            total += float(((self._forward(plane) - plane).square() * mask).sum())
            weight += float(mask.sum())
        return -total / weight

    def from_neighbours(self) -> Tensor:
        """Predict each pixel from the half images that do not contain it, after :meth:`run`.

        Such a prediction has not seen the noise of its pixel, so its error measures how well the network knows the place. The
        denoised image has seen it: by its error a network that smooths little would always seem best.

        Returns:
            ``(P, C, H, W)``; a pixel that is in no half image keeps the denoised value.
        """
        return self._mean(self._plane_from_neighbours)

    def _plane_from_neighbours(self, i: int) -> Tensor:
        plane = self.planes[i : i + 1]
        # Where the pixels of the half images lie in the plane.
        places = checkerboard_pairs(torch.arange(plane[0, 0].numel(), device=plane.device).reshape(plane.shape[-2:]))
        halves = checkerboard_pairs(plane)
        total = torch.zeros_like(plane[0]).flatten(1)
        count = torch.zeros_like(total[:1])
        for source, target in ORDER:
            if places[target].numel():
                at = places[target].flatten()
                total[:, at] += self._forward(halves[source])[0].flatten(1)
                count[:, at] += 1
        found = (total / count.clamp(min=1)).reshape(plane.shape[1:])
        missing = (count == 0).reshape(plane.shape[-2:])
        return torch.where(missing, self._forward(plane)[0], found) if bool(missing.any()) else found

    @torch.no_grad()
    def _mean(self, predict: Callable[[int], Tensor]) -> Tensor:
        """The mean over the kept weights of what a function makes of each plane."""
        last = _snapshot(self.net)
        result = torch.zeros_like(self.planes)
        for weights in self.kept:
            self.net.load_state_dict(weights)
            for i in range(len(self.planes)):
                result[i] += predict(i) / len(self.kept)
        self.net.load_state_dict(last)
        return result

    def _forward(self, x: Tensor) -> Tensor:
        low = self.dtype != torch.float32
        with torch.autocast(x.device.type, self.dtype if low else None, enabled=low):
            output: Tensor = self.net(x)
        return output.to(torch.float32)


def gains_from_bf16(amp: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: on request, or ``"auto"`` and the processor multiplies it in hardware.

    >>> gains_from_bf16("bf16", torch.device("cpu")), gains_from_bf16("off", torch.device("cpu"))
    (True, False)
    """
    if amp != "auto":
        return amp == "bf16"
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(bool(getattr(torch.cpu, probe)()) for probe in probes if hasattr(torch.cpu, probe))


def _pairs(planes: Tensor, masks: Tensor) -> Iterator[Pair]:
    """The four training pairs, without those that contain nothing to learn."""
    halves, masked = checkerboard_pairs(planes), checkerboard_pairs(masks)
    for source, target in ORDER:
        pixels = masked[target].flatten().nonzero().flatten()
        if len(pixels):
            yield halves[source], halves[target], masked[target], pixels


def _dead(result: Tensor, planes: Tensor) -> bool:
    """Whether a network predicts the same value everywhere, because its rectifiers have died."""
    return bool(result.std(correction=0) <= 1e-3 * planes.std(correction=0))


def _snapshot(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
