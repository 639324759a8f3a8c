"""Training-free baselines behind the interface of a trained network, so that the same engines and bundles run them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from monai_denoiseg.checks import check_int, check_option, check_range, per_axis
from monai_denoiseg.constants import BACKGROUND, FOREGROUND
from monai_denoiseg.heads import BorderHead, Head, NoHead, rule_of, usual_options
from monai_denoiseg.networks.classic_denoise import (
    NLM_PATCH,
    denoise_bm3d,
    denoise_mean,
    denoise_median,
    denoise_nlm,
    require_bm3d,
)
from monai_denoiseg.networks.classic_segment import segment_chan_vese, segment_otsu

__all__ = ["DENOISERS", "SEGMENTERS", "ClassicNet"]

DENOISERS = ("none", "mean", "median", "nlm", "bm3d")
SEGMENTERS = ("none", "otsu", "chan_vese")
_CERTAIN = 60.0  # a logit whose softmax is exactly 1 and 0 in float32
_EVERYTHING = 1 << 30  # receptive radius of a method that looks at the whole image


class ClassicNet(nn.Module):
    """A classic denoiser, a classic segmentation, or the one after the other; nothing is learnt.

    It has what the inferer, the evaluator and the bundles use of a :class:`DenoiSegNet`. Output channels: with a segmentation
    logits of background, foreground and (never found) border, which are 60 or -60; with a denoiser the denoised channels in the
    unit of the input. Channels are denoised one by one; the mean of the denoised channels (of the raw ones without denoiser) is
    segmented. Objects are then the connected pieces of the foreground.

    Most methods look at the whole image, for its noise or its grey levels, and ``receptive_radius`` says so: predicted in tiles
    an image gives the same result, but each tile costs as much as the whole. So give no ``tile_size``.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        denoise: ``"nlm"`` (non-local means), ``"mean"``, ``"median"``, ``"bm3d"`` (only if you have installed the package of its
            inventors, which is not free for commercial use) or ``"none"``.
        segment: ``"otsu"``, ``"chan_vese"`` or ``"none"``.
        size: edge of the box of mean and median in voxels, one number or one an axis.
        h: strength of ``"nlm"`` in standard deviations of the noise, see :func:`denoise_nlm` and :func:`search_h`.
        sigma: standard deviation of the noise in the unit of the image, for ``"nlm"`` and ``"bm3d"``; None estimates it for each
            image and channel, see :func:`noise_sigma`.
        patch_size: of ``"nlm"``, see :func:`denoise_nlm`.
        patch_distance: likewise.
        dark_objects: whether the objects are darker than the background.
        smoothness: of ``"chan_vese"``, see :func:`segment_chan_vese`.
        iterations: likewise.

    Raises:
        ImportError: for ``"bm3d"`` without its package.
        ValueError: when an argument is out of range, or there is neither a denoiser nor a segmentation.

    >>> net = ClassicNet(2, denoise="median", segment="otsu").eval()
    >>> image = torch.zeros(1, 1, 9, 9)
    >>> image[..., 2:7, 2:7] = 10
    >>> net(image).shape, int(net.activate(net(image))[0, 1].sum())
    (torch.Size([1, 4, 9, 9]), 21)
    >>> ClassicNet(3, denoise="mean", segment="none").n_classes
    0
    """

    threshold: Tensor
    overlap: Tensor
    class_weights: Tensor
    image_mode: Tensor
    rays: Tensor
    recipe: Tensor

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        denoise: str = "nlm",
        segment: str = "otsu",
        *,
        size: int | Sequence[int] = 3,
        h: float = 1.0,
        sigma: float | None = None,
        patch_size: int | None = None,
        patch_distance: int | None = None,
        dark_objects: bool = False,
        smoothness: float | None = None,
        iterations: int | None = None,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims!r}")
        self.spatial_dims, self.in_channels = spatial_dims, check_int("in_channels", in_channels, 1)
        options = {
            "size": [check_int("size", edge, 1) for edge in per_axis("size", size, spatial_dims)],
            "h": check_range("h", h, 0, math.inf, open_low=True, open_high=True),
            "sigma": sigma if sigma is None else check_range("sigma", sigma, 0, math.inf, open_high=True),
            "patch_size": patch_size if patch_size is None else check_int("patch_size", patch_size, 1),
            "patch_distance": patch_distance if patch_distance is None else check_int("patch_distance", patch_distance, 1),
            "dark_objects": dark_objects,
            "smoothness": _check_smoothness(smoothness, spatial_dims),
            "iterations": iterations if iterations is None else check_int("iterations", iterations, 1),
        }
        self._denoiser = _denoiser(check_option("denoise", denoise, DENOISERS), spatial_dims, options)
        self._segmenter = _segmenter(check_option("segment", segment, SEGMENTERS), options)
        if self._denoiser is None and self._segmenter is None:
            raise ValueError("`denoise` and `segment` are both 'none': nothing would be done; choose one of them")
        head: Head = BorderHead() if self._segmenter else NoHead()
        self.head = head.with_rule(head.make_rule(**usual_options(spatial_dims)))
        self.activation = self.head.activation()
        self.n_classes, self.classes, self.denoises = self.head.channels, self.head.classes, self._denoiser is not None
        self.multiple, self.sees_whole = [1] * spatial_dims, False
        self.receptive_radius = _receptive_radius(denoise, segment, spatial_dims, options)
        self._register(json.dumps({"denoise": denoise, "segment": segment, **options}, sort_keys=True))

    def _register(self, recipe: str) -> None:
        self.register_buffer("threshold", torch.tensor([0.5, 0.5]))
        self.register_buffer("overlap", torch.tensor([0.4, 0.4]))
        self.register_buffer("class_weights", torch.ones(self.n_classes))
        self.register_buffer("rays", torch.zeros(0, self.spatial_dims))
        self.register_buffer("image_mode", torch.tensor(False))
        # So that another setting is another state dict: an interrupted stream must not go on with it.
        self.register_buffer("recipe", torch.tensor(list(recipe.encode()), dtype=torch.uint8))

    def square(self) -> bool:
        """Whether Y and X are treated alike."""
        size = json.loads(bytes(self.recipe.tolist()))["size"]
        return bool(size[-1] == size[-2])

    def intensity(self, image: Tensor) -> Tensor:
        """Offset 0 and scale 1 of each image, ``(B, 2, C)``: nothing is normalised."""
        return torch.tensor([[0.0], [1.0]], device=image.device).expand(image.shape[0], 2, self.in_channels)

    def forward(self, image: Tensor, intensity: Tensor | None = None) -> Tensor:
        """Denoise, then segment.

        Args:
            image: whole images ``(B, C, [D,] H, W)`` of any size, raw intensities of any type, finite.
            intensity: not looked at.

        Returns:
            ``(B, n_classes + C, [D,] H, W)`` float32: logits, then the denoised channels, as far as there are any.

        Raises:
            ValueError: when the number of axes or channels does not fit, or a value is not finite.
        """
        if image.dim() != self.spatial_dims + 2 or image.shape[1] != self.in_channels:
            raise ValueError(
                f"the method takes (batch, {self.in_channels} channel(s), {self.spatial_dims} spatial axes), got shape "
                f"{list(image.shape)}; set `in_channels` to the channels of your images"
            )
        with torch.no_grad():
            arrays = torch.as_tensor(image).as_subclass(Tensor).detach().to("cpu", torch.float64).numpy()
        if not np.isfinite(arrays).all():
            raise ValueError("the image holds values that are not finite (NaN or infinity); replace them first")
        found = np.stack([self._process(one) for one in arrays]) if len(arrays) else self._nothing(arrays)
        return torch.from_numpy(found).to(image.device)

    def _process(self, channels: NDArray[np.float64]) -> NDArray[np.float32]:
        """``(C, [D,] H, W)`` -> ``(n_classes + C, [D,] H, W)``."""
        parts = []
        if self._denoiser is not None:
            channels = np.stack([self._denoiser(channel) for channel in channels])
        if self._segmenter is not None:
            foreground = self._segmenter(channels.mean(0))
            logits = np.full((self.n_classes, *foreground.shape), -_CERTAIN)
            logits[FOREGROUND][foreground] = logits[BACKGROUND][~foreground] = _CERTAIN
            parts.append(logits)
        return np.concatenate([*parts, channels][: len(parts) + self.denoises]).astype(np.float32)

    def _nothing(self, images: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.zeros((0, self.n_classes + self.in_channels * self.denoises, *images.shape[2:]), np.float32)

    def activate(self, output: Tensor) -> Tensor:
        """Turn the logits of an output into probabilities, which are 0 and 1."""
        activated: Tensor = self.activation(output)
        return activated

    def labels(self, prediction: Any, threshold: float | None = None, spacing: Any = None) -> Any:
        """Labels of one image, see :meth:`DenoiSegNet.labels`."""
        return rule_of(self, threshold=threshold)(prediction[: self.n_classes], spacing=spacing)

    def extra_repr(self) -> str:
        """Method and options."""
        return bytes(self.recipe.tolist()).decode()


def _check_smoothness(smoothness: float | None, spatial_dims: int) -> float | None:
    if smoothness is None:
        return None
    if spatial_dims == 3:
        return check_int("smoothness", smoothness, 0)  # type: ignore[arg-type]
    return check_range("smoothness", smoothness, 0, math.inf, open_high=True)


def _denoiser(name: str, spatial_dims: int, options: dict[str, Any]) -> Callable[[Any], NDArray[np.float64]] | None:
    if name == "none":
        return None
    if name in ("mean", "median"):
        return partial({"mean": denoise_mean, "median": denoise_median}[name], size=options["size"])
    if name == "bm3d":
        require_bm3d(spatial_dims)
        return partial(denoise_bm3d, sigma=options["sigma"])
    return partial(denoise_nlm, **{key: options[key] for key in ("h", "sigma", "patch_size", "patch_distance")})


def _segmenter(name: str, options: dict[str, Any]) -> Callable[[Any], NDArray[np.bool_]] | None:
    dark = options["dark_objects"]
    if name == "chan_vese":
        return partial(segment_chan_vese, dark_objects=dark, smoothness=options["smoothness"], iterations=options["iterations"])
    return partial(segment_otsu, dark_objects=dark) if name == "otsu" else None


def _receptive_radius(denoise: str, segment: str, spatial_dims: int, options: dict[str, Any]) -> list[int]:
    if segment != "none" or denoise == "bm3d" or (denoise == "nlm" and options["sigma"] is None):
        return [_EVERYTHING] * spatial_dims
    if denoise != "nlm":
        return [edge // 2 for edge in options["size"]]
    size, distance = NLM_PATCH[spatial_dims]
    reach = (options["patch_size"] or size) // 2 + (options["patch_distance"] or distance) + 1
    return [reach] * spatial_dims
