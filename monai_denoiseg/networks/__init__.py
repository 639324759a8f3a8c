"""Networks: the CARE U-Net, its N2V2 variant, and the wrapper that carries normalisation and threshold."""

from monai_denoiseg.networks.architecture import describe_architecture, encode_architecture
from monai_denoiseg.networks.class_names import check_classes, decode_names, encode_names
from monai_denoiseg.networks.classic import ClassicNet
from monai_denoiseg.networks.classic_denoise import (
    HSearch,
    denoise_bm3d,
    denoise_mean,
    denoise_median,
    denoise_nlm,
    noise_sigma,
    search_h,
)
from monai_denoiseg.networks.classic_segment import segment_chan_vese, segment_otsu
from monai_denoiseg.networks.denoiseg_net import DenoiSegNet
from monai_denoiseg.networks.from_file import decision_overlap, decision_threshold, load_network, load_weights, network_for_file
from monai_denoiseg.networks.head import check_rays, count_channels
from monai_denoiseg.networks.padding import reflect_to_multiple
from monai_denoiseg.networks.plan import Plan, plan_for_spacing, resolve_plan
from monai_denoiseg.networks.sequential import SequentialNet, is_sequential
from monai_denoiseg.networks.two_stage import joined_network, load_denoiser, start_network
from monai_denoiseg.networks.unet import BlurPool, CAREUNet, level_kernels, level_strides

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
    "decision_overlap",
    "decision_threshold",
    "decode_names",
    "denoise_bm3d",
    "denoise_mean",
    "denoise_median",
    "denoise_nlm",
    "describe_architecture",
    "encode_architecture",
    "encode_names",
    "is_sequential",
    "joined_network",
    "level_kernels",
    "level_strides",
    "load_denoiser",
    "load_network",
    "load_weights",
    "network_for_file",
    "noise_sigma",
    "plan_for_spacing",
    "reflect_to_multiple",
    "resolve_plan",
    "search_h",
    "segment_chan_vese",
    "segment_otsu",
    "start_network",
]
