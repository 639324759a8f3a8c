"""The DenoiSeg training engine: MONAI's ``SupervisedTrainer`` with the joint loss, CPU autocast and a NaN stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from ignite.metrics import Average
from monai.engines import PrepareBatch, SupervisedTrainer
from monai.engines.utils import IterationEvents
from torch import nn
from torch.optim import Optimizer

from monai_denoiseg.engines.news import only_news
from monai_denoiseg.engines.precision import Precision
from monai_denoiseg.losses import JointLoss

PARTS = {"loss": "total", "denoising": "denoising", "segmentation": "segmentation"}


def average_parts(engine: Any) -> None:
    """Average the loss parts over an epoch into ``engine.state.metrics`` (over all processes).

    Args:
        engine: an engine that sets ``state.parts`` (a :class:`~monai_denoiseg.losses.JointLoss`) in each iteration. The parts do
            not travel in ``state.output``, which decollation would tear apart.

    >>> from ignite.engine import Engine
    >>> def step(engine, x):
    ...     engine.state.parts = JointLoss(*torch.tensor([x, 2 * x, 0.0]))
    >>> engine = Engine(step)
    >>> average_parts(engine)
    >>> engine.run([1.0, 2.0]).metrics
    {'loss': 1.5, 'denoising': 3.0, 'segmentation': 0.0}
    """
    for name, field in PARTS.items():
        Average(output_transform=lambda _, field=field: float(getattr(engine.state.parts, field))).attach(engine, name)


class DenoiSegTrainer(SupervisedTrainer):
    """Train denoising and segmentation together.

    As :class:`monai.engines.SupervisedTrainer` (same arguments, events and handlers), with three differences: the loss returns
    its parts (averaged per epoch into ``state.metrics`` as ``loss``, ``denoising``, ``segmentation``), autocast works on CPU too,
    and a loss that is not finite stops the run and names the batch.

    Args:
        device: where to train.
        max_epochs: epochs to train.
        train_data_loader: batches with ``image`` and ``label`` (and ``intensity``), see :class:`BlindSpotBatch`.
        network: see :class:`~monai_denoiseg.networks.DenoiSegNet`.
        optimizer: over the network's parameters.
        loss_function: see :class:`~monai_denoiseg.losses.DenoiSegLoss`.
        prepare_batch: see :class:`BlindSpotBatch`.
        train_handlers: Ignite handlers.
        amp: see :class:`Precision`.
        kwargs: further arguments of ``SupervisedTrainer``.

    Example:
        >>> from monai_denoiseg.losses import DenoiSegLoss
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> from monai_denoiseg.transforms import BlindSpot
        >>> from monai_denoiseg.engines import BlindSpotBatch
        >>> batch = {"image": torch.rand(2, 1, 16, 16), "label": torch.zeros(2, 1, 16, 16, dtype=torch.int64)}
        >>> net = DenoiSegNet(2, depth=1, features=4)
        >>> trainer = DenoiSegTrainer(
        ...     "cpu", 2, [batch] * 3, net, torch.optim.Adam(net.parameters()), DenoiSegLoss(), BlindSpotBatch(BlindSpot())
        ... )
        >>> trainer.run()
        >>> trainer.state.iteration
        6
    """

    def __init__(
        self,
        device: str | torch.device,
        max_epochs: int,
        train_data_loader: Iterable[Any],
        network: nn.Module,
        optimizer: Optimizer,
        loss_function: nn.Module,
        prepare_batch: PrepareBatch,
        *,
        train_handlers: Sequence[Any] | None = None,
        amp: str | bool = "auto",
        **kwargs: Any,
    ) -> None:
        self.precision = Precision(device, amp)
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            train_data_loader=train_data_loader,
            network=self.precision.prepare(network),
            optimizer=optimizer,
            loss_function=loss_function,
            prepare_batch=prepare_batch,
            decollate=False,
            optim_set_to_none=True,
            **kwargs,
        )
        # Before the handlers, so that they find the averages when an epoch is completed.
        average_parts(self)
        self._register_handlers(train_handlers or [])
        only_news(self, epochs=True)

    def _iteration(self, engine: Any, batchdata: Mapping[str, Any]) -> dict[str, Any]:
        inputs, targets, args, kwargs = self.prepare_batch(batchdata, self.state.device, self.non_blocking)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision.autocast(self.network, inputs):
            output = self.inferer(self.precision.layout(inputs), self.network, *args, **kwargs)
        self.state.output = {"image": inputs, "label": targets, "pred": output}
        self.fire_event(IterationEvents.FORWARD_COMPLETED)
        parts: JointLoss = self.loss_function.parts(output, targets)
        self._stop_if_not_finite(parts, targets)
        self.state.output["loss"] = parts.total.detach()
        self.state.parts = JointLoss(*(part.detach() for part in parts))
        self.fire_event(IterationEvents.LOSS_COMPLETED)
        self._step(parts.total)
        self.fire_event(IterationEvents.MODEL_COMPLETED)
        return dict(self.state.output)

    def _step(self, loss: torch.Tensor) -> None:
        scaler = self.precision.scaler
        if scaler is None:
            loss.backward()
            self.fire_event(IterationEvents.BACKWARD_COMPLETED)
            self.optimizer.step()
        else:
            scaler.scale(loss).backward()
            self.fire_event(IterationEvents.BACKWARD_COMPLETED)
            scaler.step(self.optimizer)
            scaler.update()

    def _stop_if_not_finite(self, parts: JointLoss, targets: Mapping[str, torch.Tensor]) -> None:
        if bool(torch.isfinite(parts.total)):
            return
        bad = [i for i, image in enumerate(targets["image"]) if not bool(torch.isfinite(image).all())]
        cause = (
            f"images {bad} of the batch hold NaN or infinity"
            if bad
            else "the images are finite: lower `learning_rate` or set `amp` to 'off'"
        )
        values = ", ".join(f"{name} {float(getattr(parts, field).detach()):g}" for name, field in PARTS.items())
        where = f"epoch {self.state.epoch}, iteration {self.state.iteration}"
        raise FloatingPointError(f"the loss is not finite at {where} ({values}); {cause}. The last checkpoint is kept.")
