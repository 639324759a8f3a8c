"""The rule that makes labels of a prediction: that of the model file, unless the user says otherwise."""

from __future__ import annotations

import logging
from typing import Any

from monai_denoiseg.checks import check_option
from monai_denoiseg.heads.border import BorderHead
from monai_denoiseg.heads.head import RULE_KEYS, Head
from monai_denoiseg.processes import is_main_process, unwrap

logger = logging.getLogger(__name__)

METRICS = ("ap", "seg")
_USUAL: dict[str, Any] = {"rule": "grow", "split_neck": 0.7, "fill_holes": False, "units": "voxel"}
_USUAL_SIZE = {2: 15, 3: 100}


def usual_options(spatial_dims: int) -> dict[str, Any]:
    """Options of the rule of version 0.1.0, whose files do not hold them, and of methods without training.

    Args:
        spatial_dims: 2 or 3.

    >>> usual_options(3)["min_size"]
    100
    """
    return {**_USUAL, "min_size": _USUAL_SIZE[spatial_dims]}


def head_of(network: Any) -> Head:
    """The head of a network (a distributed wrapper is taken off); another package's network counts as one of three classes.

    Args:
        network: a network.

    >>> from torch import nn
    >>> head_of(nn.Identity()).kind
    'border'
    """
    head = getattr(unwrap(network), "head", None)
    return head if isinstance(head, Head) else BorderHead()


def denoises(network: Any) -> bool:
    """Whether a network has denoised channels; another package's network is taken to have them.

    Args:
        network: a network, wrapped or not.

    >>> from torch import nn
    >>> denoises(nn.Identity())
    True
    """
    return bool(getattr(unwrap(network), "denoises", True))


def decision_threshold(network: Any, threshold: float | None = None, metric: str = "ap") -> float:
    """The foreground threshold to use: the user's, or the one found in training.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` with its weights.
        threshold: the user's, or None.
        metric: ``"ap"`` or ``"seg"``: which of the stored ones.

    >>> from types import SimpleNamespace
    >>> network = SimpleNamespace(threshold=[0.5, 0.6])
    >>> decision_threshold(network, metric="seg"), decision_threshold(None, 0.3)
    (0.6, 0.3)
    """
    check_option("threshold_for", metric, METRICS)
    return round(float(network.threshold[METRICS.index(metric)]), 4) if threshold is None else float(threshold)


def decision_overlap(network: Any, overlap: float | None = None, metric: str = "ap") -> float:
    """The overlap above which StarDist's non-maximum suppression drops an object: the user's, or the one found in training.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` with its weights.
        overlap: the user's, or None.
        metric: ``"ap"`` or ``"seg"``: which of the stored ones.

    >>> decision_overlap(None, 0.3)
    0.3
    """
    check_option("threshold_for", metric, METRICS)
    return round(float(network.overlap[METRICS.index(metric)]), 4) if overlap is None else float(overlap)


def rule_of(
    network: Any,
    *,
    threshold: float | None = None,
    threshold_for: str = "ap",
    overlap: float | None = None,
    **options: Any,
) -> Any:
    """What makes labels of a network's prediction: the rule its threshold was searched with.

    A threshold is only right together with the rest of the rule, so the rule is in the model file. What is given here wins, and
    each value that differs from the file's is logged.

    Args:
        network: a network with its weights (a distributed wrapper is taken off).
        threshold: foreground threshold; None takes the network's.
        threshold_for: ``"ap"`` or ``"seg"``: which of the network's thresholds.
        overlap: of the non-maximum suppression; None takes the network's.
        options: of the rule (``rule``, ``min_size``, ``split_neck``, ``fill_holes``, ``units``, ...); None takes the network's.

    Returns:
        A rule, called ``(prediction, threshold=None, spacing=None)``.

    Raises:
        ValueError: for options out of range.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> rule_of(DenoiSegNet(2, depth=1, features=4), min_size=7).options["min_size"]
    7
    """
    network = unwrap(network)
    head = head_of(network)
    stored, given = head.options(), {key: value for key, value in options.items() if value is not None}
    found = {
        "threshold": decision_threshold(network, threshold, threshold_for),
        "overlap": decision_overlap(network, overlap, threshold_for),
    }
    rule = head.make_rule(**(stored | given), **found)
    if threshold is not None and getattr(rule, "threshold", None) is not None:
        stored["threshold"] = decision_threshold(network, None, threshold_for)
    if overlap is not None and "overlap" in getattr(rule, "options", {}):
        stored["overlap"] = decision_overlap(network, None, threshold_for)
    _say({key: (stored[key], new) for key, new in (given | found).items() if key in stored and stored[key] != new})
    _warn_of_idle(head, [key for key in given if key not in head.options()], threshold, overlap, rule)
    return rule


def describe(head: Head) -> str:
    """A head in the words of the user's keys.

    >>> describe(BorderHead())
    '"classes"'
    """
    keys = head.keys()
    named = f" with the classes {', '.join(keys['classes'])}" if keys.get("classes") else ""
    return f'"{keys["head"]}"{named}'


def _warn_of_idle(head: Head, idle: list[str], threshold: float | None, overlap: float | None, rule: Any) -> None:
    """Warn of what the user gave and the rule of this head has no use for."""
    idle = [RULE_KEYS.get(key, key) for key in idle]
    idle += ["threshold"] * (threshold is not None and not hasattr(rule, "threshold"))
    idle += [RULE_KEYS["overlap"]] * (overlap is not None and "overlap" not in getattr(rule, "options", {}))
    if idle and is_main_process():
        keys, verb = ", ".join(f"`{key}`" for key in idle), "has" if len(idle) == 1 else "have"
        logger.warning("%s %s no effect: the network predicts `head` %s", keys, verb, describe(head))


def _say(changed: dict[str, tuple[Any, Any]]) -> None:
    if changed and is_main_process():
        listed = (f"{RULE_KEYS.get(key, key)} {new} instead of the model file's {old}" for key, (old, new) in changed.items())
        logger.info("labels are made with %s", ", ".join(listed))
