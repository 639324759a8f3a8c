"""Files of version 0.1.0 (format 1): the architecture is a row of integers, names of classes are bytes, there is no rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from monai_denoiseg.heads import as_head, usual_options

OWN_KEYS = ("architecture", "class_names", "rays")
"""Entries of a state dict that only format 1 has."""

_NORMS, _VARIANTS = ("batch", "none"), ("care", "n2v2")
_HEAD = 9


def read_format_1(state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Any]:
    """Describe the network of a state dict of format 1 as format 2 does.

    The rule, which such a file does not hold, is what the bundles of version 0.1.0 used.

    Args:
        state: the state dict.
        prefix: of the network's entries.

    Raises:
        ValueError: when the row has not as many integers as such a network needs.
    """
    plan, n_rays, n_classes = _architecture(state[prefix + "architecture"])
    plan["normalisation"] = "image" if bool(state[prefix + "image_mode"]) else "dataset"
    plan["quarter_turns"] = bool(state.get(prefix + "quarter_turns", True))
    text = bytes(state[prefix + "class_names"].tolist()).decode() if prefix + "class_names" in state else ""
    head = as_head(
        classes=text.split("\n") if text else None,
        rays=state[prefix + "rays"] if n_rays else None,
        n_classes=None if n_rays else n_classes,
    )
    head = head.with_rule(head.make_rule(**usual_options(plan["spatial_dims"])))
    return {"format": 1, "architecture": plan, "head": head.state()}


def _architecture(row: Tensor) -> tuple[dict[str, Any], int, int]:
    """The plan by names, the number of rays and that of classes."""
    values = [int(v) for v in row]
    spatial_dims, in_channels, n_classes, depth, features, norm, variant, n_rays, denoises = values[:_HEAD]
    if len(values) != _HEAD + (2 * depth + 1) * spatial_dims:
        raise ValueError(
            f"the file describes its network with {len(values)} numbers, {_HEAD + (2 * depth + 1) * spatial_dims} are needed: "
            "it comes from another version of monai_denoiseg; train the network again"
        )
    levels = [values[i : i + spatial_dims] for i in range(_HEAD, len(values), spatial_dims)]
    plan = {
        "spatial_dims": spatial_dims,
        "in_channels": in_channels,
        "depth": depth,
        "features": features,
        "kernel_size": levels[: depth + 1],
        "strides": levels[depth + 1 :],
        "norm": _NORMS[norm],
        "variant": _VARIANTS[variant],
        "denoises": bool(denoises),
    }
    return plan, n_rays, n_classes
