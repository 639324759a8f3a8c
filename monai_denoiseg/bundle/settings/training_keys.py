"""The settings of a training, declared: ``train.json``."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.bundle.settings.kinds import Choice, Kind, Listing, PerAxis, Real, Switch, Text, Whole
from monai_denoiseg.bundle.settings.place import NAME, READ, WRITE, Place
from monai_denoiseg.bundle.settings.setting import TRAIN, Setting
from monai_denoiseg.bundle.settings.special import CLASS_NAMES, STRUCT_MASK, levels
from monai_denoiseg.heads import USER_HEADS

LARGEST_SEED = 2**32 - 1


def _key(group: str, name: str, kind: Kind, meaning: str, **more: Any) -> Setting:
    return Setting(name, kind, group, meaning, (TRAIN,), **more)


_DATA, _LOSS, _OBJECTS = "Data", "Loss", "Labels and objects"
_NETWORK, _STEPS, _STAGES, _MACHINE = "Network", "Steps and batches", "Two stages", "Machine"

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
        Choice(("dataset", "image")),
        "Scale the input by mean and deviation of all training images, or of each image.",
    ),
    _key(_LOSS, "alpha", Real(0, 1), "Weight of the denoising loss; 1 is denoising alone, 0 is segmentation alone."),
    _key(
        _LOSS,
        "head",
        Choice(USER_HEADS),
        "What segments: classes of pixels, star-convex objects, or nothing.",
    ),
    _key(_LOSS, "n_rays", Whole(3), "Rays of the StarDist head.", null="32, in 3D 66"),
    _key(_LOSS, "denoises", Switch(), "Whether the network gives a denoised image; set by the methods that only segment."),
    _key(
        _LOSS,
        "target",
        Place(NAME, "subfolder"),
        "Subfolder with clean or second noisy images, which the denoised image is compared with.",
        null="blind spots",
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
    _key(_STEPS, "patch_size", PerAxis(Whole(1)), "Size of the random crops.", unit="pixels"),
    _key(_STEPS, "batch_size", Whole(1), "Crops in a step."),
    _key(
        _STEPS,
        "labelled_fraction",
        Real(0, 1),
        "Share of each batch that comes from annotated images.",
        null="draw all images alike",
    ),
    _key(_STEPS, "zoom", Real(1), "Annotated crops are also shown up to so many times larger and smaller; 1 never."),
    _key(_STEPS, "max_epochs", Whole(1), "Number of epochs."),
    _key(
        _STEPS,
        "max_minutes",
        Real(0, open_low=True),
        "End the training after so much time, with the schedule fitted to it.",
        unit="minutes",
        null="no limit",
    ),
    _key(_STEPS, "steps_per_epoch", Whole(1), "Steps in an epoch, which is no pass through the data."),
    _key(_STEPS, "val_interval", Whole(1), "Validate after every so many epochs.", unit="epochs"),
    _key(
        _STEPS,
        "learning_rate",
        Real(0, 1, open_low=True),
        "Start of Adam's learning rate, which falls along a cosine to a fiftieth.",
    ),
    _key(
        _STEPS,
        "ap_tolerance",
        Real(0, 1),
        "Validations whose AP differs by less count as equal; of these the one that denoises best is kept.",
    ),
    _key(_STEPS, "seed", Whole(0, LARGEST_SEED), "Seed of the split, the initial weights, the crops and the blind spots."),
    _key(_STEPS, "resume", Switch(), "Go on from the last checkpoint, last.pt."),
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
