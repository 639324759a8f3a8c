"""The options of a request: whatever a client sends, it is read as what it must be or refused with its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.label.api import name_to_device

DEVICES = ("cpu", "cuda", "mps")


def number(key: str, value: Any) -> float:
    """Read a number, also from text.

    Args:
        key: its name, for the message.
        value: what the client sent.

    Raises:
        ValueError: for anything that is no finite number.

    >>> number("lam", "0.1"), number("lam", 2)
    (0.1, 2.0)
    >>> number("lam", [])
    Traceback (most recent call last):
        ...
    ValueError: `lam` must be a number, got []
    """
    try:
        found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"`{key}` must be a number, got {shown(value)}")
    return found


def whole_number(key: str, value: Any) -> int:
    """Read a whole number, also from text.

    Args:
        key: its name, for the message.
        value: what the client sent.

    Raises:
        ValueError: for anything else; 1.5 is not rounded.

    >>> whole_number("max_epochs", "5"), whole_number("max_epochs", 5.0)
    (5, 5)
    >>> whole_number("max_epochs", 1.5)
    Traceback (most recent call last):
        ...
    ValueError: `max_epochs` must be a whole number, got 1.5
    """
    found = number(key, value)
    if found != int(found) or abs(found) >= 2**53:
        raise ValueError(f"`{key}` must be a whole number, got {shown(value)}")
    return int(found)


def shown(value: Any) -> str:
    """A value as a message shows it, short.

    Args:
        value: anything.

    >>> shown("a" * 100)[-6:]
    'aaa...'
    """
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def truth(key: str, value: Any) -> bool:
    """Read a switch, also from text.

    Args:
        key: its name, for the message.
        value: true or false.

    Raises:
        ValueError: for anything else.

    >>> truth("pretrained", "False")
    False
    """
    word = str(value).strip().lower()
    if word not in ("true", "false", "1", "0"):
        raise ValueError(f"`{key}` must be true or false, got {shown(value)}")
    return word in ("true", "1")


def text(key: str, value: Any) -> str:
    """Read a text.

    Args:
        key: its name, for the message.
        value: what the client sent.

    Raises:
        ValueError: for anything else.

    >>> text("model", ["a"])
    Traceback (most recent call last):
        ...
    ValueError: `model` must be text, got ['a']
    """
    if not isinstance(value, str):
        raise ValueError(f"`{key}` must be text, got {shown(value)}")
    return value


def pair(key: str, value: Any) -> tuple[float, float]:
    """Read two numbers; zeros where there is nothing.

    Args:
        key: their name, for the message.
        value: what the client sent.

    Raises:
        ValueError: for anything else.

    >>> pair("size", [3, 4]), pair("size", None)
    ((3.0, 4.0), (0.0, 0.0))
    """
    if not value and value != 0:
        return 0.0, 0.0
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"`{key}` must be two numbers, got {shown(value)}")
    return number(key, value[0]), number(key, value[1])


def infer_settings(request: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of ``inference.json`` a request sets, checked.

    Args:
        request: an inference request; other keys are passed over. ``threshold`` may be ``"auto"``: the one found in training.

    Raises:
        ValueError: for a value that cannot be read, or out of range.

    >>> infer_settings({"tta": "false", "threshold": "auto", "min_size": "20", "image": "a"})
    {'tta': False, 'min_size': 20}
    """
    found: dict[str, Any] = {}
    if request.get("tta") not in (None, ""):
        found["tta"] = truth("tta", request["tta"])
    if request.get("threshold") not in (None, "", "auto"):
        found["threshold"] = check_range("threshold", number("threshold", request["threshold"]), 0, 1)
    if request.get("min_size") not in (None, "", "auto"):
        found["min_size"] = check_int("min_size", whole_number("min_size", request["min_size"]), 0)
    return found


def device_of(request: Mapping[str, Any]) -> str:
    """The device a request names; by default a GPU if there is one. Clients also send the list they were shown: its first counts.

    Args:
        request: of any kind.

    Raises:
        ValueError: when there is no such device.
    """
    wanted = request.get("device")
    wanted = wanted[0] if isinstance(wanted, list) and wanted else wanted
    named = text("device", wanted) if wanted not in (None, "", []) else None
    if named is not None and named.startswith("cuda"):  # without a GPU it is taken as the CPU, but must be a name
        _torch_device(named)
    return checked_device(name_to_device(named))


def checked_device(name: str) -> str:
    """Return the name of a device if there is one.

    Args:
        name: as torch spells it, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Raises:
        ValueError: when there is no such device.

    >>> checked_device("cpu")
    'cpu'
    """
    device = _torch_device(name)
    if device.type not in DEVICES or (device.type == "mps" and not torch.backends.mps.is_available()):
        raise ValueError(f"`device` {name!r} is not there; take 'cpu' or 'cuda'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"`device` {name!r} is not there; this machine has {torch.cuda.device_count()} CUDA devices")
    return name


def _torch_device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"`device` {shown(name)} is none that torch knows: 'cpu', 'cuda', 'cuda:0', ...") from error
