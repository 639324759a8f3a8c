"""The pictures of the page: best, median and worst image."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from monai_denoiseg import pictures
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.report.classes import class_legend
from monai_denoiseg.report.run_folder import Example, RunFolder, class_names, column, number
from monai_denoiseg.report.sections import same_image
from monai_denoiseg.report.task import task_of

FOREGROUND_CSS, BORDER_CSS = (
    f"rgb({', '.join(str(round(255 * part)) for part in colour)})" for colour in pictures.CLASS_COLOURS[1:]
)

CAPTIONS = {
    "input": "<b>Input</b>, as recorded",
    "denoised": "<b>Denoised</b> by the network",
    "residual": "<b>Input minus denoised</b>: what was removed. Visible structure here would be signal lost",
    "clean": "<b>Clean reference</b>, never shown to the network",
    "probabilities": "<b>Class probabilities</b>"
    f'<span class="swatch" style="--colour:{FOREGROUND_CSS}">object</span>'
    f'<span class="swatch" style="--colour:{BORDER_CSS}">border</span>',
    "instances": "<b>Objects found</b>",
    "classes": "<b>Classes found</b>",
    "truth": "<b>Annotation</b>",
}

_SCORES = (("AP", "ap", ".2f", ""), ("SEG", "seg", ".2f", ""), ("Dice", "dice", ".2f", ""), ("PSNR", "psnr", ".1f", " dB"))


def example_panels(run: RunFolder) -> str:
    """Show the best, the median and the worst image.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> image = np.zeros((1, 8, 8))
    >>> example_panels(RunFolder(Path("run"), examples=[Example("best", "cell", {"input": image})])).count("<img")
    1
    """
    panels = "".join(_panel(run, example) for example in run.examples)
    if not panels:
        return ""
    shown = " and ".join(filter(None, [", ".join(e.rank for e in run.examples[:-1]), run.examples[-1].rank]))
    volume = any(example.arrays and example.arrays["input"].ndim == 4 for example in run.examples)
    lead = f"The {shown} image{_ranked(run)}."
    if any("denoised" in example.arrays or not example.arrays for example in run.examples):
        lead += " Grey values of input, denoised and clean image are shown on one scale."
    if volume:
        lead += (
            " Volumes are shown by three planes (XY, YZ on its right, XZ below), in the proportions of the voxels if their size "
            "is known. All pictures of a volume are cut through the same voxel: inside the largest object of the slice with most "
            "annotation, else prediction; in the middle where there is neither."
        )
    if any(_partial(example) for example in run.examples):
        lead += " Hatched parts are not annotated."
    return f'<section><h2>What it looks like</h2><p class="soft">{lead}</p>{panels}</section>'


def _ranked(run: RunFolder) -> str:
    for name, key, *_ in _SCORES:
        if np.isfinite(column(run.images, key)).any():
            return f" by {name}"
    return "" if task_of(run).segments else " by how little neighbouring values of what was removed are correlated"


def _panel(run: RunFolder, example: Example) -> str:
    row = next((row for row in run.images if same_image(str(row.get("image") or ""), example.name)), {})
    scores = [(name, number(row.get(key)), form, unit) for name, key, form, unit in _SCORES]
    text = " · ".join(f"{name} {value:{form}}{unit}" for name, value, form, unit in scores if np.isfinite(value))
    tag = f'<span class="tag">{example.rank}</span>'
    head = f'<div class="head">{tag}<h3>{escape(example.name)}</h3><span class="soft">{text}</span></div>'
    if not example.arrays:
        return f'<div class="panel">{head}{_image(example.strip, f"pictures of {example.name}")}</div>'
    point = pictures.cut_point(example.arrays)
    drawn = pictures.panel_images(example.arrays, point=point)
    names = class_names(run) if "classes" in example.arrays else []
    made = (_figure(picture, _caption(example, name, names), f"{name} of {example.name}") for name, picture in drawn.items())
    return f'<div class="panel">{head}{_planes(example, point)}<div class="pictures">{"".join(made)}</div></div>'


def _planes(example: Example, point: tuple[int, ...]) -> str:
    if len(point) == 2:
        return ""
    size = example.arrays["input"].shape[1:]
    place = ", ".join(f"{axis} {index + 1} of {length}" for axis, index, length in zip("ZYX", point, size, strict=True))
    scale = pictures.axis_scale(example.arrays.get("spacing"), 3)
    stretched = [f"{axis} × {factor:.3g}" for axis, factor in zip("ZYX", scale, strict=True) if factor > 1.001]
    voxels = f"; voxels stretched {', '.join(stretched)}" if stretched else ""
    return f'<p class="soft">Planes through {place}{voxels}.</p>'


def _caption(example: Example, name: str, names: list[str]) -> str:
    if "classes" in example.arrays:
        if name == "probabilities":
            return f"<b>Class probabilities</b>{class_legend(names)}"
        return CAPTIONS[name] + (", laid over the input" if name in ("classes", "truth") else "")
    if name == "probabilities" and len(example.arrays[name]) == 1:
        return "<b>Probability</b> of an object"
    if name not in ("instances", "truth"):
        return CAPTIONS[name]
    values = np.unique(example.arrays[name])
    return f"{CAPTIONS[name]}: {np.count_nonzero(values > 0)}, outlined over the input"


def _partial(example: Example) -> bool:
    return "truth" in example.arrays and bool((example.arrays["truth"] == IGNORE).any())


def _figure(picture: pictures.Picture, caption: str, alt: str) -> str:
    return f"<figure>{_image(pictures.to_png_bytes(picture), alt)}<figcaption>{caption}</figcaption></figure>"


def _image(png: bytes, alt: str) -> str:
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}">'
