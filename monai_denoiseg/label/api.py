"""The names of MONAI Label the app builds on, and stand-ins where it is not installed, so that the modules can be looked at."""

from __future__ import annotations

from typing import Any

HELP = (
    "MONAI Label is not installed here: in a checkout `make label-env` (or `bash scripts/label_env.sh FOLDER`) builds an "
    "environment that has it, see docs/label.md; activate it and try again"
)

try:
    from fastapi import HTTPException
    from fastapi.responses import JSONResponse
    from monailabel.config import settings
    from monailabel.datastore.local import LocalDatastore
    from monailabel.interfaces.app import MONAILabelApp
    from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException, MONAILabelException
    from monailabel.interfaces.tasks.infer_v2 import InferTask
    from monailabel.interfaces.tasks.scoring import ScoringMethod
    from monailabel.interfaces.tasks.strategy import Strategy
    from monailabel.interfaces.tasks.train import TrainTask
    from monailabel.utils.others.generic import device_list, name_to_device
    from monailabel.utils.others.pathology import create_asap_annotations_xml, create_dsa_annotations_json

    INSTALLED = True
except ImportError:
    INSTALLED = False

    class _Absent:
        """What a class of MONAI Label is without it."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise ImportError(HELP)

    class _NeverRaisedError(Exception):
        """Stands for an exception of MONAI Label."""

    def _absent(*args: Any, **kwargs: Any) -> Any:
        raise ImportError(HELP)

    LocalDatastore = MONAILabelApp = InferTask = TrainTask = Strategy = ScoringMethod = JSONResponse = _Absent
    HTTPException = MONAILabelException = ImageNotFoundException = LabelNotFoundException = _NeverRaisedError
    settings = None
    device_list = name_to_device = create_asap_annotations_xml = create_dsa_annotations_json = _absent

__all__ = [
    "HELP",
    "INSTALLED",
    "HTTPException",
    "ImageNotFoundException",
    "InferTask",
    "JSONResponse",
    "LabelNotFoundException",
    "LocalDatastore",
    "MONAILabelApp",
    "MONAILabelException",
    "ScoringMethod",
    "Strategy",
    "TrainTask",
    "create_asap_annotations_xml",
    "create_dsa_annotations_json",
    "device_list",
    "name_to_device",
    "settings",
]
