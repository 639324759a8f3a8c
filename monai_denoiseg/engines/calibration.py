"""The last search of the thresholds, as inference will run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from monai_denoiseg.files import save_atomically
from monai_denoiseg.networks import load_weights
from monai_denoiseg.processes import is_main_process, unwrap

logger = logging.getLogger(__name__)


def calibrate(network: Any, model_file: str | Path, evaluator: Any) -> dict[str, float]:
    """Reload the best network and search its thresholds once more, as inference will run it, then save it.

    Validation during training predicts without test-time augmentation to save time; probabilities averaged over orientations have
    another best threshold.

    Args:
        network: the trained network (a distributed wrapper is taken off).
        model_file: ``model.pt``; it is rewritten with the new thresholds.
        evaluator: an evaluator of that network with a :class:`~monai_denoiseg.handlers.ThresholdSearch`.

    Returns:
        The evaluator's metrics.

    >>> import tempfile
    >>> from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> from monai_denoiseg.transforms import BlindSpot
    >>> network = DenoiSegNet(2, depth=1, features=4)
    >>> batch = {"image": torch.rand(1, 1, 16, 16), "label": torch.zeros(1, 1, 16, 16)}
    >>> evaluator = DenoiSegEvaluator("cpu", [batch], network, DenoiSegInferer(tta=True), BlindSpotBatch(BlindSpot()))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(network.state_dict(), f"{folder}/model.pt")
    ...     calibrate(network, f"{folder}/model.pt", evaluator)  # no ThresholdSearch: nothing is measured
    {}
    """
    network = unwrap(network)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
    load_weights(network, model_file)
    evaluator.run()
    metrics: dict[str, float] = dict(evaluator.state.metrics)
    if hasattr(network, "training_info"):  # another package's network tells nothing
        network.training_info = {**network.training_info, "scores": metrics}
    if is_main_process():
        save_atomically(network.state_dict(), model_file)
    logger.info("%s: %s", model_file, ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    return metrics
