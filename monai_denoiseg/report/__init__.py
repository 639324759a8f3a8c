"""One self-contained HTML page that shows what a run did: figures, pictures, curves, settings."""

from __future__ import annotations

from monai_denoiseg.metrics import Residual, residual_figures
from monai_denoiseg.report.page import write_report
from monai_denoiseg.report.run_folder import RunFolder, read_run

__all__ = ["Residual", "RunFolder", "read_run", "residual_figures", "write_report"]
