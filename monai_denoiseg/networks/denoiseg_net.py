"""The network users meet: raw intensities in, class logits and a denoised image in raw intensities out."""

# No "from __future__ import annotations": TorchScript reads the class annotations as types.

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_option
from monai_denoiseg.intensity import robust_moments
from monai_denoiseg.networks.architecture import describe_architecture, encode_architecture
from monai_denoiseg.networks.class_names import check_classes, decode_names, encode_names
from monai_denoiseg.networks.head import check_rays, count_channels
from monai_denoiseg.networks.padding import reflect_to_multiple
from monai_denoiseg.networks.unet import CAREUNet

NORMALISATIONS = ("dataset", "image")
HEAD_WIDENING = 4
"""A StarDist head has a convolution before it of this many times the first level's channels (StarDist: 128 on 32)."""


class DenoiSegNet(nn.Module):
    """U-Net with everything inference needs in its state dict: weights, normalisation and decision threshold.

    Output channels are ``[background, foreground, border, denoised...]``: class logits first, so that channel index equals
    label value, then one denoised channel per input channel in the unit of the input. Any size works: the input is padded by
    reflection and the output cropped back.

    The segmentation has one of three heads:

    * ``"classes"``: background, foreground, border; with ``classes`` semantic classes (organs) instead of objects, one channel
      for each, named in the state dict too.
    * ``"stardist"`` (with ``rays``; Schmidt et al. 2018): object probability (a logit), then the distance to the object's border
      along each ray in voxels.
    * ``"none"`` (``n_classes=0``): it only denoises.

    Normalisation is one of two modes, and the mode travels in the state dict:

    * ``"dataset"``: mean and standard deviation of the training images (:meth:`set_statistics`).
    * ``"image"``: mean and deviation of each *whole* image, few outliers aside. Tiles and crops must be given the numbers of the
      image they come from (``intensity=net.intensity(image)``); without it they are taken from the input itself.

    In evaluation mode the class logits are corrected for the class weights of the training loss (:meth:`set_class_weights`), so
    that their softmax estimates true probabilities: a border weighted five times would else swell into the objects.

    The buffer ``threshold`` holds two foreground probabilities above which a voxel belongs to an object: best AP, best SEG;
    ``blind`` (true in a file without it) is false where target images were shown in training: only what does not depend on the
    noise of its own pixel can be refined (:func:`~monai_denoiseg.transforms.refine_denoised`).

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        n_classes: segmentation classes; by default as many as ``classes``, else 3 for background, foreground, border; 0 only
            denoises. The attribute ``n_classes`` counts the segmentation channels: with ``rays`` one and one a ray.
        depth: number of down-samplings of the U-Net.
        features: channels of its first level.
        kernel_size: odd edge of the convolutions, see :class:`CAREUNet`.
        strides: down-sampling, see :class:`CAREUNet`.
        norm: ``"batch"`` or ``"none"``.
        variant: ``"care"`` (paper) or ``"n2v2"``.
        normalisation: ``"dataset"`` or ``"image"``.
        classes: names of semantic classes in the order of the label values, background first; None for instances. The
            attribute ``classes`` is a list, empty for instances.
        rays: directions of a StarDist head in voxels, ``(n_rays, spatial_dims)``, see
            :func:`~monai_denoiseg.transforms.orientation.rays`; None for another head.
        denoises: False gives a network that only segments.
        quarter_turns: False where the noise has a direction (structN2V): test-time augmentation then only flips.

    Raises:
        ValueError: when an argument is out of range, or arguments contradict each other.

    >>> net = DenoiSegNet(2, in_channels=1, depth=2, features=8)
    >>> net(torch.zeros(1, 1, 33, 50)).shape
    torch.Size([1, 4, 33, 50])
    >>> DenoiSegNet(3, depth=1, features=4, classes=["background", "liver"]).n_classes
    2
    """

    mean: Tensor
    std: Tensor
    threshold: Tensor
    class_weights: Tensor
    image_mode: Tensor
    overlap: Tensor
    rays: Tensor
    quarter_turns: Tensor
    blind: Tensor
    architecture: Tensor
    class_names: Tensor
    classes: list[str]
    head: str
    denoises: bool
    multiple: list[int]
    receptive_radius: list[int]

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        n_classes: int | None = None,
        *,
        depth: int = 4,
        features: int = 32,
        kernel_size: int | Sequence[int] | Sequence[Sequence[int]] = 3,
        strides: int | Sequence[int] | Sequence[Sequence[int]] = 2,
        norm: str = "batch",
        variant: str = "care",
        normalisation: str = "dataset",
        classes: Sequence[str] | None = None,
        rays: Any = None,
        denoises: bool = True,
        quarter_turns: bool = True,
    ) -> None:
        super().__init__()
        self.classes = check_classes(classes)
        directions = check_rays(rays, spatial_dims, self.classes)
        n_rays = len(directions)
        n_classes = 0 if n_rays else count_channels(n_classes, self.classes)
        channels = 1 + n_rays if n_rays else n_classes
        if not channels and not denoises:
            raise ValueError("`n_classes` is 0 and `denoises` is False: the network would have no output")
        check_option("normalisation", normalisation, NORMALISATIONS)
        self.unet = CAREUNet(
            spatial_dims,
            in_channels,
            channels + (in_channels if denoises else 0),
            depth=depth,
            features=features,
            kernel_size=kernel_size,
            strides=strides,
            norm=norm,
            variant=variant,
            head_features=HEAD_WIDENING * features if n_rays else 0,
        )
        self.spatial_dims, self.in_channels, self.n_classes = spatial_dims, in_channels, channels
        self.head = "stardist" if n_rays else "classes" if channels else "none"
        self.denoises = denoises
        self.multiple, self.receptive_radius = self.unet.multiple(), self.unet.receptive_radius()
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("std", torch.ones(in_channels))
        self.register_buffer("threshold", torch.tensor([0.5, 0.5]))
        self.register_buffer("class_weights", torch.ones(n_classes))
        self.register_buffer("rays", directions)
        self.register_buffer("quarter_turns", torch.tensor(quarter_turns))
        self.register_buffer("blind", torch.tensor(True))
        self.register_buffer("overlap", torch.tensor([0.4, 0.4]))
        self.register_buffer("image_mode", torch.tensor(normalisation == "image"))
        self.register_buffer("class_names", encode_names(self.classes))
        plan = (spatial_dims, in_channels, n_classes, depth, features, norm, variant, n_rays, denoises)
        self.register_buffer("architecture", encode_architecture(*plan, self.unet.kernels, self.unet.strides))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store the training data's mean and standard deviation, ``(in_channels,)`` each, in raw intensities.

        Raises:
            ValueError: when the number of channels differs, a mean is not finite or a deviation is not positive and finite.

        >>> DenoiSegNet(2, 1, depth=1, features=4).set_statistics(torch.tensor([100.0]), torch.tensor([0.0]))
        Traceback (most recent call last):
            ...
        ValueError: `std` must be positive and finite, got [0.0]
        """
        mean, std = torch.as_tensor(mean, dtype=torch.float32), torch.as_tensor(std, dtype=torch.float32)
        for name, value in (("mean", mean), ("std", std)):
            if value.shape != (self.in_channels,):
                raise ValueError(f"`{name}` needs {self.in_channels} values (one a channel), got shape {tuple(value.shape)}")
        if not bool(torch.isfinite(mean).all()):
            raise ValueError(f"`mean` must be finite, got {mean.tolist()}")
        if not bool((torch.isfinite(std) & (std > 0)).all()):
            raise ValueError(f"`std` must be positive and finite, got {std.tolist()}")
        self.mean.copy_(mean)
        self.std.copy_(std)

    def set_class_weights(self, weights: Tensor | Sequence[float]) -> None:
        """Tell the network the class weights of its training loss, which evaluation mode then undoes.

        The weighted cross entropy is least for ``p_k = w_k q_k / sum(w q)`` where ``q`` are the true class probabilities;
        dividing by ``w`` gives ``q`` back. (A class of weight 0 is never learnt and left alone.)

        Args:
            weights: one number a class, not negative.

        Raises:
            ValueError: when there is not one weight a class.

        >>> net = DenoiSegNet(2, depth=1, features=4)
        >>> net.set_class_weights([1, 1, 5])
        >>> image = torch.zeros(1, 1, 8, 8)
        >>> shift = net.train()(image)[0, :3, 0, 0] - net.eval()(image)[0, :3, 0, 0]
        >>> bool(shift[2] != 0)
        True
        """
        values = torch.as_tensor(weights, dtype=torch.float32)
        if values.shape != self.class_weights.shape:
            raise ValueError(
                f"`class_weights` needs {len(self.class_weights)} values (one a class), got shape {tuple(values.shape)}"
            )
        self.class_weights.copy_(torch.where(values > 0, values, torch.ones_like(values)))

    @torch.jit.export
    def intensity(self, image: Tensor) -> Tensor:
        """Offset and scale of each whole image, ``(B, 2, C)``, in its unit: what ``forward`` normalises with.

        Args:
            image: whole images ``(B, C, [D,] H, W)``.
        """
        if bool(self.image_mode):
            return robust_moments(image)
        return torch.stack([self.mean, self.std]).unsqueeze(0).expand(image.shape[0], 2, self.in_channels)

    def forward(self, image: Tensor, intensity: Optional[Tensor] = None) -> Tensor:  # noqa: UP045 (TorchScript)
        """Segment and denoise.

        Args:
            image: ``(B, C, [D,] H, W)``, raw intensities, any size.
            intensity: ``(B, 2, C)`` or ``(1, 2, C)`` from :meth:`intensity` of the whole images; taken from ``image`` if None.
                Only looked at with ``normalisation="image"``.

        Returns:
            ``(B, n_classes + C, [D,] H, W)``: class logits (those of the loss in training mode, corrected for its class weights
            in evaluation mode; for a StarDist head the object logit and the distances), then the denoised image in raw
            intensities, if the network denoises.

        Raises:
            ValueError: when the number of axes or channels does not fit.
        """
        if image.dim() != self.spatial_dims + 2 or image.shape[1] != self.in_channels:
            way_out = ""
            if image.dim() == self.spatial_dims + 2:
                way_out = f": give images of {self.in_channels} channel(s), or train with --in_channels {image.shape[1]}"
            raise ValueError(
                f"the network takes (batch, {self.in_channels} channel(s), {self.spatial_dims} spatial axes), "
                f"got shape {list(image.shape)}" + way_out
            )
        if intensity is None or not bool(self.image_mode):
            intensity = self.intensity(image)
        size = list(image.shape[2:])
        shape = [intensity.shape[0], self.in_channels] + [1] * self.spatial_dims
        offset = intensity[:, 0].reshape(shape)
        scale = intensity[:, 1].reshape(shape)
        x = self.unet(reflect_to_multiple((image.to(torch.float32) - offset) / scale, self.multiple))
        for axis in range(self.spatial_dims):
            x = x.narrow(axis + 2, 0, size[axis])
        logits: Tensor = x[:, : self.n_classes].to(torch.float32)
        if not self.training and self.head == "classes":
            logits = logits - self.class_weights.log().reshape([1, self.n_classes] + [1] * self.spatial_dims)
        if not self.denoises:
            return logits
        # float() because autocast may hand back bf16, which cannot hold a raw intensity.
        return torch.cat([logits, x[:, self.n_classes :].to(torch.float32) * scale + offset], 1)

    @torch.jit.export
    def activate(self, output: Tensor) -> Tensor:
        """Turn the logits of an output into probabilities.

        Args:
            output: what :meth:`forward` returned, ``(B, n_classes + C, [D,] H, W)``.

        Returns:
            The same with class probabilities (softmax), or object probability (sigmoid) and distances of at least 0.001 voxels.
        """
        if self.head == "none":
            return output
        if self.head == "stardist":
            distances = output[:, 1 : self.n_classes].clamp(min=1e-3)  # as StarDist
            return torch.cat([output[:, :1].sigmoid(), distances, output[:, self.n_classes :]], 1)
        return torch.cat([output[:, : self.n_classes].softmax(1), output[:, self.n_classes :]], 1)

    @torch.jit.unused
    def logits(self, prediction: Tensor) -> Tensor:
        """Undo :meth:`activate` and the correction for class weights: what the loss takes, from probabilities."""
        if self.head == "none":
            return prediction
        if self.head == "stardist":
            return torch.cat([prediction[:, :1].logit(1e-6), prediction[:, 1:]], 1)
        weights = self.class_weights.log().reshape([1, self.n_classes] + [1] * self.spatial_dims)
        return torch.cat([prediction[:, : self.n_classes].clamp_min(1e-8).log() + weights, prediction[:, self.n_classes :]], 1)

    @torch.jit.unused
    def square(self) -> bool:
        """Whether Y and X are alike to the network, its strides, kernels and training, so that a quarter turn makes sense."""
        axes = zip(*self.unet.strides, strict=True), zip(*self.unet.kernels, strict=True)
        return bool(self.quarter_turns) and all(len(set(list(values)[-2:])) == 1 for values in axes)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        names = state_dict.get(prefix + "class_names")
        if names is not None and decode_names(names) != self.classes:
            their_names, our_names = decode_names(names) or "none (instances)", self.classes or "none (instances)"
            raise ValueError(
                f"the file's `classes` are {their_names}, the network's {our_names}; build the network with the file's values"
            )
        found = state_dict.get(prefix + "architecture")
        if found is not None and not torch.equal(torch.as_tensor(found).cpu(), self.architecture.cpu()):
            ours, theirs = describe_architecture(self.architecture), describe_architecture(found)
            wrong = [f"{key}={theirs[key]} (network has {ours[key]})" for key in ours if ours[key] != theirs[key]]
            raise ValueError(f"the file holds another network: {', '.join(wrong)}; build the network with the file's values")
        state_dict = {prefix + "blind": torch.tensor(True), **state_dict}
        super()._load_from_state_dict(state_dict, prefix, *args)  # type: ignore[no-untyped-call]
