"""What a model file says of itself: JSON in one buffer of fixed length, so that every value of the state dict is a tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.heads import Head, head_from_state
from monai_denoiseg.heads.rule import METRICS
from monai_denoiseg.intensity import check_limits
from monai_denoiseg.networks.backbone import same_backbone
from monai_denoiseg.networks.format1 import OWN_KEYS, read_format_1
from monai_denoiseg.spacing import check_target

FORMAT = 2
"""Raised only when a field changes its meaning. New fields do not raise it: a program keeps those it does not know."""

SIZE = 1 << 17
"""Bytes of the buffer: a fixed length lets MONAI's ``copy_model_state`` and strict foreign loads copy it as any other value."""

KEY = "description"
_NOT_OF_THE_WEIGHTS = (
    *("normalisation", "quarter_turns", "flips", "limits", "target_spacing", "target_unit", "multiple", "receptive_radius"),
)


def blank_description() -> dict[str, Any]:
    """What a file holds at least, beside what its network tells.

    >>> blank_description()
    {'format': 2, 'training': {}}
    """
    return {"format": FORMAT, "training": {}}


def encode_description(fields: Mapping[str, Any]) -> Tensor:
    """Write fields as JSON, filled up with zeros.

    Args:
        fields: what JSON can hold; numbers that are not finite become null.

    Returns:
        uint8 ``(SIZE,)``.

    Raises:
        ValueError: when the text is longer than the buffer.
        TypeError: for a value JSON cannot hold.

    >>> encode_description({"format": 2})[:13].tolist() == list(b'{"format": 2}')
    True
    """
    text = json.dumps(_plain(fields), allow_nan=False, ensure_ascii=False).encode()
    if len(text) > SIZE:
        raise ValueError(
            f"the description of the network has {len(text):,} bytes, a model file has room for {SIZE:,}: say less in "
            f"`training_info` ({len(json.dumps(_plain(fields.get('training', {}))).encode()):,} bytes)"
        )
    buffer = torch.zeros(SIZE, dtype=torch.uint8)
    buffer[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    return buffer


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decode_description(buffer: Tensor) -> dict[str, Any]:
    """Read the fields of :func:`encode_description`.

    Args:
        buffer: uint8 ``(n,)``.

    Raises:
        ValueError: when it holds no such text, or that of a newer format.

    >>> decode_description(encode_description({"format": 2, "new": "ü"}))
    {'format': 2, 'new': 'ü'}
    """
    try:
        fields = json.loads(bytes(buffer.to("cpu", torch.uint8).numpy()).rstrip(b"\0").decode())
        number = int(fields["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("its description is damaged; take another copy of the file") from error
    if number > FORMAT:
        raise ValueError(
            f"it is of format {number}, but this version of monai_denoiseg reads formats up to {FORMAT}: update monai_denoiseg"
        )
    return dict(fields)


def describe_state(state: Mapping[str, Any], prefix: str = "") -> dict[str, Any] | None:
    """The description in a state dict of any known format; None where there is none.

    Args:
        state: the state dict.
        prefix: of the network's entries.

    Raises:
        ValueError: see :func:`decode_description`.

    >>> describe_state({}) is None
    True
    """
    if prefix + KEY in state:
        return decode_description(torch.as_tensor(state[prefix + KEY]))
    return read_format_1(state, prefix) if prefix + "architecture" in state else None


def present_state(state: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Description and entries of a state dict of any known format, as the present format has them.

    Args:
        state: the state dict.
        prefix: of the network's entries.

    Returns:
        What :func:`describe_state` finds, and a copy of the state without the entries that only old formats have.
    """
    old = {prefix + key for key in OWN_KEYS}
    kept = {prefix + "blind": torch.tensor(True)} | {key: value for key, value in state.items() if key not in old}
    return describe_state(state, prefix), kept


def describe_architecture(network: Any, modes: tuple[str, ...]) -> dict[str, Any]:
    """Arguments that build a network, by name; without the head.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet`.
        modes: names of the two ways to normalise.
    """
    return {
        **network.plan,
        **network.unet.arguments(),
        **({} if network.flips else {"flips": False}),
        **({"limits": list(network.limits)} if network.limits else {}),
        **({"target_spacing": list(network.target_spacing)} if network.target_spacing else {}),
        **({"target_unit": network.target_unit} if network.target_spacing and network.target_unit else {}),
        "normalisation": modes[int(network.image_mode)],
        "quarter_turns": bool(network.quarter_turns),
    }


def sight_of(fields: Mapping[str, Any]) -> tuple[bool, list[float], list[float], str]:
    """Whether images may be flipped, the limits of intensities that are looked at, and the voxel size with its unit.

    All go with the weights, whatever the network was built with that they are loaded into.

    Args:
        fields: the file's description.

    >>> sight_of({"architecture": {"limits": [0, 50]}}), sight_of({})
    ((True, [0.0, 50.0], [], ''), (True, [], [], ''))
    """
    known = fields.get("architecture", {})
    limits, target = check_limits(known.get("limits")), check_target(known.get("target_spacing"))
    return bool(known.get("flips", True)), limits, target, str(known.get("target_unit") or "")


def describe_network(network: Any, file: Mapping[str, Any]) -> dict[str, Any]:
    """All fields of a network's description.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet`.
        file: what the file told that it was loaded from, and what is told of the training.
    """
    pairs = {"threshold": network.threshold, "nms_overlap": network.overlap}
    ours = {
        "format": FORMAT,
        "architecture": network.architecture,
        "head": network.head.state(),
        "decision": {key: dict(zip(METRICS, values.tolist(), strict=True)) for key, values in pairs.items()},
    }
    return merge_description(file, ours)


def merge_description(known: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Our fields, and those of a file that this program does not know.

    Args:
        known: what the file held that the network was loaded from.
        ours: what this program says.

    >>> merge_description({"format": 1, "new": 1, "a": {"b": 0, "new": 2}}, {"format": 2, "a": {"b": 3}})
    {'format': 2, 'new': 1, 'a': {'b': 3, 'new': 2}}
    """
    merged = dict(known)
    for key, value in ours.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge_description(old, value) if both else value  # type: ignore[arg-type]
    return merged


def matching_head(fields: Mapping[str, Any], architecture: Mapping[str, Any], head: Head) -> Head:
    """The head that a file describes, if its weights fit a network.

    Args:
        fields: the file's description.
        architecture: the network's, by names.
        head: the network's.

    Raises:
        ValueError: naming what differs.
    """
    theirs, theirs_head = fields["architecture"], head_from_state(fields["head"])
    if theirs_head.classes != head.classes:
        names = [one.classes or "none (instances)" for one in (theirs_head, head)]
        raise ValueError(
            f"the file's `classes` are {names[0]}, the network's {names[1]}; build the network with the file's values"
        )
    skipped = {
        *_NOT_OF_THE_WEIGHTS,
        *(["backbone"] if same_backbone(theirs.get("backbone"), architecture.get("backbone")) else []),
    }
    pairs = [(key, theirs.get(key), architecture.get(key)) for key in {**architecture, "backbone": None} if key not in skipped]
    there, here = theirs_head.signature(), head.signature()
    pairs += [(key, there.get(key), here.get(key)) for key in {**here, **there}]
    wrong = [f"{key}={their} (network has {our})" for key, their, our in pairs if their != our]
    if wrong:
        raise ValueError(f"the file holds another network: {', '.join(wrong)}; build the network with the file's values")
    return theirs_head
