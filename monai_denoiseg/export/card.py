"""What an exported network tells of itself."""

from __future__ import annotations

from typing import Any

import monai_denoiseg
from monai_denoiseg.export.module import DENOISED, PROBABILITIES, describe_backbone, output_names
from monai_denoiseg.networks.description import decode_description

STATISTICS = {
    "inside": "Offset and scale of an image are computed inside. Give whole images: a tile would be normalised by itself.",
    "input": "The input `intensity` (B, 2, C) holds offset and scale of the whole image, as `network.intensity` gives them.",
    "training": "Normalised by mean and deviation of the training images, which are constants: tiles are fine.",
}


def describe_export(network: Any, statistics: str) -> dict[str, Any]:
    """What travels with an exported network, by name.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.
        statistics: key of :data:`STATISTICS`.

    Returns:
        ``description`` (that of the model file: architecture, head and rule, thresholds, training), and in words what goes in
        and what comes out.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> describe_export(DenoiSegNet(2, depth=1, features=4), "training")["threshold"]
    {'ap': 0.5, 'seg': 0.5}
    """
    stages = [network.denoiser, network.segmenter] if hasattr(network, "denoiser") else [network]
    for stage in stages:
        stage._write_description()
    described, note = [decode_description(stage.description) for stage in stages], spacing_note(network)
    return {
        "author": "monai_denoiseg",
        "version": monai_denoiseg.__version__,
        "network": describe_backbone(network),
        "input": f"image: float32 {axes_of(network)}, raw intensities, any size, C = {network.in_channels}",
        "output": "; ".join(f"{name}: float32 {_meaning(network, name)}" for name in output_names(network)),
        "statistics": statistics,
        "statistics_note": STATISTICS[statistics],
        "channels": channel_names(network),
        "head": described[-1]["head"],
        "threshold": described[-1]["decision"]["threshold"],
        "nms_overlap": described[-1]["decision"]["nms_overlap"],
        "multiple": list(network.multiple),
        "receptive_radius": list(network.receptive_radius),
        "sees_whole": bool(network.sees_whole),
        "description": described[-1],
        **({"description_denoiser": described[0]} if len(described) > 1 else {}),
        **({"target_spacing": list(network.target_spacing), "target_spacing_note": note} if note else {}),
    }


def spacing_note(network: Any) -> str:
    """What must hold of images for a network that segments at one voxel size, which an exported file cannot see to; else "".

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> spacing_note(DenoiSegNet(2, depth=1, features=4, classes=["background", "liver"], target_spacing=[1.0, 0.5]))[:67]
    'Images must have pixels of 1 x 0.5 ([Z, ]Y, X, in the unit of the t'
    """
    if not (size := wanted_size(network)):
        return ""
    unit = "" if getattr(network, "target_unit", "") else ", in the unit of the training files"
    return (
        f"Images must have {size} ([Z, ]Y, X{unit}): the file does not resample. "
        "Resample others to it before, and the probabilities back; `monai-denoiseg infer` does both."
    )


def wanted_size(network: Any) -> str:
    """The voxel size that a network segments at, in words, with its unit where that is known; "" for any.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> wanted_size(DenoiSegNet(2, depth=1, features=4, classes=["background", "liver"], target_spacing=[1.0, 0.5]))
    'pixels of 1 x 0.5'
    """
    target = getattr(network, "target_spacing", None)
    if not target:
        return ""
    element = "voxels" if network.spatial_dims == 3 else "pixels"
    return f"{element} of {' x '.join(f'{edge:.4g}' for edge in target)} {getattr(network, 'target_unit', '')}".rstrip()


def axes_of(network: Any) -> str:
    """The axes of an image, in words.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> axes_of(DenoiSegNet(3, depth=1, features=4))
    '(B, C, D, H, W)'
    """
    return "(B, C, D, H, W)" if network.spatial_dims == 3 else "(B, C, H, W)"


def channel_names(network: Any) -> dict[str, list[str]]:
    """Names of the channels of each output.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> channel_names(DenoiSegNet(2, depth=1, features=4))
    {'probabilities': ['background', 'foreground', 'border'], 'denoised': ['channel0']}
    """
    found = {PROBABILITIES: network.head.channel_names(), DENOISED: [f"channel{n}" for n in range(network.in_channels)]}
    return {name: found[name] for name in output_names(network)}


def _meaning(network: Any, name: str) -> str:
    axes = axes_of(network)
    if name == DENOISED:
        return f"{axes}, in the intensities of the image"
    kept = network.head.probability_channels
    if kept < network.n_classes:
        return (
            f"{axes.replace('C', 'K')}, object probability, then distances to the border of the object along each ray in voxels"
        )
    return f"{axes.replace('C', 'K')}, probabilities"
