"""Tracking by MLflow (``--tracking mlflow``): settings, scores, pictures and network beside the curves that MONAI logs."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from monai.bundle import ReferenceResolver
from monai.bundle.utils import ID_SEP_KEY

from monai_denoiseg.processes import is_main_process

logger = logging.getLogger(__name__)

FILES = {
    "settings": ("settings.json", "config_*.json"),
    "logs": ("train_log.csv", "validation_log.csv"),
    "scores": ("metrics.json", "per_image.csv"),
    "pictures": ("panels/*.png",),
}
"""What is kept with a run: patterns of files by folder."""

_HANDLER = "MLFlowHandler"
_LONGEST, _AT_ONCE = 500, 100  # what every version of MLflow takes: characters of a value, values in one call


def need_mlflow() -> None:
    """Raise where MLflow is not installed.

    Raises:
        ModuleNotFoundError: with the command that installs it.
    """
    if find_spec("mlflow") is None:
        raise ModuleNotFoundError("`tracking` 'mlflow' needs MLflow, which is not installed: pip install mlflow")


def keep_tracking_open(resolver: ReferenceResolver) -> None:
    """Let the handlers of a configuration leave the run of MLflow open, so that the results can be added.

    Args:
        resolver: of the running configuration; one without tracking stays as it is.

    Raises:
        ModuleNotFoundError: when it is to be tracked, and MLflow is not installed.

    >>> keep_tracking_open(ReferenceResolver())
    """
    for place, item in list(resolver.items.items()):
        if isinstance(item.config, dict) and str(item.config.get("_target_")).rpartition(".")[2] == _HANDLER:
            need_mlflow()
            item.config = {**item.config, "close_on_complete": False}
            if "output_transform" in item.config:  # MONAI's is made for a list, one entry for each image of a batch
                resolver.resolved_content[f"{place}{ID_SEP_KEY}output_transform"] = loss_of_step


def loss_of_step(output: Any) -> float:
    """The loss in what a trainer made of a batch.

    Args:
        output: of :class:`~monai_denoiseg.engines.DenoiSegTrainer`, or a list of such, one for each image.

    >>> loss_of_step({"loss": 0.5}), loss_of_step([{"loss": 0.25}])
    (0.5, 0.25)
    """
    return float((output[0] if isinstance(output, list) else output)["loss"])


def add_results(resolver: ReferenceResolver, settings: Mapping[str, Any], output_dir: str, network: str | None) -> None:
    """Add settings, scores, pictures and network of a finished run to that of MLflow, and close it.

    Args:
        resolver: of the running configuration; without tracking nothing happens.
        settings: name and value of each setting.
        output_dir: folder of the run.
        network: ``model.pt``, if one was trained.

    >>> add_results(ReferenceResolver(), {}, ".", None)
    """
    handlers = [one for one in _parts(resolver) if type(one).__name__ == _HANDLER and one.cur_run is not None]
    if not handlers or not is_main_process():
        return
    first = handlers[0]
    client, run = first.client, first.cur_run.info.run_id
    known = client.get_run(run).data.params
    _log_settings(client, run, {key: value for key, value in settings.items() if key not in known})
    for name, score in _scores(Path(output_dir) / "metrics.json"):
        client.log_metric(run, name, score)
    for folder, patterns in FILES.items():
        for path in sorted(path for pattern in patterns for path in Path(output_dir).glob(pattern)):
            client.log_artifact(run, str(path), folder)
    if network is not None and Path(network).is_file():
        client.log_artifact(run, network, "model")
    logger.info("MLflow: run %s of %s", first.cur_run.info.run_name, client.tracking_uri)
    for handler in handlers:
        handler.close()


def _log_settings(client: Any, run: str, settings: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    values = [Param(key, str(value)[:_LONGEST]) for key, value in settings.items()]
    for start in range(0, len(values), _AT_ONCE):
        client.log_batch(run, params=values[start : start + _AT_ONCE])


def _scores(path: Path) -> Iterator[tuple[str, float]]:
    """The numbers of ``metrics.json``."""
    for name, value in (json.loads(path.read_text("utf-8")) if path.is_file() else {}).items():
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            yield name, float(value)


def _parts(resolver: ReferenceResolver) -> Iterator[Any]:
    """All that was made of the configuration so far."""
    for value in list(resolver.resolved_content.values()):
        yield from value if isinstance(value, list) else [value]
