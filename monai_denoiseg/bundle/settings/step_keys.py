"""The settings of a training's steps and batches, declared: ``train.json``."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.bundle.settings.kinds import Choice, Kind, PerAxis, Real, Switch, Whole
from monai_denoiseg.bundle.settings.planned import Planned
from monai_denoiseg.bundle.settings.setting import TRAIN, Setting
from monai_denoiseg.engines.annotated_crops import STRENGTHS
from monai_denoiseg.transforms.orientation import ORIENTATIONS

LARGEST_SEED = 2**32 - 1


def _key(name: str, kind: Kind, meaning: str, **more: Any) -> Setting:
    return Setting(name, kind, "Steps and batches", meaning, (TRAIN,), **more)


STEPS: tuple[Setting, ...] = (
    _key(
        "patch_size",
        Planned(PerAxis(Whole(1))),
        "Size of the random crops.",
        unit="pixels",
        default="auto: [64, 64], in 3D [32, 64, 64]; with classes as large as the median image, as far as memory goes",
    ),
    _key(
        "batch_size",
        Planned(Whole(1)),
        "Crops in a step.",
        default="auto: 32, in 3D 2; with classes by the patch, at least so many that two are annotated",
    ),
    _key(
        "target_spacing",
        Planned(PerAxis(Real(0, open_low=True), single=False)),
        "With classes, images of other pixel or voxel sizes are resampled to this one to be segmented, and the result back.",
        unit="as spacing",
        null="never",
        default="auto: with classes the median of the annotated images, along coarse axes their 10th percentile; else never",
    ),
    _key(
        "labelled_fraction",
        Planned(Real(0, 1)),
        "Share of each batch that comes from annotated images.",
        null="draw all images alike",
        default="auto: 0.5, with classes and alpha 0 all",
    ),
    _key(
        "zoom",
        Planned(Real(1)),
        "Annotated crops are also shown up to so many times larger and smaller; 1 never.",
        default="auto: 2, with classes 1",
    ),
    _key(
        "orientations",
        Planned(Choice(ORIENTATIONS)),
        "How crops are turned: by flips and quarter turns, by flips, or not at all (anatomy has sides).",
        default="auto: turns, with classes in 3D fixed",
    ),
    _key(
        "augmentation",
        Planned(Choice(tuple(STRENGTHS))),
        "Whether annotated crops of classes are rotated, scaled, bent and shown in other contrasts.",
        default="auto: mild with classes, else none",
    ),
    _key("max_epochs", Whole(1), "Number of epochs."),
    _key(
        "max_minutes",
        Real(0, open_low=True),
        "End the training after so much time, with the schedule fitted to it.",
        unit="minutes",
        null="no limit",
    ),
    _key("steps_per_epoch", Whole(1), "Steps in an epoch, which is no pass through the data."),
    _key("val_interval", Whole(1), "Validate after every so many epochs.", unit="epochs"),
    _key(
        "learning_rate",
        Planned(Real(0, 1, open_low=True)),
        "Start of Adam's learning rate, which falls along a cosine to a fiftieth.",
        default="auto: 0.001, with classes 0.002",
    ),
    _key(
        "ap_tolerance",
        Real(0, 1),
        "Validations whose AP differs by less count as equal; of these the one that denoises best is kept.",
    ),
    _key("seed", Whole(0, LARGEST_SEED), "Seed of the split, the initial weights, the crops and the blind spots."),
    _key("resume", Switch(), "Go on from the last checkpoint, last.pt."),
)
