"""The network users meet: raw intensities in, class logits and a denoised image in raw intensities out."""

# No "from __future__ import annotations": TorchScript reads the class annotations as types.

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, cast

import torch
from torch import Tensor, nn

from ..checks import check_int, check_option
from ..constants import CLASSES
from ..intensity import robust_moments
from .architecture import describe_architecture, encode_architecture
from .class_names import check_classes, decode_names, encode_names
from .padding import reflect_to_multiple
from .unet import CAREUNet

NORMALISATIONS = ("dataset", "image")


class DenoiSegNet(nn.Module):
    """U-Net with everything inference needs in its state dict: weights, normalisation and decision threshold.

    Output channels are ``[background, foreground, border, denoised...]``: class logits first, so that channel index equals
    label value, then one denoised channel per input channel in the unit of the input. Any size works: the input is padded by
    reflection and the output cropped back.

    With ``classes`` the network tells semantic classes (organs) apart instead of objects: one channel for each, named in the
    state dict too.

    Normalisation is one of two modes, and the mode travels in the state dict:

    * ``"dataset"``: mean and standard deviation of the training images (:meth:`set_statistics`).
    * ``"image"``: mean and deviation of each *whole* image, few outliers aside. Tiles and crops must be given the numbers of the
      image they come from (``intensity=net.intensity(image)``); without it they are taken from the input itself.

    In evaluation mode the class logits are corrected for the class weights of the training loss (:meth:`set_class_weights`), so
    that their softmax estimates true probabilities: a border weighted five times would else swell into the objects.

    The buffer ``threshold`` holds two foreground probabilities above which a voxel belongs to an object: best AP, best SEG.
    Semantic classes need none: the most probable one is taken.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        n_classes: segmentation classes; by default as many as ``classes``, else 3 for background, foreground, border; 0 only
            denoises.
        depth: number of down-samplings of the U-Net.
        features: channels of its first level.
        kernel_size: odd edge of the convolutions, see :class:`CAREUNet`.
        strides: down-sampling, see :class:`CAREUNet`.
        norm: ``"batch"`` or ``"none"``.
        variant: ``"care"`` (paper) or ``"n2v2"``.
        normalisation: ``"dataset"`` or ``"image"``.
        classes: names of semantic classes in the order of the label values, background first; None for instances. The
            attribute ``classes`` is a list, empty for instances.

    Raises:
        ValueError: when an argument is out of range, or ``n_classes`` is not the number of ``classes``.

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
    architecture: Tensor
    class_names: Tensor
    classes: list[str]
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
    ) -> None:
        super().__init__()
        self.classes = check_classes(classes)
        n_classes = _count_classes(n_classes, self.classes)
        check_option("normalisation", normalisation, NORMALISATIONS)
        self.unet = CAREUNet(
            spatial_dims,
            in_channels,
            n_classes + in_channels,
            depth=depth,
            features=features,
            kernel_size=kernel_size,
            strides=strides,
            norm=norm,
            variant=variant,
        )
        self.spatial_dims, self.in_channels, self.n_classes = spatial_dims, in_channels, n_classes
        self.multiple, self.receptive_radius = self.unet.multiple(), self.unet.receptive_radius()
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("std", torch.ones(in_channels))
        self.register_buffer("threshold", torch.tensor([0.5, 0.5]))
        self.register_buffer("class_weights", torch.ones(n_classes))
        self.register_buffer("image_mode", torch.tensor(normalisation == "image"))
        self.register_buffer("class_names", encode_names(self.classes))
        plan = (spatial_dims, in_channels, n_classes, depth, features, norm, variant, self.unet.kernels, self.unet.strides)
        self.register_buffer("architecture", encode_architecture(*plan))

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
        if values.shape != (self.n_classes,):
            raise ValueError(f"`class_weights` needs {self.n_classes} values (one a class), got shape {tuple(values.shape)}")
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
            in evaluation mode), then the denoised image in raw intensities.

        Raises:
            ValueError: when the number of axes or channels does not fit.
        """
        if image.dim() != self.spatial_dims + 2 or image.shape[1] != self.in_channels:
            raise ValueError(
                f"the network takes (batch, {self.in_channels} channel(s), {self.spatial_dims} spatial axes), "
                f"got shape {list(image.shape)}"
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
        # float() because autocast may hand back bf16, which cannot hold a raw intensity.
        denoised = x[:, self.n_classes :].to(torch.float32) * scale + offset
        logits = x[:, : self.n_classes].to(torch.float32)
        if not self.training:
            logits = logits - self.class_weights.log().reshape([1, self.n_classes] + [1] * self.spatial_dims)
        return torch.cat([logits, denoised], 1)

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
        super()._load_from_state_dict(state_dict, prefix, *args)  # type: ignore[no-untyped-call]


def _count_classes(n_classes: int | None, classes: Sequence[str]) -> int:
    if n_classes is None:
        return len(classes) or len(CLASSES)
    check_int("n_classes", n_classes, 0)
    if classes and n_classes != len(classes):
        raise ValueError(
            f"`n_classes` is {n_classes}, but `classes` names {len(classes)}: {', '.join(classes)}; leave `n_classes` out"
        )
    return n_classes


def network_for_file(path: str | Path, **defaults: Any) -> DenoiSegNet:
    """Build the network a ``model.pt`` was saved from (its weights are not loaded yet).

    A bundle's ``network_def`` calls this, so that inference needs no other settings than the file. Without the file the network
    is built from ``defaults``: loading the weights will then say what is missing.

    Args:
        path: a state dict saved by the trainer (``model.pt``).
        defaults: arguments of :class:`DenoiSegNet` for a path that does not exist yet.

    Raises:
        ValueError: when the file exists, but holds no :class:`DenoiSegNet`.

    >>> network_for_file("missing.pt", spatial_dims=2, depth=1, features=4).spatial_dims
    2
    """
    if not Path(path).is_file():
        return DenoiSegNet(**defaults)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # depending on the first bytes anything from KeyError to OSError
        raise ValueError(f"{path} is no PyTorch file or is damaged; give the trainer's model.pt") from error
    if not isinstance(state, Mapping) or "architecture" not in state:
        raise ValueError(f"{path} holds no DenoiSegNet state dict (key 'architecture' missing); give the trainer's model.pt")
    plan = describe_architecture(cast(Tensor, state["architecture"]))
    names = decode_names(state["class_names"]) if "class_names" in state else []
    return DenoiSegNet(**plan, normalisation="image" if bool(state["image_mode"]) else "dataset", classes=names)
