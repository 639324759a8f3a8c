"""The experts by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from typing import Any

from monai_denoiseg.checks import check_option, suggest
from monai_denoiseg.self2seg.cnn_expert import Noise2FastExpert
from monai_denoiseg.self2seg.constant_expert import ConstantExpert
from monai_denoiseg.self2seg.expert import Expert
from monai_denoiseg.self2seg.linear_expert import RIDGE, LinearExpert
from monai_denoiseg.self2seg.noise2fast_training import Noise2FastSettings

EXPERTS = ("noise2fast", "linear", "constant")
OPTIONS = ("settings", "warm", "warm_iterations", "compare", *(field.name for field in fields(Noise2FastSettings)))


def make_experts(experts: Sequence[str | Expert], seed: int = 0, ridge: float = RIDGE, **noise2fast: Any) -> list[Expert]:
    """Make an expert for each region.

    Args:
        experts: names (``"noise2fast"``, ``"linear"``, ``"constant"``) or objects, of the background first. Objects are copied,
            so no run starts from what another has learnt.
        seed: of the random numbers; each expert gets its own.
        ridge: of the experts named ``"linear"``, see :class:`~monai_denoiseg.self2seg.linear_expert.LinearExpert`.
        noise2fast: options of the experts named ``"noise2fast"``. They are checked even if there is no such expert, so that a
            misspelt argument does not go unnoticed.

    Raises:
        ValueError: for fewer than two experts, or an unknown name.
        TypeError: for an unknown option.

    >>> [type(expert).__name__ for expert in make_experts(["constant", "linear"])]
    ['ConstantExpert', 'LinearExpert']
    """
    if isinstance(experts, (str, Mapping)) or len(experts) < 2:
        raise ValueError(f"`experts` needs one expert for each of at least two regions, background first, got {experts!r}")
    for name in noise2fast:
        if name not in OPTIONS:
            raise TypeError(f"neither Self2Seg nor Noise2FastExpert has an option `{name}`{suggest(name, OPTIONS)}")
    linear = LinearExpert(ridge=ridge)
    return [_make(expert, seed + index, linear, noise2fast) for index, expert in enumerate(experts)]


def _make(expert: str | Expert, seed: int, linear: LinearExpert, noise2fast: Mapping[str, Any]) -> Expert:
    if not isinstance(expert, str):
        return deepcopy(expert)
    check_option("experts", expert, EXPERTS)
    if expert == "constant":
        return ConstantExpert()
    return deepcopy(linear) if expert == "linear" else Noise2FastExpert(seed=seed, **noise2fast)
