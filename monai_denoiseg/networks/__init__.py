"""Networks: the CARE U-Net, its N2V2 variant, and the wrapper that carries normalisation and threshold."""

from monai_denoiseg.heads import decision_overlap, decision_threshold
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
from monai_denoiseg.networks.description import decode_description, encode_description
from monai_denoiseg.networks.from_file import load_network, load_weights, network_for_file, read_state
from monai_denoiseg.networks.padding import reflect_to_multiple
from monai_denoiseg.networks.plan import Plan, plan_for_spacing, resolve_plan
from monai_denoiseg.networks.prepare import prepare_network
from monai_denoiseg.networks.protocol import Network, own_network
from monai_denoiseg.networks.sequential import SequentialNet, is_sequential
from monai_denoiseg.networks.two_stage import joined_network, load_denoiser, start_network
from monai_denoiseg.networks.unet import BlurPool, CAREUNet, level_kernels, level_strides

__all__ = [
    "BlurPool",
    "CAREUNet",
    "ClassicNet",
    "DenoiSegNet",
    "HSearch",
    "Network",
    "Plan",
    "SequentialNet",
    "decision_overlap",
    "decision_threshold",
    "decode_description",
    "denoise_bm3d",
    "denoise_mean",
    "denoise_median",
    "denoise_nlm",
    "encode_description",
    "is_sequential",
    "joined_network",
    "level_kernels",
    "level_strides",
    "load_denoiser",
    "load_network",
    "load_weights",
    "network_for_file",
    "noise_sigma",
    "own_network",
    "plan_for_spacing",
    "prepare_network",
    "read_state",
    "reflect_to_multiple",
    "resolve_plan",
    "search_h",
    "segment_chan_vese",
    "segment_otsu",
    "start_network",
]
