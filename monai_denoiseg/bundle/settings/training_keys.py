"""The settings of a training, declared: ``train.json``."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.bundle.settings.kinds import Choice, Kind, Listing, Real, Switch, Text, Whole
from monai_denoiseg.bundle.settings.place import NAME, READ, WRITE, Place
from monai_denoiseg.bundle.settings.planned import Planned
from monai_denoiseg.bundle.settings.setting import TRAIN, Setting
from monai_denoiseg.bundle.settings.special import CLASS_NAMES, STRUCT_MASK, levels
from monai_denoiseg.bundle.settings.step_keys import STEPS
from monai_denoiseg.heads import USER_HEADS
from monai_denoiseg.losses import SEGMENTATION_LOSSES


def _key(group: str, name: str, kind: Kind, meaning: str, **more: Any) -> Setting:
    return Setting(name, kind, group, meaning, (TRAIN,), **more)


_DATA, _LOSS, _OBJECTS = "Data", "Loss", "Labels and objects"
_NETWORK, _STAGES, _MACHINE = "Network", "Two stages", "Machine"

TRAINING: tuple[Setting, ...] = (
    _key(
        _DATA,
        "dataset_dir",
        Place(READ, "file or folder", many=True, but=("simulated",)),
        "Folder with the subfolders images and labels, a data list (JSON), or files; simulated makes images for a trial.",
    ),
    _key(
        _DATA,
        "validation_dir",
        Place(READ, "file or folder", many=True),
        "A second such source, whose images are used for validation.",
        null="a part of dataset_dir",
    ),
    _key(
        _DATA,
        "validation_fraction",
        Real(0, 1, open_high=True),
        "Share of the images in dataset_dir that is put aside for validation.",
    ),
    _key(
        _DATA,
        "fold",
        Whole(0),
        "The fold of a data list that is used for validation; the other folds are trained on.",
        null="none",
    ),
    _key(
        _DATA,
        "n_labels",
        Whole(0),
        "Hide all training labels but so many, to learn how many annotations are enough.",
        null="keep all",
    ),
    _key(
        _DATA,
        "output_dir",
        Place(WRITE),
        "Folder for logs, settings and pictures of the run.",
        default="denoiseg_run; with bundle_root BUNDLE/output",
    ),
    _key(
        _DATA,
        "ckpt_dir",
        Place(WRITE),
        "Folder for the networks, model.pt and last.pt.",
        default="models in output_dir; with bundle_root BUNDLE/models",
    ),
    _key(
        _DATA,
        "existing",
        Choice(("error", "rename")),
        "What to do where an earlier training lies in the folder: stop, or rename its files.",
        null="error; in a bundle given by bundle_root rename",
    ),
    _key(
        _DATA, "ignore_value", Whole(), "Label value that means not annotated.", null="-1, or the largest value of unsigned types"
    ),
    _key(
        _DATA,
        "binary_labels",
        Choice(("error", "components", "keep")),
        "What to do with masks of one value: stop, number the connected pieces, or take each mask as one object.",
    ),
    _key(
        _DATA,
        "classes",
        CLASS_NAMES,
        "Names of semantic classes, in the order of the label values, the background first.",
        null="every object has a number of its own",
    ),
    _key(
        _NETWORK,
        "kernel_size",
        levels('"[1, 3, 3]"', odd=True),
        "Edges of the convolutions; auto is 3, and 1 along coarse axes.",
        unit="pixels",
    ),
    _key(
        _NETWORK,
        "strides",
        levels('"[1, 2, 2]"'),
        "Down-sampling of each level; auto is 2, and 1 along coarse axes.",
    ),
    _key(
        _NETWORK,
        "variant",
        Choice(("care", "n2v2")),
        "The U-Net of the paper (care), or one that avoids checkerboard patterns (n2v2).",
    ),
    _key(
        _NETWORK,
        "normalisation",
        Planned(Choice(("dataset", "image"))),
        "Scale the input by mean and deviation of all training images, or of each image.",
        default="auto: dataset, in 3D image; with classes image, for CT dataset",
    ),
    _key(
        _LOSS,
        "alpha",
        Planned(Real(0, 1)),
        "Weight of the denoising loss; 1 is denoising alone, 0 is segmentation alone.",
        default="auto: 0.5, with classes 0",
    ),
    _key(
        _LOSS,
        "head",
        Choice(USER_HEADS),
        "What segments: classes of pixels, star-convex objects, or nothing.",
    ),
    _key(_LOSS, "n_rays", Whole(3), "Rays of the StarDist head.", null="32, in 3D 66"),
    _key(
        _LOSS,
        "denoises",
        Planned(Switch()),
        "Whether the network gives a denoised image; set by the methods that only segment.",
        default="auto: true, but false with classes and alpha 0",
    ),
    _key(
        _LOSS,
        "target",
        Place(NAME, "subfolder"),
        "Subfolder with clean or second noisy images, which the denoised image is compared with.",
        null="blind spots",
    ),
    _key(
        _LOSS,
        "segmentation_loss",
        Planned(Choice(SEGMENTATION_LOSSES)),
        "What compares the predicted classes with the annotation; class_weights belong to cross_entropy.",
        default="auto: cross_entropy, with classes (but no class_weights) dice_ce",
    ),
    _key(
        _LOSS,
        "class_weights",
        Listing(Real(0), 2, '"[1, 1, 5]"'),
        "Weight of each class in the loss; predicted probabilities are corrected for it.",
        null="1, 1, 5 for background, foreground, border, and 1 for each semantic class",
    ),
    _key(
        _LOSS,
        "reduction",
        Choice(("labelled", "paper")),
        "Average the segmentation loss over the annotated pixels, or over all as in the paper.",
    ),
    _key(
        _LOSS,
        "huber_delta",
        Real(0, open_low=True),
        "Denoising errors beyond this count linearly instead of squared.",
        unit="standard deviations",
        null="all squared",
    ),
    _key(_LOSS, "mask_fraction", Real(0, 1, open_low=True, open_high=True), "Share of the pixels hidden in each step."),
    _key(_LOSS, "mask_radius", Whole(1), "How far away the value that replaces a hidden pixel is taken.", unit="pixels"),
    _key(
        _LOSS,
        "mask_strategy",
        Choice(("uniform", "uniform_with_center", "median", "mean", "normal_fitted", "identity")),
        "What replaces a hidden pixel; identity hides nothing.",
    ),
    _key(_LOSS, "struct_mask", STRUCT_MASK, "Neighbours hidden together with a blind spot, for striped noise.", null="none"),
    _key(
        _LOSS,
        "struct_values",
        Choice(("block", "random")),
        "What hides those neighbours: a piece of the image nearby, or random values as published.",
    ),
    _key(
        _LOSS,
        "share_spots",
        Choice(("auto", True, False), {"true": True, "false": False}),
        "Blind spots hide all channels of a pixel at once; auto does so where the noise of the channels is correlated.",
    ),
    _key(
        _OBJECTS,
        "border_width",
        Real(0, open_low=True),
        "Width of the border class between touching objects, a whole number unless units is physical.",
        unit="pixels, or as units says",
    ),
    _key(
        _OBJECTS,
        "min_size",
        Real(0),
        "Smaller objects are dropped; a whole number unless units is physical.",
        unit="pixels, or as units says",
    ),
    _key(
        _OBJECTS,
        "instance_rule",
        Choice(("grow", "paper")),
        "Give objects back the pixels lost at contacts (grow), or take the connected pieces alone (paper).",
    ),
    _key(
        _OBJECTS,
        "split_neck",
        Real(0, 1, open_high=True),
        "Objects are split where they are narrower than this ratio to the smaller part; 0 never splits.",
    ),
    _key(_OBJECTS, "fill_holes", Switch(), "Fill holes in objects."),
    *STEPS,
    _key(
        _STAGES,
        "first_stage",
        Text("the name of a training method, such as 'noise2void'"),
        "Method that is trained first, whose result this training uses.",
        null="none",
    ),
    _key(
        _STAGES,
        "first_stage_use",
        Listing(Choice(("input", "weights")), 0, "\"['input']\""),
        "What the first stage is for: its denoised images as input, its weights as a start, or both.",
    ),
    _key(
        _STAGES,
        "first_stage_dir",
        Place(WRITE),
        "Folder in which the first stage is trained.",
        default="ckpt_dir/first_stage",
    ),
    _key(_STAGES, "first_stage_file", Place(READ, "file"), "A trained denoiser that is used as it is.", null="train one"),
    _key(_STAGES, "first_stage_epochs", Whole(1), "Epochs of the first stage.", null="as many as max_epochs"),
    _key(
        _MACHINE,
        "cache_rate",
        Real(0, 1),
        "Share of the images kept in memory.",
    ),
    _key(_MACHINE, "num_workers", Whole(0), "Processes that load and crop images; 0 is the program itself."),
    _key(_MACHINE, "rank", Whole(0), "Number of this process; the overlay for several GPUs sets it."),
)
