"""Networks: the CARE U-Net, its N2V2 variant, and the wrapper that carries normalisation and threshold."""

from .denoiseg_net import DenoiSegNet, describe_architecture, network_for_file
from .padding import reflect_to_multiple
from .unet import BlurPool, CAREUNet, level_strides

__all__ = [
    "BlurPool",
    "CAREUNet",
    "DenoiSegNet",
    "describe_architecture",
    "level_strides",
    "network_for_file",
    "reflect_to_multiple",
]
