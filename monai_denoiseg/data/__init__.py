"""What comes from disk and goes there: readers and writers, data lists, statistics, balanced batches, simulated images."""

from __future__ import annotations

from monai_denoiseg.data.batches import LabelBalancedBatchSampler, PatchCollate
from monai_denoiseg.data.datalist import folder_datalist, inference_datalist
from monai_denoiseg.data.hand_over import HandOverd
from monai_denoiseg.data.labels import label_to_int
from monai_denoiseg.data.lazy import LazyImage, can_stream, open_lazy
from monai_denoiseg.data.load import LoadItemd
from monai_denoiseg.data.reader import SUPPORTED_SUFFIXES, FileReader, image_layout, image_shape, split_name
from monai_denoiseg.data.save import SavePredictiond, output_stem, smallest_label_type
from monai_denoiseg.data.simulate import SimulatedNuclei, simulate_nuclei, write_simulated
from monai_denoiseg.data.sinks import OmeZarrSink, TiffSink, open_sink
from monai_denoiseg.data.sources import images_datalist, labelled_datalist
from monai_denoiseg.data.split import count_labelled, split_datalist
from monai_denoiseg.data.statistics import intensity_statistics
from monai_denoiseg.data.tiff import TiffReader, TiffWriter

__all__ = [
    "SUPPORTED_SUFFIXES",
    "FileReader",
    "HandOverd",
    "LabelBalancedBatchSampler",
    "LazyImage",
    "LoadItemd",
    "OmeZarrSink",
    "PatchCollate",
    "SavePredictiond",
    "SimulatedNuclei",
    "TiffReader",
    "TiffSink",
    "TiffWriter",
    "can_stream",
    "count_labelled",
    "folder_datalist",
    "image_layout",
    "image_shape",
    "images_datalist",
    "inference_datalist",
    "intensity_statistics",
    "label_to_int",
    "labelled_datalist",
    "open_lazy",
    "open_sink",
    "output_stem",
    "simulate_nuclei",
    "smallest_label_type",
    "split_datalist",
    "split_name",
    "write_simulated",
]
