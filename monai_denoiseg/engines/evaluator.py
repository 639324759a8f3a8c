"""The DenoiSeg evaluation engine: predictions of whole images, and the joint loss on fixed blind spots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import PrepareBatch, SupervisedEvaluator
from monai.engines.utils import IterationEvents
from torch import nn

from monai_denoiseg.engines.at_spacing import spacing_for
from monai_denoiseg.engines.domain_check import DomainCheck
from monai_denoiseg.engines.news import only_news
from monai_denoiseg.engines.precision import Precision
from monai_denoiseg.engines.trainer import average_parts
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import own_network


class DenoiSegEvaluator(SupervisedEvaluator):
    """Predict whole images and, with a loss function, measure the validation loss on the same blind spots every time.

    As :class:`monai.engines.SupervisedEvaluator`. ``state.output["pred"]`` is what the inferer gives for the *unmasked* image:
    class probabilities and denoised channels. With ``loss_function`` the masked image is predicted as well and the loss parts are
    averaged into ``state.metrics`` (``loss``, ``denoising``, ``segmentation``).

    Args:
        device: where to evaluate.
        val_data_loader: batches of whole images with ``image`` and ``label``; for the loss also ``image_hidden`` and
            ``image_mask``.
        network: see :class:`~monai_denoiseg.networks.DenoiSegNet`.
        inferer: see :class:`DenoiSegInferer`.
        prepare_batch: see :class:`BlindSpotBatch`.
        loss_function: see :class:`~monai_denoiseg.losses.DenoiSegLoss`; None measures no loss.
        val_handlers: Ignite handlers.
        amp: see :class:`Precision`.
        kwargs: further arguments of ``SupervisedEvaluator``.

    Example:
        >>> from monai_denoiseg.engines import BlindSpotBatch, DenoiSegInferer
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> from monai_denoiseg.transforms import BlindSpot
        >>> batch = {"image": torch.rand(1, 1, 16, 16), "label": torch.zeros(1, 1, 16, 16, dtype=torch.int64)}
        >>> net, prepare_batch = DenoiSegNet(2, depth=1, features=4), BlindSpotBatch(BlindSpot())
        >>> evaluator = DenoiSegEvaluator("cpu", [batch], net, DenoiSegInferer(), prepare_batch, DenoiSegLoss())
        >>> evaluator.run()
        >>> sorted(evaluator.state.metrics)
        ['denoising', 'loss', 'segmentation']
    """

    def __init__(
        self,
        device: str | torch.device,
        val_data_loader: Iterable[Any],
        network: nn.Module,
        inferer: Any,
        prepare_batch: PrepareBatch,
        loss_function: DenoiSegLoss | None = None,
        *,
        val_handlers: Sequence[Any] | None = None,
        amp: str | bool = "auto",
        **kwargs: Any,
    ) -> None:
        self.precision = Precision(device, amp)
        super().__init__(
            device=torch.device(device),
            val_data_loader=val_data_loader,
            network=self.precision.prepare(network),
            inferer=inferer,
            prepare_batch=prepare_batch,
            **kwargs,
        )
        self.loss_function, self.domain = loss_function, DomainCheck(network)
        self.add_event_handler(Events.COMPLETED, lambda _: self.domain.report())
        if loss_function is not None:
            # Before the handlers, so that they find the averages when an epoch is completed.
            average_parts(self)
        self._register_handlers(val_handlers or [])
        only_news(self)

    def _iteration(self, engine: Any, batchdata: Mapping[str, Any]) -> dict[str, Any]:
        hidden, targets, args, kwargs = self.prepare_batch(batchdata, self.state.device, self.non_blocking)
        image = targets["image"]
        self.state.output = {"image": image, "label": targets["label"]}
        with self.mode(self.network), self.precision.autocast(self.network, image):
            network: Any = own_network(self.network)
            if "intensity" not in kwargs:
                kwargs["intensity"] = network.intensity(image)
            kwargs |= spacing_for(network, batchdata)
            self._look(batchdata, image)
            self.state.output["pred"] = self.inferer(self.precision.layout(image), self.network, *args, **kwargs)
            if self.loss_function is not None:
                blind = self.inferer.predict(self.precision.layout(hidden), self.network, *args, **kwargs)
                self.state.parts = self.loss_function.parts(network.logits(blind), targets)
        self.fire_event(IterationEvents.FORWARD_COMPLETED)
        self.fire_event(IterationEvents.MODEL_COMPLETED)
        return self.state.output  # type: ignore[no-any-return]  # a list after decollation

    def _look(self, batchdata: Mapping[str, Any], images: torch.Tensor) -> None:
        """Compare images that come from files with those of the training."""
        names = getattr(batchdata["image"], "meta", {}).get("filename_or_obj")
        for name, image in zip([names] if isinstance(names, str) else names or [], images, strict=False):
            self.domain.add(str(name), image)
