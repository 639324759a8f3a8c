"""Class logits to probabilities and back."""

# No "from __future__ import annotations": TorchScript reads the annotations as types.

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SoftmaxActivation(nn.Module):
    """Softmax over the first channels, with the class weights of the loss undone before.

    The weighted cross entropy is least for ``p_k = w_k q_k / sum(w q)`` where ``q`` are the true class probabilities; dividing
    by ``w`` gives ``q`` back.

    Args:
        channels: number of classes.

    >>> SoftmaxActivation(2)(torch.zeros(1, 3, 1, 1)).flatten().tolist()
    [0.5, 0.5, 0.0]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, output: Tensor) -> Tensor:
        """Probabilities in place of the class logits of ``(B, K + C, [D,] H, W)``."""
        return torch.cat([output[:, : self.channels].softmax(1), output[:, self.channels :]], 1)

    @torch.jit.export
    def correct(self, logits: Tensor, weights: Tensor) -> Tensor:
        """Class logits ``(B, K, [D,] H, W)`` without the class weights ``(K,)`` of the loss."""
        return logits - weights.log().reshape([1, self.channels] + [1] * (logits.dim() - 2))

    def invert(self, prediction: Tensor, weights: Tensor) -> Tensor:
        """What the loss takes, from probabilities."""
        added = weights.log().reshape([1, self.channels] + [1] * (prediction.dim() - 2))
        return torch.cat([prediction[:, : self.channels].clamp_min(1e-8).log() + added, prediction[:, self.channels :]], 1)


def check_weights(class_weights: Sequence[float] | None, names: Sequence[str]) -> None:
    """Check that there is one weight a class.

    Args:
        class_weights: the user's weights, or None.
        names: of the classes.

    Raises:
        ValueError: when there is not, or all are 0.

    >>> check_weights([1.0, 5.0], ["background", "liver"])
    """
    if class_weights is None:
        return
    if len(class_weights) != len(names):
        raise ValueError(
            f"`class_weights` has {len(class_weights)} entries, but the classes are {', '.join(names)}: give one weight a class, "
            "or null"
        )
    if not any(class_weights):
        raise ValueError(f"`class_weights` must not all be 0, got {class_weights}")
