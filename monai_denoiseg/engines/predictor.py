"""Inference over files: one that fails is reported and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import Evaluator
from torch import nn

from .bundle import first_cause
from .precision import Precision

logger = logging.getLogger(__name__)


class FilePredictor(Evaluator):
    """Predict the items of a data set one by one, each from loading to saving.

    A file that cannot be read, predicted or written is logged and skipped; when all others are done, :meth:`run` raises, so that
    the exit code of the program says so.

    Args:
        device: where to predict.
        dataset: items are loaded by index, as MONAI's ``Dataset`` does: ``image`` is a ``(C, [D,] H, W)`` MetaTensor.
        network: see :class:`~monai_denoiseg.networks.DenoiSegNet`.
        inferer: see :class:`DenoiSegInferer`.
        postprocessing: called with the item, ``pred`` added; writes the files.
        amp: see :class:`Precision`.
        handlers: Ignite handlers.

    Example:
        >>> from monai_denoiseg.engines import DenoiSegInferer
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> items = [{"image": torch.rand(1, 8, 8)}, {"image": torch.rand(3, 8, 8)}]
        >>> predictor = FilePredictor("cpu", items, DenoiSegNet(2, depth=1, features=4), DenoiSegInferer(), lambda item: item)
        >>> predictor.run()
        Traceback (most recent call last):
            ...
        RuntimeError: 1 of 2 files failed: item 1: the network takes (batch, 1 channel(s), 2 spatial axes), got shape [1, 3, 8, 8]
    """

    def __init__(
        self,
        device: str | torch.device,
        dataset: Any,
        network: nn.Module,
        inferer: Callable[..., torch.Tensor],
        postprocessing: Callable[[dict[str, Any]], Any],
        *,
        amp: str | bool = "auto",
        handlers: Sequence[Any] | None = None,
    ) -> None:
        self.precision = Precision(device, amp)
        super().__init__(device=torch.device(device), val_data_loader=range(len(dataset)), val_handlers=handlers, decollate=False)
        self.dataset, self.network, self.inferer = dataset, self.precision.prepare(network), inferer
        self.write = postprocessing
        self.failures: dict[str, str] = {}
        self.add_event_handler(Events.STARTED, lambda _: self.failures.clear())

    def _iteration(self, engine: Any, batchdata: int) -> dict[str, Any]:
        try:
            item = self.dataset[batchdata]
            image = item["image"]
            batch = torch.as_tensor(image).as_subclass(torch.Tensor)[None].to(self.state.device)
            with self.mode(self.network), self.precision.autocast():
                pred = self.inferer(self.precision.layout(batch), self.network)
            self.write({**item, "pred": pred[0].float()})
        except Exception as error:  # whatever a single file does must not stop the others
            name = self._name(batchdata)
            cause = first_cause(error)  # MONAI wraps errors in "applying transform ..."
            self.failures[name] = str(cause) or type(cause).__name__
            logger.error("failed: %s: %s", name, self.failures[name])
        return {}

    def _name(self, index: int) -> str:
        data = getattr(self.dataset, "data", None)
        return str(data[index]["image"]) if data is not None else f"item {index}"

    def run(self, global_epoch: int = 1) -> None:
        """Predict all items.

        Args:
            global_epoch: see MONAI's ``Evaluator.run``.

        Raises:
            RuntimeError: naming the files that failed, after the others are done.
        """
        super().run(global_epoch)
        if self.failures:
            listed = "; ".join(f"{name}: {reason}" for name, reason in self.failures.items())
            raise RuntimeError(f"{len(self.failures)} of {len(self.dataset)} files failed: {listed}")
