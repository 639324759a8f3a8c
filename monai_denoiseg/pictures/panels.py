"""All pictures of one image, in the order in which they are viewed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_denoiseg.pictures.colours import CLASS_COLOURS, Picture, class_colours, probabilities_to_rgb
from monai_denoiseg.pictures.intensities import contrast_window, to_rgb
from monai_denoiseg.pictures.overlays import hatch, overlay_classes, overlay_outlines
from monai_denoiseg.pictures.planes import GAP, axis_scale, cut_planes, cut_point, join_planes, stretch

_ORDER = ("input", "denoised", "residual", "clean", "probabilities", "instances", "classes", "truth")


def panel_images(
    arrays: Mapping[str, NDArray], *, point: Sequence[int] | None = None, at_least: int = 384, at_most: int = 768
) -> dict[str, Picture]:
    """Draw all that is known about one image, in the order in which it is viewed.

    Input, denoised and clean image share one contrast window; the residual (input minus denoised) has its own, grey where nothing
    was changed. Objects are outlined over the darkened input, semantic classes laid
    over it in colour; hatching marks what is not annotated. Volumes are shown by three planes through one voxel, in the
    proportions of the voxel size.

    Args:
        arrays: ``input`` ``(C, [D,] H, W)`` and as many as there are of ``denoised``, ``clean`` (same shape),
            ``probabilities`` ``(K, [D,] H, W)`` (K = 1: of an object), ``instances`` or ``classes``, and ``truth``
            ``([D,] H, W)``; ``spacing``, the voxel size along each axis. ``classes`` says that the labels are semantic.
        point: voxel through which volumes are cut; default: that of `cut_point`.
        at_least: small images are enlarged by a whole factor until the longer side is about this long, in pixels.
        at_most: of larger images the part around the point (the middle in 2D) is shown, this long and wide in pixels.

    Returns:
        Pictures by name, in the order input, denoised, residual, clean, probabilities, instances, classes, truth.

    Raises:
        KeyError: when there is no ``input``.

    >>> image = np.random.default_rng(0).normal(size=(1, 16, 20))
    >>> {name: p.shape for name, p in panel_images({"input": image, "instances": np.ones((16, 20), int)}, at_least=40).items()}
    {'input': (32, 40, 3), 'instances': (32, 40, 3)}
    """
    size = arrays["input"].shape[1:]
    point = cut_point(arrays) if point is None else point
    scale = axis_scale(arrays.get("spacing"), len(size))
    part: list[Any] = [_around(centre, length, at_most / s) for centre, length, s in zip(point, size, scale, strict=True)]
    window: tuple[Any, ...] = (..., *part)
    shown = _with_residual({name: arrays[name][window] for name in _ORDER if name in arrays})
    longest = max(length * s for length, s in zip(shown["input"].shape[1:], scale, strict=True))
    factor = max(1, round(at_least / longest))
    within = [centre - kept.start for centre, kept in zip(point, part, strict=True)]
    cut = {name: cut_planes(array, within) for name, array in shown.items()}
    contrast = contrast_window(*(shown[name] for name in ("input", "denoised", "clean") if name in shown))
    draw = _Painter(cut, contrast, _zooms([s * factor for s in scale]), min(factor, 3))
    return {name: join_planes(draw(name)) for name in cut}


class _Painter:
    """Draws the planes of one image, all at the same places and sizes."""

    def __init__(self, cut: Mapping[str, list[NDArray]], window: Any, zooms: list[tuple[float, float]], thickness: int) -> None:
        self.cut, self.window, self.zooms, self.thickness = cut, window, zooms, thickness
        self.semantic = "classes" in cut
        self.residual = _around_zero(cut.get("residual", []))
        n_classes = cut["probabilities"][0].shape[0] if "probabilities" in cut else self._largest() + 1
        self.colours = class_colours(max(n_classes, self._largest() + 1)) if self.semantic else CLASS_COLOURS

    def _largest(self) -> int:
        return max((int(plane.max()) for name in ("classes", "truth") for plane in self.cut.get(name, [])), default=0)

    def __call__(self, name: str) -> list[Picture]:
        return [self._draw(name, i, zoom) for i, zoom in enumerate(self.zooms)]

    def _draw(self, name: str, i: int, zoom: tuple[float, float]) -> Picture:
        plane = self.cut[name][i]
        if name == "probabilities":
            plane = np.concatenate([1 - plane, plane]) if len(plane) == 1 else plane
            return stretch(probabilities_to_rgb(plane, self.colours[: len(plane)]), zoom)
        if name not in ("instances", "classes", "truth"):
            return stretch(to_rgb(plane, self.residual if name == "residual" else self.window), zoom)
        # Enlarged before drawing: the outline is thinner than an enlarged pixel.
        below, label = stretch(to_rgb(self.cut["input"][i], self.window) // 3 * 2, zoom), stretch(plane, zoom)
        if self.semantic:
            drawn = overlay_classes(below, label, self.colours, thickness=self.thickness)
        else:
            drawn = overlay_outlines(below, label, thickness=self.thickness)
        return hatch(drawn, label)


def join_panels(panels: Sequence[Picture]) -> Picture:
    """Set pictures side by side, a white line between them, the smaller ones filled up with white.

    Args:
        panels: at least one picture.

    >>> join_panels([np.zeros((4, 6, 3), np.uint8), np.zeros((8, 6, 3), np.uint8)]).shape
    (8, 16, 3)
    """
    height = max(len(panel) for panel in panels)
    strip = np.full((height, sum(panel.shape[1] + GAP for panel in panels) - GAP, 3), 255, np.uint8)
    left = 0
    for panel in panels:
        strip[: len(panel), left : left + panel.shape[1]] = panel
        left += panel.shape[1] + GAP
    return strip


def to_png_bytes(picture: Picture) -> bytes:
    """Encode a picture as PNG; grey pictures are stored as grey, a third of the size.

    Args:
        picture: uint8 ``(H, W, 3)``.

    >>> to_png_bytes(np.zeros((2, 2, 3), np.uint8))[1:4]
    b'PNG'
    """
    grey = bool((picture == picture[..., :1]).all())
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[..., 0] if grey else picture)).save(stream, "PNG")
    return stream.getvalue()


def _around(centre: int, length: int, at_most: float) -> slice:
    """A window of at most a given number of voxels around an index, within the axis."""
    width = max(1, min(length, int(at_most)))
    start = min(max(0, centre - width // 2), length - width)
    return slice(start, start + width)


def _with_residual(shown: dict[str, NDArray]) -> dict[str, NDArray]:
    """Add input minus denoised image after the denoised image, if there are both."""
    if "denoised" not in shown:
        return shown
    shown = shown | {"residual": shown["input"].astype(np.float64) - shown["denoised"]}
    return {name: shown[name] for name in _ORDER if name in shown}


def _around_zero(planes: Sequence[NDArray]) -> tuple[NDArray, NDArray] | None:
    """Symmetric window of a residual around 0, per channel."""
    if not planes:
        return None
    flat = np.concatenate([np.abs(plane).reshape(len(plane), -1) for plane in planes], axis=1)
    high = contrast_window(flat)[1]
    return -high, high


def _zooms(scale: Sequence[float]) -> list[tuple[float, float]]:
    """Zoom of height and width of each plane of `cut_planes`."""
    if len(scale) == 2:
        return [(scale[0], scale[1])]
    z, y, x = scale
    return [(y, x), (y, z), (z, x)]
