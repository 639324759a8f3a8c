"""DICOM: series in, segmentations out. Needs the extra ``dicom``."""

from monai_denoiseg.data.dicom.chosen import prefix_of, whole_series
from monai_denoiseg.data.dicom.files import DICOM_SUFFIX, holds_dicom, holds_one_image, is_dicom
from monai_denoiseg.data.dicom.read import dicom_axes, dicom_layout, read_dicom
from monai_denoiseg.data.dicom.seg import write_seg
from monai_denoiseg.data.dicom.simulate import simulate_series

__all__ = [
    "DICOM_SUFFIX",
    "dicom_axes",
    "dicom_layout",
    "holds_dicom",
    "holds_one_image",
    "is_dicom",
    "prefix_of",
    "read_dicom",
    "simulate_series",
    "whole_series",
    "write_seg",
]
