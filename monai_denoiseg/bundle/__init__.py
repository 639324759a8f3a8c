"""Between a command or a bundle's JSON and the parts: settings, run, training data, first stage, checks before training."""

from monai_denoiseg.bundle.datalists import count_data, labelled_flags, training_data, typical_spacing
from monai_denoiseg.bundle.noise_check import check_noise
from monai_denoiseg.bundle.run import BUNDLES, RUNS, bundle_folder, methods, run_bundle, tasks
from monai_denoiseg.bundle.settings import check_settings, settings_of, user_settings
from monai_denoiseg.bundle.size_check import check_sizes
from monai_denoiseg.bundle.two_stages import first_stage

__all__ = [
    "BUNDLES",
    "RUNS",
    "bundle_folder",
    "check_noise",
    "check_settings",
    "check_sizes",
    "count_data",
    "first_stage",
    "labelled_flags",
    "methods",
    "run_bundle",
    "settings_of",
    "tasks",
    "training_data",
    "typical_spacing",
    "user_settings",
]
