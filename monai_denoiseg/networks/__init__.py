"""Networks: the CARE U-Net, its N2V2 variant, and the wrapper that carries normalisation and threshold."""

from .architecture import describe_architecture, encode_architecture
from .class_names import check_classes, decode_names, encode_names
from .denoiseg_net import DenoiSegNet, network_for_file
from .padding import reflect_to_multiple
from .plan import Plan, plan_for_spacing, resolve_plan
from .unet import BlurPool, CAREUNet, level_kernels, level_strides

__all__ = [
    "BlurPool",
    "CAREUNet",
    "DenoiSegNet",
    "Plan",
    "check_classes",
    "decode_names",
    "describe_architecture",
    "encode_architecture",
    "encode_names",
    "level_kernels",
    "level_strides",
    "network_for_file",
    "plan_for_spacing",
    "reflect_to_multiple",
    "resolve_plan",
]
