"""What a process knows of the others of a distributed run."""

from __future__ import annotations

from typing import Any

import torch


def is_main_process() -> bool:
    """Whether this process writes files: rank 0, or the only one.

    >>> is_main_process()
    True
    """
    return not (torch.distributed.is_available() and torch.distributed.is_initialized() and torch.distributed.get_rank() > 0)


def of_all_processes(value: Any) -> list[Any]:
    """What each process has, by rank; all of them must call it.

    Args:
        value: anything that can be pickled.

    >>> of_all_processes("mine")
    ['mine']
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    gathered: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, value)
    return gathered


def unwrap(network: Any) -> Any:
    """Take the wrapper of a distributed training off a network.

    Args:
        network: a network, wrapped or not.

    >>> network = torch.nn.Identity()
    >>> unwrap(torch.nn.DataParallel(network)) is network, unwrap(network) is network
    (True, True)
    """
    return getattr(network, "module", network)
