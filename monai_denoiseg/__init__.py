"""Joint self-supervised denoising and few-shot segmentation as MONAI components.

The sub-packages are imported on first use, so that ``import monai_denoiseg`` stays fast:

>>> import monai_denoiseg
>>> monai_denoiseg.losses.DenoiSegLoss(alpha=0.5).alpha
0.5
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

ROOMS = (
    *("data", "transforms", "losses", "metrics", "pictures", "heads", "networks", "handlers", "engines", "measure", "self2seg"),
    *("bundle", "export", "label", "report", "workflow"),
)

CALLS = {"predict": "bundle.predict"}
"""Functions a script begins with, and the modules they stand in."""

__all__ = ["__version__", *ROOMS, *CALLS]


def __getattr__(name: str) -> Any:
    if name in CALLS:
        return getattr(importlib.import_module(f"{__name__}.{CALLS[name]}"), name)
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS, *CALLS})
