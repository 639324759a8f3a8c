"""From labels to tables and files for other programs: measurements, summaries, outlines for QuPath and ImageJ, overlays."""

from __future__ import annotations

from monai_denoiseg.measure.columns import COLUMNS, EXPORTS
from monai_denoiseg.measure.geojson import to_geojson
from monai_denoiseg.measure.objects import measure_labels
from monai_denoiseg.measure.outlines import Shape, trace_shapes
from monai_denoiseg.measure.overlay import draw_overlay
from monai_denoiseg.measure.rois import to_roi_zip
from monai_denoiseg.measure.scale import Scale, scale_of
from monai_denoiseg.measure.summary import summarise_image
from monai_denoiseg.measure.writer import Measurementsd

__all__ = [
    "COLUMNS",
    "EXPORTS",
    "Measurementsd",
    "Scale",
    "Shape",
    "draw_overlay",
    "measure_labels",
    "scale_of",
    "summarise_image",
    "to_geojson",
    "to_roi_zip",
    "trace_shapes",
]
