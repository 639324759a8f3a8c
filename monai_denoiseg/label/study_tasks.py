"""Training, strategies and scoring of the server, as classes of MONAI Label."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import check_option, check_range
from monai_denoiseg.label.acquisition import MEASURES, choose
from monai_denoiseg.label.api import ScoringMethod, Strategy, TrainTask, device_list
from monai_denoiseg.label.bundles import bundle_channels, class_names, defaults, model_file, model_problem
from monai_denoiseg.label.options import device_of, number, shown, text, truth
from monai_denoiseg.label.results import read_stats
from monai_denoiseg.label.scores import ScoreBook
from monai_denoiseg.label.study import describe, served_times, split_study, study_items
from monai_denoiseg.label.training import train_on_study, training_settings
from monai_denoiseg.label.usable import image_problem, unsuitable

logger = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds a strategy measures images nobody has measured yet; the rest is left to the scoring in the background."""


class StudyTraining(TrainTask):  # type: ignore[misc]
    """Train a bundle on all images of the study.

    Args:
        bundle: folder of the bundle.
    """

    def __init__(self, bundle: Path) -> None:
        super().__init__(f"DenoiSeg {defaults(bundle)['spatial_dims']}D: trains on annotated and unannotated images")
        self.bundle, self.stats_path = bundle, bundle / "train_stats.json"

    def config(self) -> dict[str, Any]:
        """The options clients show."""
        known = defaults(self.bundle, "train")
        plain = ("max_epochs", "steps_per_epoch", "batch_size", "learning_rate", "val_interval")
        options = {"device": device_list(), "pretrained": True, "val_split": 0.2, "max_seconds": 0}
        return options | {key: known[key] for key in plain}

    def stats(self) -> dict[str, Any]:
        """How far the training is, or was."""
        return read_stats(self.stats_path)

    def options(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What a request asks for, checked: a training in the background would fail where nobody looks.

        Args:
            request: a training request.

        Raises:
            ValueError: for a value that is wrong.
        """
        return {
            "val_split": check_range("val_split", _number(request, "val_split", 0.2), 0, 1, open_high=True),
            "max_seconds": check_range("max_seconds", _number(request, "max_seconds", 0), 0, float("inf"), open_high=True),
            "pretrained": truth("pretrained", request.get("pretrained", True)),
            "device": device_of(request),
            "settings": training_settings(request, self.bundle),
        }

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Train, and publish the best network."""
        options = self.options(request)
        problems: list[str] = []
        run_dir = self.bundle / "training" / time.strftime("%Y%m%d_%H%M%S")
        items = study_items(
            datastore,
            run_dir / "labels",
            classes=class_names(self.bundle),
            spatial_dims=defaults(self.bundle)["spatial_dims"],
            axes=defaults(self.bundle, "train").get("axes"),
            channels=bundle_channels(self.bundle, options["pretrained"]),
            problems=problems,
        )
        training, validation = split_study(items, options["val_split"], problems=problems)
        logger.info(describe(items, training, validation))
        return train_on_study(
            self.bundle,
            training,
            validation,
            run_dir,
            pretrained=options["pretrained"],
            max_seconds=options["max_seconds"],
            stats=self.stats_path,
            device=options["device"],
            **options["settings"],
        )


def _number(request: Mapping[str, Any], key: str, default: float) -> float:
    value = request.get(key)
    return default if value in (None, "") else number(key, value)


def trained_bundle(bundles: Mapping[str, Path], name: str | None = None) -> Path | None:
    """The bundle whose network measures the images: the one asked for, else the one trained last; None if none is.

    Args:
        bundles: folders by name.
        name: the one asked for.

    Raises:
        ValueError: when there is no such bundle.

    >>> trained_bundle({}) is None
    True
    """
    return next(iter(trained_bundles(bundles, name)), None)


def trained_bundles(bundles: Mapping[str, Path], name: str | None = None) -> list[Path]:
    """The bundles that have a network, the one trained last first.

    Args:
        bundles: folders by name.
        name: the only one asked for.

    Raises:
        ValueError: when there is no such bundle.

    >>> trained_bundles({})
    []
    """
    wanted = bundles if name is None else {name: bundles[check_option("model", text("model", name), bundles)]}
    ready = [folder for folder in wanted.values() if not model_problem(folder)]
    return sorted(ready, key=lambda folder: -model_file(folder).stat().st_mtime)


def candidates(datastore: Any, bundle: Path | None, request: Mapping[str, Any]) -> dict[str, str]:
    """Images that wait for an annotator, by id: those not annotated which the bundle can read.

    Args:
        datastore: MONAI Label's datastore.
        bundle: folder of the bundle; None: any image will do.
        request: may name a ``label_tag`` and ``labels``.
    """
    names = datastore.get_unlabeled_images(request.get("label_tag"), request.get("labels"))
    found = {name: datastore.get_image_uri(name) for name in sorted(names)}
    if bundle is None:
        return {name: path for name, path in found.items() if not path.endswith(".xml")}
    known = defaults(bundle)
    return {name: path for name, path in found.items() if not unsuitable(path, known["spatial_dims"], known.get("axes"))}


class MeasureStrategy(Strategy):  # type: ignore[misc]
    """Offer the image with the largest measure; at random while no network is trained.

    Args:
        name: ``"uncertainty"``, ``"blind_spot"``, or ``"random"``.
        bundles: folders by name.
    """

    def __init__(self, name: str, bundles: Mapping[str, Path]) -> None:
        super().__init__(
            {
                "uncertainty": "the image whose classes the network is least sure of",
                "blind_spot": "the image the network denoises worst where it does not see the pixel",
                "random": "any image",
            }[name]
        )
        self.name, self.bundles = name, bundles

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any] | None:
        """The image to annotate next; None when all are annotated."""
        bundle, images = self._images(datastore, request)
        by_chance = bundle is None or self.name == "random"
        scores = {image: random.random() for image in images} if by_chance else self._measured(bundle, images)
        times = served_times(datastore, list(images), self.name)
        suitors = list(self.bundles.values()) if bundle is None else [bundle]
        chosen = None
        while scores and chosen is None:
            chosen = choose(scores, times, time.time())
            problem = _problem(images[chosen], suitors)
            if problem:
                logger.warning("not offered: %s", problem)
                del scores[chosen]
                chosen = None
        if chosen is None:
            return None
        found: dict[str, Any] = {"id": chosen, "score": None if by_chance else scores[chosen]}
        if by_chance and self.name != "random":
            trained = trained_bundles(self.bundles)
            found["note"] = f"no network {'that reads it ' if trained else ''}is trained yet: chosen at random"
        logger.info("%s: %s", self.name, found)
        return found

    def _images(self, datastore: Any, request: Mapping[str, Any]) -> tuple[Path | None, dict[str, str]]:
        """The bundle that measures and the images it can read; no bundle where those that are trained can read none."""
        for bundle in trained_bundles(self.bundles, request.get("model")):
            images = candidates(datastore, bundle, request)
            if images or request.get("model") is not None:
                return bundle, images
        return None, candidates(datastore, None, request)

    def _measured(self, bundle: Any, images: Mapping[str, str]) -> dict[str, float | None]:
        book, start = ScoreBook(bundle / "scores", bundle), time.time()
        scores: dict[str, float | None] = {}
        for image in random.sample(list(images), len(images)):
            fresh = time.time() - start < PATIENCE
            path = images[image]
            scores[image] = book.get(path, self.name) if fresh else book.known(path).get(self.name)
        return scores


def _problem(image: str, bundles: Sequence[Path]) -> str:
    """Why no bundle can take an image, all of it read: annotating it would be in vain; empty if one can."""
    problem = ""
    for bundle in bundles:
        known = defaults(bundle)
        problem = image_problem(image, known["spatial_dims"], known.get("axes"), bundle_channels(bundle))
        if not problem:
            return ""
    return problem


class StudyScoring(ScoringMethod):  # type: ignore[misc]
    """Measure all images that wait for an annotator, in the background, so that the strategies need not.

    Args:
        bundle: folder of the bundle.
    """

    def __init__(self, bundle: Path) -> None:
        super().__init__(f"{bundle.name}: uncertainty and blind-spot error of the images not annotated")
        self.bundle = bundle

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Measure; returns the mean of each measure and the number of images."""
        if model_problem(self.bundle):
            return {"images": 0, "note": model_problem(self.bundle)}
        book = ScoreBook(self.bundle / "scores", self.bundle)
        images = candidates(datastore, self.bundle, request)
        values = {name: [book.get(path, name) for path in images.values()] for name in measures_of(request)}
        return {"images": len(images)} | {name: _mean(scores) for name, scores in values.items()}


def measures_of(request: Mapping[str, Any]) -> Sequence[str]:
    """The measures a scoring request asks for; all by default.

    Args:
        request: may hold ``measures``, a list or names separated by commas.

    >>> measures_of({}), measures_of({"measures": "uncertainty"})
    (('uncertainty', 'blind_spot'), ['uncertainty'])
    """
    wanted = request.get("measures")
    if not wanted:
        return MEASURES
    if not isinstance(wanted, (str, list)):
        raise ValueError(f"`measures` must be a list of {', '.join(MEASURES)}, got {shown(wanted)}")
    names = wanted.split(",") if isinstance(wanted, str) else wanted
    return [check_option("measures", str(name).strip(), MEASURES) for name in names]


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
