"""Measure what an inference writes, and write the tables when it ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.transforms import SaveImaged, Transform

from monai_denoiseg.data.dicom import prefix_of
from monai_denoiseg.data.save import output_stem
from monai_denoiseg.engines.errors import first_cause
from monai_denoiseg.files import describe_source, foreign_files, refusal
from monai_denoiseg.heads import Head, as_head
from monai_denoiseg.measure.columns import chosen_columns
from monai_denoiseg.measure.exports import Exports, check_exports
from monai_denoiseg.measure.from_files import items_from_files
from monai_denoiseg.measure.objects import measure_labels
from monai_denoiseg.measure.summary import summarise_image
from monai_denoiseg.measure.tables import NAMES, check_tables, write_tables
from monai_denoiseg.units import unit_of

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


class Measurementsd(Transform):
    """Measure the labels of each predicted image; write ``measurements.csv`` and ``summary.csv`` when the inference ends.

    It stands behind :class:`~monai_denoiseg.data.SavePredictiond` and is attached to the
    :class:`~monai_denoiseg.engines.FilePredictor` as a handler, too: that way images that are skipped because they have their
    results, or that were predicted from disk to disk, are measured from their files. So after labels were corrected by hand,
    ``--existing skip`` measures them anew without predicting. Images of more than 2^27 voxels are not measured, with a warning.
    Rows of other images from earlier runs into the same folder stay.

    It counts as one of MONAI's ``SaveImaged``, which servers leave out of a bundle.

    Args:
        output_dir: folder of the results.
        measure: groups of columns, see :func:`~monai_denoiseg.measure.columns.chosen_columns`; None: no tables.
        export: any of ``"geojson"`` (``NAME.geojson``), ``"roi"`` (``NAME_rois.zip``) and ``"overlay"`` (``NAME_overlay.png``).
        head: what the network predicts; None: objects.
        classes: names of semantic classes, background first, where there is no head.
        label_key: key of the labels; an item may lack it, where a network only denoises.

    Raises:
        FileExistsError: (when the inference begins) if a file is in the way that this package did not write.
        ValueError: for an unknown name in ``measure`` or ``export``.

    >>> import tempfile
    >>> from monai.data import MetaTensor
    >>> image = MetaTensor(torch.ones(1, 4, 6), meta={"filename_or_obj": "cells.tif"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     measurements = Measurementsd(folder, ["size"])
    ...     _ = measurements({"image": image, "pred": torch.ones(1, 4, 6).int()})
    ...     _ = measurements.write()
    ...     Path(folder, "measurements.csv").read_text().split()
    ['image,label,structure,area,unit', 'cells.tif,1,object,24,voxel']
    """

    changes_results = False

    def __init__(
        self,
        output_dir: str | os.PathLike,
        measure: Sequence[str] | str | None = "auto",
        export: Sequence[str] | str | None = None,
        head: Head | None = None,
        classes: Sequence[str] | None = None,
        label_key: str = "pred",
    ) -> None:
        self.output_dir, self.measure = Path(output_dir), measure
        self.export = check_exports(export)
        self.head, self.label_key = as_head(head, classes=None if head else classes), label_key
        self.tabulates = bool(chosen_columns(measure, 2, self.head.classes))
        self.reset()

    def reset(self) -> None:
        """Forget what was measured."""
        self._rows: list[pd.DataFrame] = []
        self._summary: list[pd.DataFrame] = []
        self._images: list[str] = []
        self._sources: list[str] = []
        self._stems: list[str] = []
        self._done: set[Any] = set()  # files, and files with the number of a frame
        self._exports = Exports(self.output_dir, self.export, self.head.classes)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Measure an item, and return it unchanged.

        Args:
            data: ``image`` (with its file name) and, as far as there are, labels, ``denoised``, ``probabilities``, ``spacing``.
        """
        item = dict(data)
        image = item["image"]
        source, frame = str(image.meta["filename_or_obj"]), item.get("frame")
        raw, denoised = _array(image), _array(item.get("denoised"))
        labels = None if self.label_key not in item else _array(item[self.label_key])[0]
        size = {"spacing": _spacing(item), "unit": unit_of(item)}
        probabilities = None if labels is None else _array(item.get("probabilities"))
        if probabilities is not None:
            probabilities = probabilities[: self.head.probability_channels]
        place = {"image": prefix_of(source) + Path(source).name} | ({} if frame is None else {"frame": int(frame)})
        rows = None
        if self.tabulates:
            about = {"classes": self.head.classes, **size}
            if labels is not None:
                rows = measure_labels(labels, raw, denoised, probabilities=probabilities, measure=self.measure, **about)
                self._rows.append(_placed(rows, place))
            self._summary.append(_placed(summarise_image(labels, raw, denoised, **about), place))
        if labels is not None:
            self._stems.append(output_stem(source, None if item.get("frames") else frame))
            self._exports.add(source, item, labels, raw if denoised is None else denoised, size["spacing"], rows)
        self._note(source, frame)
        return item

    def _note(self, source: str, frame: Any) -> None:
        self._images.append(prefix_of(source) + Path(source).name)
        self._sources.append(source)
        self._done |= {source, (source, frame)}

    def write(self) -> list[Path]:
        """Write the tables of what was measured.

        Returns:
            The files.
        """
        self._tell_stale()
        if not self.tabulates or not self._images:
            return []
        files = write_tables(self.output_dir, [self._rows, self._summary], self._images, self._sources[0])
        found = f", {sum(map(len, self._rows)):,} rows" if self._rows else ""
        logger.info("measured %d images%s: %s", len({*self._images}), found, ", ".join(map(str, files)))
        return files

    def _tell_stale(self) -> None:
        """Warn of what earlier runs measured or drew of labels that are others now."""
        tables = [] if self.tabulates else [self.output_dir / name for name in NAMES]
        outlines = [path for stem in dict.fromkeys(self._stems) for path in self._exports.others(stem)]
        stale = [path for path in (*tables, *outlines) if self._images and path.exists()]
        if stale:
            logger.warning(
                "%s shows labels of an earlier run (%d such files): remove it, or make it anew with --measure and --export",
                stale[0],
                len(stale),
            )

    def attach(self, engine: Engine) -> None:
        """Attach to a :class:`~monai_denoiseg.engines.FilePredictor`."""
        engine.add_event_handler(Events.STARTED, self._begin)
        if self.tabulates or self.export:
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._complete)
        engine.add_event_handler(Events.COMPLETED, lambda _: self.write())

    def _begin(self, engine: Any) -> None:
        self.reset()
        self.check(getattr(engine.dataset, "data", None) or [])

    def check(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Raise where a file is in the way that this package did not write, before any work is done.

        Args:
            items: data list.

        Raises:
            FileExistsError: naming it.
        """
        if self.tabulates:
            check_tables(self.output_dir)
        for item in items:
            stem = output_stem(item["image"], item.get("frame"))
            targets, name = self._exports.targets(stem), self._exports.record(stem)
            if foreign := foreign_files(self.output_dir, name, targets, describe_source(item["image"])):
                raise refusal(self.output_dir, name, foreign, item["image"])

    def _complete(self, engine: Any) -> None:
        """Measure an image from its files if it did not come by."""
        data = getattr(engine.dataset, "data", None)
        if data is None:
            return
        item = data[engine.state.batch]
        source = str(item["image"])
        if source in engine.failures or (source if "frame" not in item else (source, item["frame"])) in self._done:
            return
        try:
            for whole in items_from_files(engine, engine.state.batch, self.label_key, self.head.suffix):
                self(whole)
        except Exception as error:  # as a file that cannot be predicted: the others go on
            engine.failures[source] = f"it is predicted, but cannot be measured: {first_cause(error)}"
            logger.error("failed: %s: %s", source, engine.failures[source])


SaveImaged.register(Measurementsd)


def _array(value: Any) -> Any:
    return None if value is None else torch.as_tensor(value).as_subclass(torch.Tensor).detach().cpu().numpy()


def _spacing(item: Mapping[Hashable, Any]) -> Any:
    spacing = item.get("spacing")
    return None if spacing is None else np.asarray(spacing, np.float32).reshape(-1)


def _placed(table: pd.DataFrame, place: Mapping[str, Any]) -> pd.DataFrame:
    for number, (column, value) in enumerate(place.items()):
        table.insert(number, column, value)
    return table
