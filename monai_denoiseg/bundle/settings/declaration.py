"""All settings of all bundles, found by configuration and name."""

from __future__ import annotations

from functools import cache

from monai_denoiseg.bundle.settings.dicom_keys import DICOM
from monai_denoiseg.bundle.settings.measure_keys import MEASURE
from monai_denoiseg.bundle.settings.prediction_keys import CLASSIC, PREDICTION, SHARED
from monai_denoiseg.bundle.settings.score_keys import SCORES
from monai_denoiseg.bundle.settings.setting import EVALUATE, INFER, SINGLE, TRAIN, Setting
from monai_denoiseg.bundle.settings.single_image_keys import SINGLE_IMAGE
from monai_denoiseg.bundle.settings.source_keys import SOURCES
from monai_denoiseg.bundle.settings.training_keys import TRAINING

SETTINGS: tuple[Setting, ...] = (
    *(*TRAINING, *SOURCES, *DICOM, *PREDICTION, *MEASURE, *SINGLE_IMAGE, *SHARED, *CLASSIC, *SCORES),
)
CONFIGS = (TRAIN, INFER, EVALUATE, SINGLE)
GROUPS = (
    *("Data", "Network", "Method", "Start", "When to stop", "Loss", "Labels and objects", "Steps and batches", "Two stages"),
    *("Prediction", "Measurements", "Large images", "Scores", "Methods without training", "Machine"),
)
"""Headings in the order they are shown in."""


@cache
def settings_of(config: str) -> dict[str, Setting]:
    """The settings of a configuration by name, in the order of the groups.

    Args:
        config: one of :data:`CONFIGS`.

    >>> settings_of("train")["mask_fraction"].rule
    'a number in (0, 1)'
    >>> "alpha" in settings_of("infer")
    False
    """
    found = [setting for setting in SETTINGS if config in setting.configs]
    return {setting.name: setting for setting in sorted(found, key=lambda one: GROUPS.index(one.group))}


def config_of(task: str, bundle: str) -> str:
    """Which configuration a task of a bundle runs.

    Args:
        task: ``"train"``, ``"infer"`` or ``"evaluate"``.
        bundle: name of the bundle.

    >>> config_of("infer", "denoiseg_3d"), config_of("infer", "self2seg")
    ('infer', 'self2seg')
    """
    return SINGLE if bundle == SINGLE else task
