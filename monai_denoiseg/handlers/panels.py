"""Pictures of the first validation image as training goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from monai_denoiseg.files import write_bytes
from monai_denoiseg.handlers.labels import known_spacing, predicted_labels
from monai_denoiseg.heads import Head
from monai_denoiseg.pictures import join_panels, panel_images, to_png_bytes
from monai_denoiseg.processes import is_main_process, unwrap


def prediction_arrays(
    prediction: Tensor,
    image: Tensor,
    labels: Any,
    head: Head,
    spacing: Any = None,
    *,
    denoises: bool = True,
) -> dict[str, np.ndarray]:
    """Name the parts of a prediction as the pictures and the report want them.

    Args:
        prediction: ``(K + C, [D,] H, W)``: segmentation channels, then denoised channels, if any.
        image: noisy input ``(C, [D,] H, W)``.
        labels: predicted labels ``(1, [D,] H, W)``; None without segmentation.
        head: what the network predicts.
        spacing: voxel size along each axis, or None if unknown.
        denoises: whether there are denoised channels.

    Returns:
        ``input`` and what there is of ``denoised``, ``probabilities``, labels (without channel) under the head's ``suffix``, and
        ``spacing`` as arrays.

    >>> import torch
    >>> from monai_denoiseg.heads import BorderHead, NoHead
    >>> sorted(prediction_arrays(torch.zeros(4, 8, 8), torch.zeros(1, 8, 8), torch.zeros(1, 8, 8), BorderHead()))
    ['denoised', 'input', 'instances', 'probabilities']
    >>> sorted(prediction_arrays(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8), None, NoHead()))
    ['denoised', 'input']
    """
    arrays = {"input": np.asarray(image.float().cpu())}
    if denoises:
        arrays["denoised"] = np.asarray(prediction[head.channels :].float().cpu())
    if head.segments:
        arrays["probabilities"] = np.asarray(prediction[: head.probability_channels].float().cpu())
        arrays[head.suffix] = np.asarray(labels)[0]
    return arrays if spacing is None else arrays | {"spacing": np.asarray(spacing, np.float32)}


class ImagePanels:
    """Draw the first image of each validation: input, denoised image and what was removed, probabilities, instances or classes.

    What the network does not do is left out.

    Args:
        output_dir: folder for ``epoch_0010.png`` and so on.
        instances: callable ``(probabilities, threshold, spacing=...)`` that gives instances or classes.
        network: the network, for its channels, classes and present threshold (a distributed wrapper is taken off).
        log_dir: TensorBoard folder that gets the picture too, or None.

    Example:
        >>> import tempfile, torch
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> from monai_denoiseg.transforms import ProbabilitiesToInstances
        >>> engine = Engine(lambda engine, batch: [{"image": torch.rand(1, 8, 8), "pred": torch.rand(4, 8, 8)}])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ImagePanels(folder, ProbabilitiesToInstances(), DenoiSegNet(2, depth=1, features=4)).attach(engine)
        ...     _ = engine.run([0, 0], max_epochs=2)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['epoch_0001.png', 'epoch_0002.png']
    """

    def __init__(
        self,
        output_dir: str | Path,
        instances: Callable[..., Any],
        network: nn.Module,
        log_dir: str | Path | None = None,
    ) -> None:
        self.output_dir, self.instances = Path(output_dir), instances
        self.network: Any = unwrap(network)
        self.log_dir = log_dir
        self.writer: SummaryWriter | None = None
        self._drawn = False

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._rearm)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._draw)

    def close(self) -> None:
        """Close TensorBoard's writer, which keeps a thread and a file open."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _rearm(self, engine: Any) -> None:
        self._drawn = False

    def _draw(self, engine: Any) -> None:
        if self._drawn or not is_main_process():
            return
        self._drawn = True
        output, batch = engine.state.output[0], engine.state.batch
        item = batch[0] if isinstance(batch, Sequence) else None
        arrays = self._arrays(output["pred"], output["image"], item)
        picture = join_panels(list(panel_images(arrays).values()))
        write_bytes(to_png_bytes(picture), self.output_dir / f"epoch_{engine.state.epoch:04d}.png")
        if self.log_dir is not None:
            self.writer = self.writer or SummaryWriter(str(self.log_dir))
            self.writer.add_image("validation", picture, engine.state.epoch, dataformats="HWC")

    def _arrays(self, prediction: Tensor, image: Tensor, item: Any) -> dict[str, np.ndarray]:
        head, found = self.network.head, None
        if head.segments:
            found = predicted_labels(self.instances, prediction[: head.channels], float(self.network.threshold[0]), item)
        return prediction_arrays(prediction, image, found, head, known_spacing(item), denoises=self.network.denoises)
