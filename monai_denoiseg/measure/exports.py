"""Files for other programs, written for each image when all of its frames are there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_denoiseg.checks import check_option
from monai_denoiseg.data.save import output_stem
from monai_denoiseg.files import ResultSet, write_bytes, write_text
from monai_denoiseg.measure.columns import EXPORTS
from monai_denoiseg.measure.geojson import to_geojson
from monai_denoiseg.measure.outlines import Shape, trace_shapes
from monai_denoiseg.measure.overlay import draw_overlay
from monai_denoiseg.measure.rois import to_roi_zip

if TYPE_CHECKING:
    import pandas as pd

_ENDINGS = {"geojson": ".geojson", "roi": "_rois.zip", "overlay": "_overlay.png"}


def check_exports(export: Sequence[str] | str | None) -> list[str]:
    """Return what to export as a list.

    Args:
        export: names of :data:`~monai_denoiseg.measure.EXPORTS`; None: nothing.

    Raises:
        ValueError: for an unknown name.

    >>> check_exports("roi"), check_exports(None)
    (['roi'], [])
    """
    words = [export] if isinstance(export, str) else list(export or [])
    return [check_option("export", word, EXPORTS) for word in words]


class Exports:
    """Collect the objects of an image, frame by frame, and write its files.

    Args:
        output_dir: folder of the results.
        kinds: see :func:`check_exports`.
        classes: names of semantic classes; empty for objects.

    >>> Exports("out", ["roi"], []).targets("cells")
    [PosixPath('out/cells_rois.zip')]
    """

    def __init__(self, output_dir: str | Path, kinds: Sequence[str], classes: Sequence[str]) -> None:
        self.output_dir, self.kinds, self.classes = Path(output_dir), list(kinds), list(classes)
        self._shapes: list[tuple[int, Shape]] = []
        self._figures: dict[tuple[int, int], dict[str, float]] = {}
        self._pictures: dict[str, bytes] = {}

    def targets(self, stem: str) -> list[Path]:
        """The files of an image; of a time series the pictures have the number of their frame besides.

        Args:
            stem: see :func:`~monai_denoiseg.data.output_stem`.
        """
        return [self.output_dir / f"{stem}{_ENDINGS[kind]}" for kind in self.kinds]

    def others(self, stem: str) -> list[Path]:
        """The files of an image that are not asked for, and may be there from earlier.

        Args:
            stem: see :func:`~monai_denoiseg.data.output_stem`.
        """
        return [self.output_dir / f"{stem}{ending}" for kind, ending in _ENDINGS.items() if kind not in self.kinds]

    @staticmethod
    def record(stem: str) -> str:
        """Name of the set of exports of an image."""
        return f"export-{stem}"

    def add(
        self,
        source: str,
        item: Mapping[Hashable, Any],
        labels: Any,
        image: Any,
        spacing: Any,
        rows: pd.DataFrame | None,
    ) -> None:
        """Take a frame, and write the files with the last one.

        Args:
            source: the image file.
            item: ``frame`` and ``frames`` of a time series.
            labels: ``([D,] H, W)``.
            image: ``(C, [D,] H, W)``, what the overlay shows.
            spacing: voxel size.
            rows: measurements.
        """
        if not self.kinds:
            return
        several = int(item.get("frames", 0))  # type: ignore[call-overload]
        frame = int(item["frame"]) if several else 0  # type: ignore[index]
        if not frame:
            self._shapes, self._figures, self._pictures = [], {}, {}
        stem = output_stem(source, None if several else item.get("frame"))  # type: ignore[arg-type]
        if {"geojson", "roi"} & {*self.kinds}:
            self._shapes += [(frame, shape) for shape in trace_shapes(labels)]
        if labels.ndim == 2 and rows is not None and "geojson" in self.kinds:
            self._figures |= _figures(rows, frame)
        if "overlay" in self.kinds:
            name = output_stem(source, frame) if several else stem
            self._pictures[name] = draw_overlay(image, labels, spacing=spacing, classes=self.classes)
        if frame + 1 >= several:
            self._write(stem, source, volume=labels.ndim == 3)

    def _write(self, stem: str, source: str, volume: bool) -> None:
        with ResultSet(self.output_dir, self.record(stem), source) as results:
            for kind, target in zip(self.kinds, self.targets(stem), strict=True):
                if kind == "geojson":
                    text = to_geojson(self._shapes, classes=self.classes, measurements=self._figures, name=stem)
                    write_text(text, results.add(target))
                elif kind == "roi":
                    write_bytes(to_roi_zip(self._shapes, classes=self.classes, volume=volume), results.add(target))
            for name, picture in self._pictures.items():
                write_bytes(picture, results.add(self.output_dir / f"{name}{_ENDINGS['overlay']}"))
        self._shapes, self._figures, self._pictures = [], {}, {}


def _figures(rows: pd.DataFrame, frame: int) -> dict[tuple[int, int], dict[str, float]]:
    """Numbers of each object, for programs that show them."""
    plain = rows.select_dtypes("number").drop(columns=["label", "frame"], errors="ignore")
    records = plain.to_dict("records")
    return {(frame, int(label)): record for label, record in zip(rows["label"], records, strict=True)}  # type: ignore[misc]
