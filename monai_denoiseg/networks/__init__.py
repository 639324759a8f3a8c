"""Networks: the CARE U-Net, its N2V2 variant, and the wrapper that carries normalisation and threshold."""

from .architecture import describe_architecture, encode_architecture
from .class_names import check_classes, decode_names, encode_names
from .classic import ClassicNet
from .classic_denoise import HSearch, denoise_bm3d, denoise_mean, denoise_median, denoise_nlm, noise_sigma, search_h
from .classic_segment import segment_chan_vese, segment_otsu
from .denoiseg_net import DenoiSegNet
from .from_file import network_for_file
from .head import check_rays, count_channels
from .padding import reflect_to_multiple
from .plan import Plan, plan_for_spacing, resolve_plan
from .sequential import SequentialNet, is_sequential
from .unet import BlurPool, CAREUNet, level_kernels, level_strides

__all__ = [
    "BlurPool",
    "CAREUNet",
    "ClassicNet",
    "DenoiSegNet",
    "HSearch",
    "Plan",
    "SequentialNet",
    "check_classes",
    "check_rays",
    "count_channels",
    "decode_names",
    "denoise_bm3d",
    "denoise_mean",
    "denoise_median",
    "denoise_nlm",
    "describe_architecture",
    "encode_architecture",
    "encode_names",
    "is_sequential",
    "level_kernels",
    "level_strides",
    "network_for_file",
    "noise_sigma",
    "plan_for_spacing",
    "reflect_to_multiple",
    "resolve_plan",
    "search_h",
    "segment_chan_vese",
    "segment_otsu",
]
