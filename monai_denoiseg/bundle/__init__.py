"""Between a command or a bundle's JSON and the parts: settings, run, training data, first stage, checks before training."""

from monai_denoiseg.bundle.datalists import (
    count_data,
    labelled_flags,
    training_data,
    trains_on_labels_only,
    typical_spacing,
    usual_size,
)
from monai_denoiseg.bundle.folders import (
    BUNDLES,
    bundle_folder,
    checkpoint_folder,
    docs_folder,
    model_file,
    need_images,
    results_folder,
    run_folder,
    simulated_folder,
)
from monai_denoiseg.bundle.inputs import evaluation_data, inference_data
from monai_denoiseg.bundle.kept_split import split_names
from monai_denoiseg.bundle.label_check import check_labels
from monai_denoiseg.bundle.noise_check import check_noise, noise_of_training, share_spots
from monai_denoiseg.bundle.provenance import describe_training
from monai_denoiseg.bundle.recipe import Recipe, plan_recipe, training_statistics
from monai_denoiseg.bundle.resume import chosen_settings, kept_settings, previous_recipe, previous_split
from monai_denoiseg.bundle.run import RUNS, methods, open_workflow, run_bundle, tasks
from monai_denoiseg.bundle.runs import RunFolder
from monai_denoiseg.bundle.settings import check_settings, settings_of, track_results, user_settings
from monai_denoiseg.bundle.size_check import check_sizes
from monai_denoiseg.bundle.target import network_spacing
from monai_denoiseg.bundle.two_stages import first_stage

__all__ = [
    "BUNDLES",
    "RUNS",
    "Recipe",
    "RunFolder",
    "bundle_folder",
    "check_labels",
    "check_noise",
    "check_settings",
    "check_sizes",
    "checkpoint_folder",
    "chosen_settings",
    "count_data",
    "describe_training",
    "docs_folder",
    "evaluation_data",
    "first_stage",
    "inference_data",
    "kept_settings",
    "labelled_flags",
    "methods",
    "model_file",
    "need_images",
    "network_spacing",
    "noise_of_training",
    "open_workflow",
    "plan_recipe",
    "previous_recipe",
    "previous_split",
    "results_folder",
    "run_bundle",
    "run_folder",
    "settings_of",
    "share_spots",
    "simulated_folder",
    "split_names",
    "tasks",
    "track_results",
    "training_data",
    "training_statistics",
    "trains_on_labels_only",
    "typical_spacing",
    "user_settings",
    "usual_size",
]
