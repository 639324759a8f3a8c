"""A network of the user's own inside DenoiSegNet: how it is named, built, checked and described."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Definition = dict[str, Any]
"""``{"_target_": "package.Class", argument: value, ...}``: what JSON, and a model file, say of a network."""

GIVEN = "_given_"
"""Marks the definition of a network that was given as an object."""

_MONAI = "monai.networks.nets"


class Backbone(NamedTuple):
    """A network and, where it is known, how to build it again.

    Attributes:
        module: the network.
        definition: how; of a network that was given as an object its class only, and :data:`GIVEN`.
    """

    module: nn.Module
    definition: Definition


def build_backbone(given: Any, **usual: int) -> Backbone:
    """Build a backbone from any form a user may give it in.

    Args:
        given: a definition as in a bundle's JSON; a class, or a ``functools.partial`` of one; or a network itself.
        usual: arguments of the class that a definition may leave out (``spatial_dims``, ``in_channels``, ``out_channels``).

    Raises:
        ValueError: when a definition names no network, or its arguments are wrong.
        TypeError: for anything else.

    >>> built = build_backbone({"_target_": "torch.nn.Conv2d", "kernel_size": 1}, in_channels=1, out_channels=4)
    >>> built.module, built.definition["_target_"]
    (Conv2d(1, 4, kernel_size=(1, 1), stride=(1, 1)), 'torch.nn.Conv2d')
    >>> build_backbone({"_target_": "os.system", "command": "ls"})
    Traceback (most recent call last):
        ...
    ValueError: the backbone os.system is no torch.nn.Module
    """
    if isinstance(given, nn.Module):
        return Backbone(given, {"_target_": _name_of(type(given)), GIVEN: True})
    if isinstance(given, functools.partial) and not given.args and isinstance(given.func, type):
        given = {"_target_": _name_of(given.func), **given.keywords}
    if isinstance(given, type):
        given = {"_target_": _name_of(given)}
    if not isinstance(given, Mapping) or not isinstance(given.get("_target_"), str):
        example = "{'_target_': 'monai.networks.nets.SegResNet', ...}"
        raise TypeError(f"`backbone` must be a network, or a definition such as {example}, got {given!r}")
    definition = {key: _plain(value) for key, value in given.items() if key not in ("_mode_", "_disabled_", "_desc_")}
    target = definition["_target_"] = _full_name(definition["_target_"])
    if GIVEN in definition:
        raise ValueError(f"the backbone {target} was given as an object, which a file cannot hold: pass it as `backbone` again")
    found = _class(target)
    taken = inspect.signature(found).parameters
    definition = {key: value for key, value in usual.items() if key in taken} | definition
    try:
        module = found(**{key: value for key, value in definition.items() if key != "_target_"})
    except (TypeError, ValueError, AssertionError) as error:
        raise ValueError(f"the backbone {target} cannot be built: {error}") from error
    return Backbone(module, definition)


def same_backbone(one: Definition | None, other: Definition | None) -> bool:
    """Whether two definitions may name the same network; of one given as an object only the class is known.

    Args:
        one: a definition; None for this package's own U-Net.
        other: likewise.

    >>> same_backbone({"_target_": "a.B", "x": 1}, {"_target_": "a.B", GIVEN: True}), same_backbone(None, {"_target_": "a.B"})
    (True, False)
    """
    if one is None or other is None:
        return one is other
    return one["_target_"] == other["_target_"] and (one == other or GIVEN in one or GIVEN in other)


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _full_name(target: str) -> str:
    return target if "." in target else f"{_MONAI}.{target}"  # MONAI's configurations name its networks without their module


def _class(target: str) -> type[nn.Module]:
    """The class of that name. A model file names it too, so nothing but a network is ever called."""
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"there is no backbone {target}: {error}; is its package installed?") from error
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise ValueError(f"the backbone {target} is no torch.nn.Module")
    return found


def _plain(value: Any) -> Any:
    """A value as JSON gives it back, so that a definition equals the one that was read from a file."""
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"an argument of a backbone must be something JSON can hold, got {value!r}: give the network itself instead")


@torch.no_grad()
def check_channels(module: nn.Module, spatial_dims: int, in_channels: int, wanted: int, size: list[int]) -> None:
    """Check what a backbone gives against what the head needs.

    Args:
        module: the backbone.
        spatial_dims: 2 or 3.
        in_channels: of the image.
        wanted: segmentation and denoised channels.
        size: spatial shape to try.

    Raises:
        ValueError: with the number of channels to give.

    >>> check_channels(nn.Conv2d(1, 3, 1), 2, 1, 4, [8, 8])
    Traceback (most recent call last):
        ...
    ValueError: the backbone Conv2d gives 3 channels, the network needs 4: build it with out_channels=4
    """
    name, training = type(module).__name__, module.training
    module.eval()
    try:
        output = module(torch.zeros(1, in_channels, *size))
    except Exception as error:
        raise ValueError(
            f"the backbone {name} does not take an image (1, {in_channels}, {', '.join(map(str, size))}) of `spatial_dims` "
            f"{spatial_dims} and `in_channels` {in_channels}: {error}"
        ) from error
    finally:
        module.train(training)
    if not isinstance(output, Tensor) or output.dim() != spatial_dims + 2:
        raise ValueError(f"the backbone {name} must give one tensor (B, C, {'D, ' * (spatial_dims == 3)}H, W) in evaluation mode")
    if output.shape[1] != wanted:
        raise ValueError(
            f"the backbone {name} gives {output.shape[1]} channels, the network needs {wanted}: build it with "
            f"out_channels={wanted}"
        )
