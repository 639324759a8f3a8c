"""The network users meet: raw intensities in, class logits and a denoised image in raw intensities out."""

# No "from __future__ import annotations": TorchScript reads the class annotations as types.

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_option
from monai_denoiseg.heads import Head, as_head, rule_of
from monai_denoiseg.intensity import check_limits, check_statistics, robust_moments
from monai_denoiseg.networks.description import (
    KEY,
    blank_description,
    describe_architecture,
    describe_network,
    encode_description,
    matching_head,
    present_state,
    sight_of,
)
from monai_denoiseg.networks.domain import know_domain
from monai_denoiseg.networks.foreign import ForeignNet
from monai_denoiseg.networks.padding import check_image, reflect_to_multiple
from monai_denoiseg.networks.plausible import plausible, within
from monai_denoiseg.networks.prepare import usable_weights
from monai_denoiseg.networks.unet import CAREUNet
from monai_denoiseg.spacing import check_target

NORMALISATIONS = ("dataset", "image")


class DenoiSegNet(nn.Module):
    """U-Net with everything inference needs in its state dict: weights, normalisation, threshold, and a description of itself.

    Output channels are those of the ``head`` first (by default class logits of ``[background, foreground, border]``, so that
    channel index equals label value), then one denoised channel per input channel in the unit of the input. Any size works: the
    input is padded by reflection and the output cropped back.

    Normalisation is by mean and standard deviation of the training images (``"dataset"``, :meth:`set_statistics`), or by those of
    each *whole* image, few outliers aside (``"image"``); tiles and crops must then be given the numbers of the image they come
    from (``intensity=net.intensity(image)``).

    Buffers: ``threshold``, two foreground probabilities from which a voxel belongs to an object (best AP, best SEG); ``blind``,
    false where target images were shown in training; ``description``, the rest; what stands in a buffer as well counts there.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        n_classes: short for a head: of so many classes; 0 only denoises. The attribute counts the segmentation channels.
        depth: number of down-samplings of the U-Net.
        features: channels of its first level.
        kernel_size: odd edge of the convolutions, see :class:`CAREUNet`.
        strides: down-sampling, see :class:`CAREUNet`.
        norm: ``"batch"`` or ``"none"``.
        variant: ``"care"`` (paper) or ``"n2v2"``.
        normalisation: ``"dataset"`` or ``"image"``.
        classes: short for a head: names of semantic classes in the order of the label values, background first.
        rays: short for a head: directions of a StarDist head, see :func:`~monai_denoiseg.transforms.star_rays`.
        denoises: False gives a network that only segments.
        quarter_turns: False where the noise has a direction (structN2V): test-time augmentation then only flips.
        flips: False for images with a left and a right side: test-time augmentation has then nothing to average.
        limits: lowest and highest intensity it looks at; what lies beyond is given back to the denoised image. None for all.
        target_spacing: voxel size that the inferer brings images to before it segments them, in ``target_unit``; None for any.
        head: what is predicted besides the denoised image, with its rule; None: background, foreground, border.
        backbone: another network in place of the U-Net, whose own arguments then have no effect: a definition as in JSON
            (``{"_target_": "monai.networks.nets.SegResNet", ...}``), or the network itself, see :class:`ForeignNet`.
        multiple: of the backbone, see :class:`ForeignNet`.
        receptive_radius: likewise.

    Raises:
        ValueError: when an argument is out of range, or arguments contradict each other.

    >>> net = DenoiSegNet(2, in_channels=1, depth=2, features=8)
    >>> net(torch.zeros(1, 1, 33, 50)).shape
    torch.Size([1, 4, 33, 50])
    """

    __jit_unused_properties__ = ("rays", "architecture", "training_info", "domain")

    mean: Tensor
    std: Tensor
    threshold: Tensor
    class_weights: Tensor
    image_mode: Tensor
    overlap: Tensor
    quarter_turns: Tensor
    blind: Tensor
    description: Tensor
    classes: list[str]
    multiple: list[int]
    receptive_radius: list[int]
    sees_whole: bool
    limits: list[float]
    target_spacing: list[float]
    window: Optional[list[int]]  # noqa: UP045 (TorchScript)
    bounded: bool
    bounds: list[list[float]]

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        n_classes: int | None = None,
        *,
        depth: int = 3,
        features: int = 16,
        kernel_size: int | Sequence[int] | Sequence[Sequence[int]] = 3,
        strides: int | Sequence[int] | Sequence[Sequence[int]] = 2,
        norm: str = "batch",
        variant: str = "care",
        normalisation: str = "dataset",
        classes: Sequence[str] | None = None,
        rays: Any = None,
        denoises: bool = True,
        quarter_turns: bool = True,
        flips: bool = True,
        limits: Sequence[float] | None = None,
        target_spacing: Sequence[float] | None = None,
        target_unit: str | None = None,
        head: Head | None = None,
        backbone: Any = None,
        multiple: Any = None,
        receptive_radius: Any = None,
    ) -> None:
        super().__init__()
        self.head = as_head(head, classes=classes, rays=rays, n_classes=n_classes)
        self.head.check(spatial_dims)
        if not self.head.channels and not denoises:
            raise ValueError("`n_classes` is 0 and `denoises` is False: the network would have no output")
        check_option("normalisation", normalisation, NORMALISATIONS)
        channels = spatial_dims, in_channels, self.head.channels + (in_channels if denoises else 0)
        care: dict[str, Any] = {"depth": depth, "features": features, "kernel_size": kernel_size, "strides": strides}
        care |= {"norm": norm, "variant": variant, "head_features": self.head.widening * features}
        reach = multiple, receptive_radius
        self.unet: Any = CAREUNet(*channels, **care) if backbone is None else ForeignNet(backbone, *channels, *reach)
        self.spatial_dims, self.in_channels, self.denoises = spatial_dims, in_channels, denoises
        self.n_classes, self.classes, self.activation = self.head.channels, self.head.classes, self.head.activation()
        self.multiple, self.sees_whole, self.flips = self.unet.multiple(), self.unet.sees_whole, flips
        self.limits, self.target_spacing, self.target_unit = check_limits(limits), check_target(target_spacing), target_unit or ""
        self.plan = {"spatial_dims": spatial_dims, "in_channels": in_channels, "denoises": denoises}
        self._file = blank_description()
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("std", torch.ones(in_channels))
        self.register_buffer("threshold", torch.tensor([0.5, 0.5]))
        self.register_buffer("class_weights", torch.ones(self.head.n_weights))
        self.register_buffer("quarter_turns", torch.tensor(quarter_turns))
        self.register_buffer("blind", torch.tensor(True))
        self.register_buffer("overlap", torch.tensor([0.4, 0.4]))
        self.register_buffer("image_mode", torch.tensor(normalisation == "image"))
        self.by_image = normalisation == "image"  # the same, for exporters: none takes a branch on a tensor
        know_domain(self)
        self.register_buffer(KEY, encode_description(describe_network(self, self._file)))

    @property
    def rays(self) -> Tensor:
        """Directions of a StarDist head, ``(n_rays, spatial_dims)``; of another head ``(0, spatial_dims)``."""
        rays = self.head.rays
        return torch.zeros(0, self.spatial_dims) if rays is None else rays

    @property
    def architecture(self) -> dict[str, Any]:
        """Arguments that build the network, by name; without the head."""
        return describe_architecture(self, NORMALISATIONS)

    @property
    def training_info(self) -> dict[str, Any]:
        """What the file tells of the training: settings, data, scores; anything JSON can hold."""
        return dict(self._file["training"])

    @training_info.setter
    def training_info(self, info: Mapping[str, Any]) -> None:
        self._tell("training", info)

    @property
    def domain(self) -> dict[str, Any]:
        """What the file tells of the images it was trained on, see :func:`~monai_denoiseg.networks.domain.describe_domain`."""
        return dict(self._file.get("domain", {}))

    @domain.setter
    def domain(self, fields: Mapping[str, Any]) -> None:
        self._tell("domain", fields)
        know_domain(self)

    @torch.jit.unused
    def _tell(self, key: str, fields: Mapping[str, Any]) -> None:
        file = self._file | {key: dict(fields)}
        encode_description(describe_network(self, file))  # too long: say so now, not after the training
        self._file = file
        self._write_description()

    @torch.jit.unused
    def set_rule(self, rule: Any) -> None:
        """Store the rule (:meth:`Head.make_rule`) the thresholds are searched with; one that no file could hold is left out."""
        self.head = self.head.with_rule(rule)
        self._write_description()

    @torch.jit.unused
    def labels(self, prediction: Any, threshold: float | None = None, spacing: Any = None) -> Any:
        """Labels ``(1, [D,] H, W)`` of one image, by the file's rule and threshold: what inference writes.

        Args:
            prediction: ``(n_classes + C, [D,] H, W)``: what the inferer gives, without batch axis.
            threshold: None takes the network's.
            spacing: voxel size along each axis, where known.
        """
        return rule_of(self, threshold=threshold)(prediction[: self.n_classes], spacing=spacing)

    @torch.jit.unused
    def _write_description(self) -> None:
        with torch.no_grad():
            self.description.copy_(encode_description(describe_network(self, self._file)))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store the training data's mean and standard deviation, ``(in_channels,)``, see :func:`check_statistics`."""
        mean, std = check_statistics(mean, std, self.in_channels)
        self.mean.copy_(mean)
        self.std.copy_(std)

    def set_class_weights(self, weights: Tensor | Sequence[float]) -> None:
        """Tell the network the class weights of its training loss, which evaluation mode undoes, see :func:`usable_weights`."""
        self.class_weights.copy_(usable_weights(weights, len(self.class_weights)))

    @torch.jit.export
    def intensity(self, image: Tensor) -> Tensor:
        """Offset and scale ``(B, 2, C)`` of each whole image ``(B, C, [D,] H, W)``: what ``forward`` normalises with."""
        if self.by_image:
            return robust_moments(image, window=self.window)
        return torch.stack([self.mean, self.std]).unsqueeze(0).expand(image.shape[0], 2, self.in_channels)

    def forward(self, image: Tensor, intensity: Optional[Tensor] = None) -> Tensor:  # noqa: UP045 (TorchScript)
        """Segment and denoise.

        Args:
            image: ``(B, C, [D,] H, W)``, raw intensities, any size.
            intensity: ``(B, 2, C)`` or ``(1, 2, C)`` from :meth:`intensity` of the whole images (``"image"``), or None.

        Returns:
            ``(B, n_classes + C, [D,] H, W)``: the head's channels (class logits: those of the loss in training mode, corrected
            for its class weights in evaluation mode), then the denoised image in raw intensities, if the network denoises.

        Raises:
            ValueError: when the number of axes or channels does not fit.
        """
        check_image(image, self.in_channels, self.spatial_dims)
        if intensity is None or not self.by_image:
            intensity = self.intensity(image)
        size = list(image.shape[2:])
        shape = [intensity.shape[0], self.in_channels] + [1] * self.spatial_dims
        offset, scale = intensity[:, 0].reshape(shape), intensity[:, 1].reshape(shape)
        seen, beyond = within(image.to(torch.float32), self.limits)
        x, taken = (seen - offset) / scale, beyond / scale
        if self.bounded and not self.training:
            x, taken = plausible(x, torch.tensor(self.bounds, dtype=x.dtype, device=x.device), taken)
        x = self.unet(reflect_to_multiple(x, self.multiple))
        for axis in range(self.spatial_dims):
            x = x.narrow(axis + 2, 0, size[axis])
        logits: Tensor = x[:, : self.n_classes].to(torch.float32)
        if not self.training:
            logits = self.activation.correct(logits, self.class_weights)  # type: ignore[operator]
        if not self.denoises:
            return logits
        # float() because autocast may hand back bf16, which cannot hold a raw intensity.
        return torch.cat([logits, (x[:, self.n_classes :].to(torch.float32) + taken) * scale + offset], 1)

    @torch.jit.export
    def activate(self, output: Tensor) -> Tensor:
        """Turn the logits of an output into the head's probabilities (of a StarDist head: and distances of at least 0.001)."""
        activated: Tensor = self.activation(output)
        return activated

    @torch.jit.unused
    def logits(self, prediction: Tensor) -> Tensor:
        """Undo :meth:`activate` and the correction for class weights: what the loss takes, from probabilities."""
        undone: Tensor = self.activation.invert(prediction, self.class_weights)  # type: ignore[operator]
        return undone

    @torch.jit.unused
    def square(self) -> bool:
        """Whether Y and X are alike to the network, its strides, kernels and training, so that a quarter turn makes sense."""
        return bool(self.quarter_turns) and self.unet.square()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        self._write_description()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        found, state_dict = present_state(state_dict, prefix)
        if found is not None:
            self.head = matching_head(found, self.architecture, self.head)
            self.flips, self.limits, self.target_spacing, self.target_unit = sight_of(found)
            self._file = blank_description() | found
            know_domain(self)
            state_dict[prefix + KEY] = self.description.clone()
        super()._load_from_state_dict(state_dict, prefix, *args)  # type: ignore[no-untyped-call]
        self.by_image = bool(self.image_mode)
        if found is not None:
            self._write_description()  # of what was loaded, with the thresholds
