"""The former home of :mod:`monai_denoiseg.bundle`'s names, kept for scripts that import from here."""

from monai_denoiseg.bundle import BUNDLES, RUNS, bundle_folder, methods, run_bundle, tasks

__all__ = ["BUNDLES", "RUNS", "bundle_folder", "methods", "run_bundle", "tasks"]
