"""The results of an evaluation as files: scores, a row an image, pictures of the best, median and worst image."""

from __future__ import annotations

import math
import operator
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from monai_denoiseg.data.dicom import prefix_of
from monai_denoiseg.data.digest import pixel_digest
from monai_denoiseg.files import ResultSet, foreign_files, refusal, write_bytes, write_csv, write_json, write_npz
from monai_denoiseg.handlers.class_table import COLUMNS, ClassTable
from monai_denoiseg.handlers.headline import LABELLED, finite, headline
from monai_denoiseg.handlers.labels import known_spacing, predicted_labels
from monai_denoiseg.handlers.panels import prediction_arrays
from monai_denoiseg.handlers.seen import role_of
from monai_denoiseg.heads import Head, as_head
from monai_denoiseg.metrics import psnr, residual_figures, scale_invariant_psnr, ssim
from monai_denoiseg.pictures import join_panels, panel_images, to_png_bytes
from monai_denoiseg.units import unit_of

RANKS = ("best", "median", "worst")
DENOISING = {"psnr": psnr, "si_psnr": scale_invariant_psnr, "ssim": ssim}
RESIDUAL = "residual_"
RECORD = "evaluation"
"""Name of the files of an evaluation in the record of what this package wrote."""
_RANKED_BY = ("ap", "dice", "psnr", "n_predicted")


class EvaluationWriter:
    """Score every image and write ``metrics.json``, ``per_image.csv``, ``panels/`` and ``arrays/`` when the evaluation ends.

    Where an image is labelled: AP, SEG, precision, recall and F1 of the instances, and Dice of objects against background; for
    semantic classes Dice of each and their mean, and surfaces and volumes by case and class in ``per_class.csv``. Where
    there is a clean reference: PSNR (paper definition), scale-invariant PSNR
    and SSIM. Of what the denoiser removed, with or without reference: mean, standard deviation and correlation of neighbours
    (``residual_mean``, ``residual_std``, ``residual_autocorrelation_y``, ...). Images are ranked by AP, else by Dice, else by
    PSNR, else by number of objects, else by the correlation of what was removed. What the network does not do is not scored.

    Images that the network was trained on, or that chose its threshold, are told by their content and scored apart (``seen`` in
    ``metrics.json``): the scores are those of the new images, as long as there is one. Of the means over images there is a 95 %
    confidence interval (``intervals``).

    All files appear together, in place of those of an earlier evaluation; others are never overwritten.

    Args:
        output_dir: folder for the files; it is made.
        items: the data list, in the order of the evaluation, for file names.
        instances: callable ``(segmentation channels, threshold, spacing=...)`` that gives instances or classes.
        threshold: foreground threshold.
        iou_thresholds: IoU a match must exceed; AP is reported for each, the first is the main one.
        empty: see :class:`~monai_denoiseg.metrics.InstanceMetric`.
        reduction: see there.
        pictures: draw the best, the median and the worst image.
        keep: further entries for ``metrics.json``, such as the model file.
        classes: short for the head of these semantic classes, background first.
        head: what the network predicts (``network.head``); None: background, foreground, border.
        denoises: whether the network gives denoised channels (``network.denoises``).
        seen: digests of the images of the training, see :func:`~monai_denoiseg.handlers.seen.seen_images`.
        surface_tolerance: of the surface Dice of classes, see :class:`~monai_denoiseg.handlers.class_table.ClassTable`.

    Raises:
        FileExistsError: (when the evaluation begins) if a file is in the way that is not of an earlier evaluation.
        ValueError: for options out of range.

    Example:
        >>> from monai_denoiseg.transforms import ProbabilitiesToInstances
        >>> truth = torch.zeros(1, 16, 16, dtype=torch.int32)
        >>> truth[:, 4:12, 4:12] = 1
        >>> item = {"image": torch.rand(1, 16, 16), "instances": truth}
        >>> prediction = torch.cat([truth == 0, truth == 1, torch.zeros(1, 16, 16), item["image"]])
        >>> engine = Engine(lambda engine, batch: [{"image": batch[0]["image"], "pred": prediction}])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     EvaluationWriter(folder, [{"image": "a.tif"}], ProbabilitiesToInstances(), 0.5).attach(engine)
        ...     state = engine.run([[item]])
        ...     sorted(path.name for path in Path(folder).glob("[!.]*")), state.metrics["ap"]
        (['arrays', 'metrics.json', 'panels', 'per_image.csv'], 1.0)
    """

    def __init__(
        self,
        output_dir: str | Path,
        items: Sequence[Mapping[str, Any]],
        instances: Callable[..., Any],
        threshold: float,
        iou_thresholds: Sequence[float] = (0.5,),
        empty: str = "skip",
        reduction: str = "image_mean",
        pictures: bool = True,
        keep: Mapping[str, Any] | None = None,
        classes: Sequence[str] | None = None,
        head: Head | None = None,
        denoises: bool = True,
        seen: Mapping[str, Sequence[str]] | None = None,
        surface_tolerance: float = 1.0,
    ) -> None:
        self.output_dir, self.items, self.instances, self.threshold = Path(output_dir), items, instances, threshold
        self.head, self.denoises, self.reduction = as_head(head, classes=classes), denoises, reduction
        self.seen = dict(seen or {})
        self.metrics = {known: self.head.metrics(iou_thresholds, empty, reduction) for known in (False, True)}
        self.pictures, self.keep = pictures, dict(keep or {})
        self.rows: list[dict[str, Any]] = []
        self.tolerance = surface_tolerance
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._tables: dict[bool, ClassTable] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator with one image a batch."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def check(self, items: Any = ()) -> None:
        """Raise where a file is in the way that is not of an earlier evaluation, before any work is done.

        Args:
            items: data list; nothing of it matters.

        Raises:
            FileExistsError: naming it.
        """
        pictures = [self.output_dir / folder for folder in ("panels", "arrays")]
        taken = [path for folder in pictures for rank in RANKS for path in folder.glob(f"{rank}_*")]
        targets = [self.output_dir / name for name in ("metrics.json", "per_image.csv", "per_class.csv")] + taken
        if foreign := foreign_files(self.output_dir, RECORD, targets, {}):
            raise refusal(self.output_dir, RECORD, foreign)

    def _reset(self, engine: Any) -> None:
        self.check()
        for metric in [*self.metrics[False], *self.metrics[True]]:
            metric.reset()
        self.rows, self._scratch = [], None
        self._tables = {known: ClassTable(self.head.classes, self.tolerance) for known in (False, True) if self.head.classes}

    def _waiting_room(self) -> Path:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory()
        return Path(self._scratch.name)

    def _collect(self, engine: Any) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            source = self.items[len(self.rows)]
            row: dict[str, Any] = {"image": image_name(source)}
            pixels = pixel_digest(item["image"])
            if self.seen:
                row["seen"] = role_of(pixels, source["image"], self.seen)
            arrays = self._segmentation(item, output, row)
            if self.denoises:
                self._denoising(item, arrays, row)
            self.rows.append(row | {"pixels": pixels})
            if self.pictures:
                # Which image is the median is known at the end only: until then they wait on disk, not in memory.
                write_npz(arrays, self._waiting_room() / f"{len(self.rows) - 1}.npz", scratch=True)

    def _segmentation(self, item: Mapping[str, Any], output: Mapping[str, Any], row: dict[str, Any]) -> dict[str, np.ndarray]:
        """Score the labels of an image into its row; return its arrays for the pictures."""
        prediction, image, found = output["pred"].float().cpu(), output["image"], None
        if self.head.segments:
            found = predicted_labels(self.instances, prediction[: self.head.channels], self.threshold, item)
            row |= self.head.count(found)
        arrays = prediction_arrays(prediction, image, found, self.head, known_spacing(item), denoises=self.denoises)
        if found is not None and "instances" in item:
            truth = torch.as_tensor(item["instances"]).cpu()
            known = bool(row.get("seen"))
            row |= self._score(found, truth, known)
            if self._tables:
                self._tables[known].add(row["image"], found, truth, known_spacing(item), unit_of(item))
            arrays["truth"] = np.asarray(truth[0])
        return arrays

    def _denoising(self, item: Mapping[str, Any], arrays: dict[str, np.ndarray], row: dict[str, Any]) -> None:
        """Score the denoised image into the row; add the clean reference, if any, to the arrays."""
        if "clean" in item:
            arrays["clean"] = np.asarray(torch.as_tensor(item["clean"]).float().cpu())
            for name, score in DENOISING.items():
                row[name] = float(score(arrays["denoised"], arrays["clean"]))
            row["psnr_input"] = float(psnr(arrays["input"], arrays["clean"]))
        removed = residual_figures(arrays["input"], arrays["denoised"])
        row |= {f"{RESIDUAL}mean": removed.mean, f"{RESIDUAL}std": removed.spread}
        row |= {f"{RESIDUAL}autocorrelation_{axis.lower()}": value for axis, value in removed.autocorrelation.items()}

    def _score(self, found: torch.Tensor, truth: torch.Tensor, known: bool) -> dict[str, float]:
        scores: dict[str, float] = {}
        for metric in self.metrics[known]:
            metric(y_pred=[found], y=[truth])
            scores |= metric.rows()[-1]
        return scores

    def _summary(self, known: bool) -> dict[str, Any]:
        """Scores of the new images, or of those of the training."""
        rows = [row for row in self.rows if bool(row.get("seen")) == known]
        found: dict[str, Any] = {}
        for metric in self.metrics[known] if any(name in row for row in rows for name in LABELLED) else []:
            found |= metric.aggregate()  # a dictionary, as no single value was asked for
        found |= self._tables[known].metrics() if self._tables else {}
        residual = dict.fromkeys(key for row in rows for key in row if key.startswith(RESIDUAL))
        for name in (*DENOISING, "psnr_input", *residual):
            values = [row[name] for row in rows if math.isfinite(row.get(name, math.nan))]
            if values:
                found[name] = float(np.mean(values))
        return found

    def _finish(self, engine: Any) -> None:
        about = self.head.about(self.threshold, self.reduction) | ({} if self.denoises else {"denoises": False})
        metrics = about | headline(self.rows, self._summary, self.reduction)
        engine.state.metrics.update({k: v for k, v in metrics.items() if isinstance(v, float)})
        plain = finite(self.keep | metrics)
        with ResultSet(self.output_dir, RECORD, sweep=True) as results:
            write_json(plain, results.add(self.output_dir / "metrics.json"))
            columns = list(dict.fromkeys(key for row in self.rows for key in row))
            write_csv(columns, map(_short, self.rows), results.add(self.output_dir / "per_image.csv"))
            if classes := [row for table in self._tables.values() for row in table.rows]:
                write_csv(COLUMNS, map(_short, classes), results.add(self.output_dir / "per_class.csv"))
            if self.pictures:
                self._write_pictures(results)

    def _write_pictures(self, results: ResultSet) -> None:
        for rank, index in _best_median_worst(self.rows).items():
            stem = Path(self.rows[index]["image"]).stem
            with np.load(self._waiting_room() / f"{index}.npz") as stored:
                arrays = dict(stored)
            picture = join_panels(list(panel_images(arrays).values()))
            write_bytes(to_png_bytes(picture), results.add(self.output_dir / "panels" / f"{rank}_{stem}.png"))
            write_npz(arrays, results.add(self.output_dir / "arrays" / f"{rank}_{stem}.npz"))


def image_name(item: Mapping[str, Any]) -> str:
    """Name of an image in tables and pictures: its file's, with the number of the frame if the file holds several.

    Args:
        item: entry of a data list: ``image`` and maybe ``frame``.

    >>> image_name({"image": "some/where/a.tif"}), image_name({"image": "movie.ome.tif", "frame": 3})
    ('a.tif', 'movie.ome_frame0003.tif')
    """
    path = Path(item["image"])
    path = path.with_name(prefix_of(path) + path.name)
    return path.name if item.get("frame") is None else f"{path.stem}_frame{item['frame']:04d}{path.suffix}"


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}


def _best_median_worst(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Rows to show; with fewer than three images each is shown once."""
    known: list[Callable[[Any], float]] = [operator.methodcaller("get", name, math.nan) for name in _RANKED_BY]
    for rank_of in (*known, _uncorrelated):
        scored = [i for i, row in enumerate(rows) if math.isfinite(rank_of(row))]
        if scored:
            ranked = sorted(scored, key=lambda i: -rank_of(rows[i]))
            break
    else:  # nothing to rank by: the first, the middle and the last one
        ranked = list(range(len(rows)))
    if not ranked:
        return {}
    chosen = dict(zip(RANKS, (ranked[0], ranked[len(ranked) // 2], ranked[-1]), strict=True))
    return {rank: i for k, (rank, i) in enumerate(chosen.items()) if i not in list(chosen.values())[:k]}


def _uncorrelated(row: Mapping[str, Any]) -> float:
    """Higher the less neighbouring values of what was removed are correlated."""
    values = [abs(value) for key, value in row.items() if key.startswith(f"{RESIDUAL}autocorrelation_")]
    return -max(values, default=math.nan)
