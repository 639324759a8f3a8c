"""Labels in which only some of the classes are annotated: what is no such class may be background or any of the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_denoiseg.constants import IGNORE

MOST_CLASSES = 30
"""Classes, the background included, that an int32 label can hold open."""
_NEVER = -1e4


def open_value(numbers: Collection[int]) -> int:
    """The label value of a voxel that is background or one of these classes; it lies below -2.

    Args:
        numbers: of the classes that are not annotated, 1 or more.

    >>> open_value([1]), open_value([2]), open_value([1, 2])
    (-3, -5, -7)
    """
    return IGNORE - sum(1 << number for number in numbers)


def open_label(label: np.ndarray, annotated: Sequence[str], classes: Sequence[str], name: str = "label") -> np.ndarray:
    """Say in a label that only some of the classes were annotated.

    Args:
        label: class numbers of any shape, -1 where nothing is annotated.
        annotated: names of the classes that were, all of them in the whole image (or where it is not -1).
        classes: names of all, background first.
        name: of the file, for error messages.

    Returns:
        The same, with :func:`open_value` in place of 0.

    Raises:
        ValueError: for a name that is no class, too many classes, or a label that holds a class which is not among them.

    >>> open_label(np.array([0, 2, -1]), ["spleen"], ["background", "liver", "spleen"]).tolist()
    [-3, 2, -1]
    """
    unknown = [one for one in annotated if one not in classes[1:]]
    if unknown or not annotated:
        raise ValueError(
            f"{name}: `annotated` must name some of the classes {', '.join(classes[1:])}, got {', '.join(unknown) or 'none'}"
        )
    others = [number for number, one in enumerate(classes) if number and one not in annotated]
    held = [classes[number] for number in others if (label == number).any()]
    if held:
        raise ValueError(f"{name} holds {', '.join(held)}, which `annotated` leaves out: add the class there, or erase it")
    if others and len(classes) > MOST_CLASSES:
        raise ValueError(f"`annotated` is for up to {MOST_CLASSES} `classes`, background included; there are {len(classes)}")
    return np.where(label == 0, open_value(others), label).astype(label.dtype) if others else label


def is_open(label: Tensor, number: int) -> Tensor:
    """Where a class may or may not be, because nobody annotated it.

    Args:
        label: class numbers of any shape.
        number: of the class.

    >>> is_open(torch.tensor([0, 1, -1, -3, -5]), 2).tolist()
    [False, False, False, False, True]
    """
    return (label < IGNORE) & (((IGNORE - label.long()) >> number) & 1 > 0)


def opens(label: Any, n_classes: int) -> Any:
    """Where a label has a value that :func:`open_value` makes.

    Args:
        label: class numbers of any shape, NumPy or PyTorch.
        n_classes: the background included.

    >>> opens(np.array([0, -1, -2, -3, -5, -9]), 3).tolist()
    [False, False, False, True, True, False]
    """
    lowest = open_value(range(1, n_classes)) if n_classes <= MOST_CLASSES else IGNORE
    return (label < IGNORE) & (label >= lowest) & (label % 2 == 1)


def merge_open(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Count the open classes as background, voxel by voxel: the probability of either is the sum of theirs.

    Any loss of class numbers can then compare (Shi et al., Medical Image Analysis 70, 2021, the marginal loss).

    Args:
        logits: ``(B, K, [D,] H, W)``.
        label: ``(B, 1, [D,] H, W)``.

    Returns:
        Logits and label; where no class is open as they were given.

    >>> logits, label = merge_open(torch.zeros(1, 3, 1, 2), torch.tensor([[[[1, -5]]]]))
    >>> logits.softmax(1)[0, :, 0, 1].tolist(), label.tolist()
    ([0.6666666865348816, 0.3333333432674408, 0.0], [[[[1, 0]]]])
    """
    if not label.numel() or int(label.min()) >= IGNORE:
        return logits, label
    known = opens(label, logits.shape[1])
    which = torch.cat([known & is_open(label, number) for number in range(logits.shape[1])], 1)
    joined = torch.cat([logits[:, :1], logits.masked_fill(~which, _NEVER)[:, 1:]], 1).logsumexp(1, keepdim=True)
    return torch.cat([joined, logits.masked_fill(which, _NEVER)[:, 1:]], 1), torch.where(known, 0, label)
