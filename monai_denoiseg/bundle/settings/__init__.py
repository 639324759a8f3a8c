"""The settings of the bundles, declared once: their check, their help and their tables all come from the declaration."""

from monai_denoiseg.bundle.settings.check import check_settings
from monai_denoiseg.bundle.settings.declaration import CONFIGS, SETTINGS, config_of, settings_of
from monai_denoiseg.bundle.settings.overrides import for_monai, read_words
from monai_denoiseg.bundle.settings.running import track_results, user_settings
from monai_denoiseg.bundle.settings.setting import Setting

__all__ = [
    "CONFIGS",
    "SETTINGS",
    "Setting",
    "check_settings",
    "config_of",
    "for_monai",
    "read_words",
    "settings_of",
    "track_results",
    "user_settings",
]
