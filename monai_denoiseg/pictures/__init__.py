"""Arrays to pictures: grey values, class probabilities and outlined objects as RGB, 3D volumes as three orthogonal planes.

A *picture* is a uint8 array ``(H, W, 3)``; curves are drawn as SVG. Everything here is for looking at, nothing for measuring.
"""

from __future__ import annotations

from monai_denoiseg.pictures.charts import Line, chart_file, line_chart
from monai_denoiseg.pictures.colours import CLASS_COLOURS, Picture, class_colours, colour_labels, probabilities_to_rgb
from monai_denoiseg.pictures.intensities import contrast_window, to_rgb
from monai_denoiseg.pictures.overlays import hatch, overlay_classes, overlay_outlines
from monai_denoiseg.pictures.panels import join_panels, panel_images, to_png_bytes
from monai_denoiseg.pictures.planes import GAP, axis_scale, cut_planes, cut_point, join_planes, stretch

__all__ = [
    "CLASS_COLOURS",
    "GAP",
    "Line",
    "Picture",
    "axis_scale",
    "chart_file",
    "class_colours",
    "colour_labels",
    "contrast_window",
    "cut_planes",
    "cut_point",
    "hatch",
    "join_panels",
    "join_planes",
    "line_chart",
    "overlay_classes",
    "overlay_outlines",
    "panel_images",
    "probabilities_to_rgb",
    "stretch",
    "to_png_bytes",
    "to_rgb",
]
