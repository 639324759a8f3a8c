"""A digest of everything a result depends on: network, options of every part, version."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import nn

from monai_denoiseg import __version__

_WITHOUT_EFFECT = {"output_dir", "device", "progress", "digest", "training", "domain", "_written", "dataset", "data", "R"}
"""Attributes that say where and how a result is made, not what it is."""
_OF_EVERY_MODULE = set(vars(nn.Module()))


def digest_of(*parts: Any) -> str:
    """Digest of networks, transforms and plain values: equal if they give equal results.

    Objects are described by their class and attributes, networks by all their weights too, functions by their names and what they
    refer to. Where results go and which device makes them does not count, nor do objects that say ``changes_results = False``.

    Args:
        parts: anything.

    >>> digest_of({"tta": True}, torch.nn.ReLU()) == digest_of({"tta": True}, torch.nn.ReLU())
    True
    >>> digest_of({"tta": True}) == digest_of({"tta": False})
    False
    """
    described = json.dumps([__version__, _describe(parts, ())], sort_keys=True)
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def _describe(value: Any, inside: tuple[int, ...]) -> Any:
    """Plain values that stand for a value; ``inside`` are the objects it is part of."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if id(value) in inside:
        return "itself"
    inside = (*inside, id(value))
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return _hash_array(value)
    if isinstance(value, Mapping):
        return ["mapping", sorted(([repr(key), _describe(one, inside)] for key, one in value.items()), key=str)]
    if isinstance(value, (list, tuple)):
        return ["list", [_describe(one, inside) for one in value]]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted((_describe(one, inside) for one in value), key=str)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return _describe_code(value, inside)


def _describe_code(value: Any, inside: tuple[int, ...]) -> Any:
    if getattr(value, "changes_results", True) is False:
        return None
    if isinstance(value, type):
        return _name(value)
    if isinstance(value, functools.partial):
        return ["partial", _describe([value.func, value.args, value.keywords], inside)]
    if isinstance(value, MethodType):
        return [_name(value.__func__), _describe(value.__self__, inside)]
    if isinstance(value, FunctionType):
        return [_name(value), _describe([cell.cell_contents for cell in value.__closure__ or ()], inside)]
    if isinstance(value, nn.Module):
        return _describe_network(value, inside)
    if isinstance(value, (torch.dtype, np.dtype, np.generic)):
        return str(value)
    return [_name(type(value)), _describe(_attributes(vars(value).items()), inside) if _is_part(value) else None]


def _describe_network(network: nn.Module, inside: tuple[int, ...]) -> Any:
    weights = {**dict(network.named_parameters(recurse=False)), **dict(network.named_buffers(recurse=False))}
    options = _attributes((key, value) for key, value in vars(network).items() if key not in _OF_EVERY_MODULE)
    children = {key: _describe(child, inside) for key, child in network.named_children()}
    return [
        _name(type(network)),
        {key: _hash_array(value) for key, value in weights.items()},
        _describe(options, inside),
        children,
    ]


def _attributes(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if key not in _WITHOUT_EFFECT}


def _is_part(value: Any) -> bool:
    """Whether an object is one whose attributes are options: of this package, of MONAI, of the user."""
    return hasattr(value, "__dict__") and type(value).__module__.split(".")[0] not in (
        "builtins",
        "logging",
        "numpy",
        "threading",
        "torch",
    )


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _hash_array(value: torch.Tensor | np.ndarray) -> str:
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        kind, content = f"{plain.dtype} {tuple(plain.shape)}", plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    else:
        kind, content = f"{value.dtype} {value.shape}", np.ascontiguousarray(value).tobytes()
    return hashlib.blake2b(kind.encode() + content, digest_size=16).hexdigest()
