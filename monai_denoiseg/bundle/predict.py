"""One array in, labels and denoised image out: what ``infer`` gives, in Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from monai_denoiseg.bundle.folders import bundle_folder, trained_in
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.engines.at_spacing import spacing_for
from monai_denoiseg.engines.domain_check import DomainCheck
from monai_denoiseg.heads import rule_of
from monai_denoiseg.networks import load_network


class Prediction(NamedTuple):
    """What a network makes of an image.

    Attributes:
        labels: ``([D,] H, W)`` integers: objects by number, or classes; None for a network that only denoises.
        denoised: as the image, in its intensities; None for a network that only segments.
        probabilities: ``(K, [D,] H, W)`` of the network's segmentation channels.
    """

    labels: NDArray[Any] | None
    denoised: NDArray[np.float32] | None
    probabilities: NDArray[np.float32]


def predict(image: ArrayLike, network: Any = None, *, spacing: Any = None, unit: str | None = None, **options: Any) -> Prediction:
    """Predict an image as ``monai-denoiseg infer`` does, with the defaults of its bundle and the rule of the network.

    Args:
        image: ``([D,] H, W)``, or channel-first ``(C, [D,] H, W)`` for a network of several channels.
        network: folder of a training, ``model.pt``, or a network; None: the nuclei network that came with the package (2D).
        spacing: voxel size along each axis, for a rule in physical units and a network that was trained at one voxel size.
        unit: of the voxel size, such as ``"um"``; None: unknown, numbers are compared as they are.
        options: of :class:`~monai_denoiseg.engines.DenoiSegInferer` (``tile_size``, ``tta``, ``refine``), ``threshold`` and
            options of the rule (see :func:`~monai_denoiseg.heads.rule_of`).

    Returns:
        :class:`Prediction`. In float32, as ``infer --amp off``; an image unlike those of the training is warned of.

    Raises:
        FileNotFoundError: when there is no such network.
        ValueError: for an image of other axes or channels, one that is not finite, or a wrong option.

    >>> labels, denoised, _ = predict(np.zeros((20, 30)), tta=False)
    >>> labels.shape, denoised.dtype
    ((20, 30), dtype('float32'))
    """
    net = _network(network)
    batch = _batch(image, net.spatial_dims, net.in_channels)
    inferer = DenoiSegInferer(**_defaults(net.spatial_dims) | {key: options.pop(key) for key in INFERER if key in options})
    rule = rule_of(net, **options) if net.n_classes else None
    output = inferer(batch, net, **spacing_for(net, {"spacing": spacing, "unit": unit}, "the image"))[0]
    domain = DomainCheck(net)
    domain.add("the image", batch[0])
    domain.report()
    probabilities, denoised = output[: net.n_classes], output[net.n_classes :].numpy()
    labels = None if rule is None else np.asarray(rule(probabilities, spacing=spacing))[0]
    shape = np.asarray(image).shape
    return Prediction(labels, denoised.reshape(shape) if net.denoises else None, probabilities.numpy())


INFERER = ("tile_size", "tta", "refine")
"""Options of :class:`~monai_denoiseg.engines.DenoiSegInferer` that :func:`predict` takes."""


def _defaults(spatial_dims: int) -> dict[str, Any]:
    config = json.loads((bundle_folder(f"denoiseg_{spatial_dims}d") / "configs" / "inference.json").read_text("utf-8"))
    return {key: config[key] for key in INFERER}


def _network(network: Any) -> Any:
    if network is None:
        return load_network(bundle_folder("denoiseg_2d") / "models" / "model.pt")
    if isinstance(network, (str, Path)):
        return load_network(trained_in(network) if Path(network).is_dir() else network)
    return network.eval()


def _batch(image: ArrayLike, spatial_dims: int, channels: int) -> torch.Tensor:
    array = np.asarray(image)
    if array.ndim == spatial_dims:
        array = array[None]
    if array.ndim != spatial_dims + 1 or len(array) != channels or array.dtype.kind not in "biuf":
        axes = "D, H, W" if spatial_dims == 3 else "H, W"
        wanted = f"({axes})" if channels == 1 else f"({channels}, {axes})"
        raise ValueError(f"`image` must be numbers {wanted} for this network, got {array.dtype} {np.asarray(image).shape}")
    batch = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[None]
    if not bool(batch.isfinite().all()):
        raise ValueError("`image` holds NaN or infinite values: replace them, for instance by numpy.nan_to_num")
    return batch
